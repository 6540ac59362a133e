//! Merchants, their terminals, cash machines, and what things cost.

use crate::places::Places;
use crate::random::{Dice, Purpose};
use crate::row::{CityNo, MerchantNo, Minor, Point, TerminalNo};

pub const CATEGORIES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    Grocery,
    Fuel,
    Restaurant,
    Clothing,
    Electronics,
    Travel,
    Entertainment,
    Health,
    Utilities,
    Digital,
    Home,
    Luxury,
}

pub const ALL_CATEGORIES: [Category; CATEGORIES] = [
    Category::Grocery,
    Category::Fuel,
    Category::Restaurant,
    Category::Clothing,
    Category::Electronics,
    Category::Travel,
    Category::Entertainment,
    Category::Health,
    Category::Utilities,
    Category::Digital,
    Category::Home,
    Category::Luxury,
];

struct Trade {
    /// Median price in minor units, and sigma of its logarithm.
    median: f64,
    sigma: f64,
    /// Share of merchants, and of those the share that sells on screens.
    share: f32,
    online: f64,
}

/// Orders of magnitude of card payments by category as in the Federal Reserve's and the ECB's payment
/// surveys; only their ratios matter here.
const TRADES: [Trade; CATEGORIES] = [
    Trade {
        median: 2600.0,
        sigma: 0.80,
        share: 0.16,
        online: 0.15,
    },
    Trade {
        median: 4200.0,
        sigma: 0.50,
        share: 0.06,
        online: 0.02,
    },
    Trade {
        median: 1900.0,
        sigma: 0.75,
        share: 0.22,
        online: 0.20,
    },
    Trade {
        median: 4500.0,
        sigma: 0.80,
        share: 0.11,
        online: 0.50,
    },
    Trade {
        median: 8500.0,
        sigma: 1.10,
        share: 0.06,
        online: 0.60,
    },
    Trade {
        median: 11_000.0,
        sigma: 1.10,
        share: 0.05,
        online: 0.75,
    },
    Trade {
        median: 2200.0,
        sigma: 0.80,
        share: 0.08,
        online: 0.60,
    },
    Trade {
        median: 2800.0,
        sigma: 0.90,
        share: 0.09,
        online: 0.15,
    },
    Trade {
        median: 6000.0,
        sigma: 0.60,
        share: 0.03,
        online: 0.90,
    },
    Trade {
        median: 1200.0,
        sigma: 0.95,
        share: 0.05,
        online: 1.00,
    },
    Trade {
        median: 5500.0,
        sigma: 1.00,
        share: 0.07,
        online: 0.45,
    },
    Trade {
        median: 14_000.0,
        sigma: 1.00,
        share: 0.02,
        online: 0.40,
    },
];

#[derive(Clone, Copy, Debug)]
pub struct Merchant {
    pub category: Category,
    pub city: CityNo,
    pub at: Point,
    pub terminals: u8,
    pub first_terminal: TerminalNo,
    pub online: bool,
}

#[derive(Clone, Debug)]
pub struct Market {
    pub merchants: Vec<Merchant>,
    /// Merchants by (city, category), `local_start` having one more entry than there are pairs.
    local: Vec<MerchantNo>,
    local_start: Vec<u32>,
    online: [Vec<MerchantNo>; CATEGORIES],
    /// First cash machine of each city, and one past the last of all.
    cash_start: Vec<u32>,
}

impl Market {
    pub fn new(seed: u64, places: &Places) -> Market {
        let mut dice = Dice::new(seed, Purpose::Market, 0, 0);
        let shares = TRADES.map(|trade| trade.share);
        let mut merchants = Vec::new();
        let mut next_terminal = 0;
        for (index, city) in places.cities.iter().enumerate() {
            let city_no = CityNo(index as u16);
            for count in 0..city.people / 22 + 14 {
                // every city has one merchant of each category before it has two of any
                let kind = if (count as usize) < CATEGORIES {
                    count as usize
                } else {
                    dice.weighted(&shares)
                };
                let rank = f64::from(count / CATEGORIES as u32 + 1);
                let terminals = (12.0 / libm::sqrt(rank) * dice.lognormal(0.5, 0.7)) as u8;
                let terminals = terminals.clamp(1, 40);
                merchants.push(Merchant {
                    category: ALL_CATEGORIES[kind],
                    city: city_no,
                    at: places.around(city_no, &mut dice),
                    terminals,
                    first_terminal: TerminalNo(next_terminal),
                    online: dice.chance(TRADES[kind].online),
                });
                next_terminal += u32::from(terminals);
            }
        }
        let cash_start = places
            .cities
            .iter()
            .map(|city| {
                let first = next_terminal;
                next_terminal += city.people / 400 + 3;
                first
            })
            .collect::<Vec<u32>>();
        let mut market = Market {
            merchants,
            local: Vec::new(),
            local_start: vec![0],
            online: Default::default(),
            cash_start,
        };
        market.cash_start.push(next_terminal);
        market.index(places.cities.len());
        market
    }

    fn index(&mut self, cities: usize) {
        let mut shelves = vec![Vec::new(); cities * CATEGORIES];
        for (index, merchant) in self.merchants.iter().enumerate() {
            let no = MerchantNo(index as u32);
            shelves[merchant.city.index() * CATEGORIES + merchant.category as usize].push(no);
            if merchant.online {
                self.online[merchant.category as usize].push(no);
            }
        }
        for shelf in shelves {
            self.local.extend(shelf);
            self.local_start.push(self.local.len() as u32);
        }
        for (kind, shops) in self.online.iter_mut().enumerate() {
            if shops.is_empty() {
                // a category that happened to have no online merchant gets one
                let fallback = self
                    .merchants
                    .iter()
                    .position(|m| m.category as usize == kind);
                shops.extend(fallback.map(|index| MerchantNo(index as u32)));
            }
        }
    }

    pub fn terminal_count(&self) -> u32 {
        self.cash_start.last().copied().unwrap_or(0)
    }

    /// A shop of the city, heavy-tailed by rank; every city has every category.
    pub fn local(&self, city: CityNo, category: Category, u: f64) -> MerchantNo {
        let slot = city.index() * CATEGORIES + category as usize;
        let (start, end) = (self.local_start[slot], self.local_start[slot + 1]);
        self.local[(start + crate::random::ranked(u, end - start)) as usize]
    }

    pub fn online(&self, category: Category, u: f64) -> MerchantNo {
        let shops = &self.online[category as usize];
        shops[crate::random::ranked(u, shops.len() as u32) as usize]
    }

    pub fn cash_machine(&self, city: CityNo, dice: &mut Dice) -> TerminalNo {
        let start = self.cash_start[city.index()];
        TerminalNo(start + dice.ranked(self.cash_start[city.index() + 1] - start))
    }
}

/// A price of the category for somebody who spends `taste` times the usual.
pub fn price(category: Category, taste: f64, level: f64, dice: &mut Dice) -> Minor {
    price_point(raw_price(category, taste, level, dice), dice)
}

/// The same before it is put on a label.
pub fn raw_price(category: Category, taste: f64, level: f64, dice: &mut Dice) -> f64 {
    let Trade { median, sigma, .. } = TRADES[category as usize];
    dice.lognormal(median * taste * level, sigma)
        .min(2_000_000.0)
}

/// Shop prices: many end in .99, .95, .90, .50 or .00, the others anywhere. The least is half a unit, by
/// a shift: a floor would gather the small ones on one price.
pub fn price_point(raw: f64, dice: &mut Dice) -> Minor {
    let raw = raw as i64 + 50;
    let endings = [99, 95, 90, 50, 0];
    let (rounds, ending) = (dice.chance(0.45), dice.pick(&endings));
    let whole = raw / 100 * 100;
    Minor(if rounds && whole > 0 {
        whole + ending
    } else {
        raw
    })
}

/// Amounts people type themselves: more than half are round. The same for everybody.
pub fn typed_amount(raw: f64, dice: &mut Dice) -> Minor {
    let raw = (raw as i64).clamp(100, 100_000_000);
    if dice.chance(0.6) {
        let step = match raw {
            ..3_000 => 100,
            3_000..20_000 => 500,
            20_000..100_000 => 1_000,
            _ => 5_000,
        };
        return Minor((raw + step / 2) / step * step);
    }
    Minor(raw)
}
