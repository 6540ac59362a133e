//! Groups of people who live alike: income, rhythm, what they buy, on what devices.

use crate::market::{ALL_CATEGORIES, CATEGORIES, Category};
use crate::random::Dice;
use crate::row::DeviceType;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cohort {
    Student,
    Worker,
    Family,
    Affluent,
    Pensioner,
    Trader,
}

impl Cohort {
    pub const ALL: [Cohort; 6] = [
        Cohort::Student,
        Cohort::Worker,
        Cohort::Family,
        Cohort::Affluent,
        Cohort::Pensioner,
        Cohort::Trader,
    ];

    pub fn profile(self) -> &'static Profile {
        &COHORTS[self as usize]
    }
}

/// Daily rates are of an ordinary weekday and of pace 1.
pub struct Profile {
    pub share: f32,
    /// Median monthly income in minor units.
    pub income: f64,
    pub income_sigma: f64,
    pub employed: bool,
    pub taste: f32,
    pub payments: f64,
    pub transfers: f64,
    pub logins: f64,
    pub cash: f64,
    /// Share of payments made on a screen.
    pub online: f64,
    /// Weights of owning one, two or three devices.
    pub devices: [f32; 3],
    /// Android, iOS, desktop, tablet.
    pub device_mix: [f32; 4],
    pub categories: [f32; CATEGORIES],
    pub hours: Rhythm,
}

impl Profile {
    pub fn device_type(&self, dice: &mut Dice) -> DeviceType {
        let kinds = [
            DeviceType::Android,
            DeviceType::Ios,
            DeviceType::Desktop,
            DeviceType::Tablet,
        ];
        kinds[dice.weighted(&self.device_mix)]
    }

    pub fn category(&self, dice: &mut Dice) -> Category {
        ALL_CATEGORIES[dice.weighted(&self.categories)]
    }
}

pub fn cohort_shares() -> [f32; 6] {
    [0, 1, 2, 3, 4, 5].map(|index: usize| COHORTS[index].share)
}

/// Hours of the day at which things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Shops while they are open, with a lunch and an evening peak.
    Day,
    /// Screens: late evening peak, some nights.
    Evening,
    /// Later still.
    Late,
    /// Office hours.
    Office,
}

const RHYTHMS: [[f32; 24]; 4] = [
    [
        0.4, 0.2, 0.1, 0.1, 0.2, 0.5, 1.3, 2.8, 4.0, 4.8, 5.6, 6.5, 7.6, 6.6, 5.8, 6.0, 7.2, 8.4,
        8.2, 6.8, 5.0, 3.6, 2.2, 1.1,
    ],
    [
        1.8, 1.0, 0.6, 0.5, 0.5, 0.7, 1.3, 2.6, 3.6, 4.0, 4.4, 4.8, 5.4, 5.0, 4.6, 4.6, 5.0, 5.6,
        6.2, 7.0, 7.8, 7.6, 5.8, 3.6,
    ],
    [
        3.6, 2.4, 1.6, 1.0, 0.7, 0.6, 0.8, 1.4, 2.2, 3.0, 3.8, 4.4, 5.2, 5.0, 4.8, 4.8, 5.2, 5.6,
        6.2, 6.8, 7.4, 7.8, 7.2, 5.4,
    ],
    [
        0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.6, 4.2, 8.2, 9.8, 10.0, 9.4, 6.8, 7.6, 9.0, 8.8, 7.6, 5.4,
        3.2, 2.0, 1.6, 1.2, 0.8, 0.4,
    ],
];

impl Rhythm {
    /// Milliseconds of the day; the time within the hour is uniform to the millisecond.
    pub fn moment(self, dice: &mut Dice) -> i64 {
        let hour = dice.weighted(&RHYTHMS[self as usize]) as i64;
        hour * crate::time::HOUR_MS + dice.between(0, crate::time::HOUR_MS - 1)
    }
}

pub const COHORTS: [Profile; 6] = [
    Profile {
        share: 0.15,
        income: 95_000.0,
        income_sigma: 0.35,
        employed: true,
        taste: 0.6,
        payments: 0.85,
        transfers: 0.33,
        logins: 0.16,
        cash: 0.041,
        online: 0.58,
        devices: [0.5, 0.4, 0.1],
        device_mix: [0.48, 0.36, 0.12, 0.04],
        categories: [5.0, 0.6, 5.0, 2.0, 0.7, 0.8, 3.0, 0.6, 0.4, 3.5, 0.4, 0.1],
        hours: Rhythm::Late,
    },
    Profile {
        share: 0.35,
        income: 220_000.0,
        income_sigma: 0.35,
        employed: true,
        taste: 0.9,
        payments: 0.95,
        transfers: 0.25,
        logins: 0.13,
        cash: 0.068,
        online: 0.42,
        devices: [0.5, 0.38, 0.12],
        device_mix: [0.46, 0.32, 0.18, 0.04],
        categories: [6.0, 2.6, 4.0, 1.6, 0.8, 0.7, 1.6, 1.0, 0.8, 1.8, 1.0, 0.15],
        hours: Rhythm::Evening,
    },
    Profile {
        share: 0.22,
        income: 300_000.0,
        income_sigma: 0.40,
        employed: true,
        taste: 1.1,
        payments: 1.15,
        transfers: 0.30,
        logins: 0.15,
        cash: 0.081,
        online: 0.44,
        devices: [0.35, 0.4, 0.25],
        device_mix: [0.42, 0.32, 0.16, 0.10],
        categories: [8.0, 2.8, 2.6, 2.2, 0.9, 0.8, 1.8, 1.6, 1.1, 1.4, 1.5, 0.15],
        hours: Rhythm::Day,
    },
    Profile {
        share: 0.08,
        income: 620_000.0,
        income_sigma: 0.60,
        employed: true,
        taste: 1.7,
        payments: 1.25,
        transfers: 0.39,
        logins: 0.18,
        cash: 0.068,
        online: 0.50,
        devices: [0.3, 0.4, 0.3],
        device_mix: [0.22, 0.50, 0.20, 0.08],
        categories: [5.0, 2.0, 5.0, 2.2, 1.2, 2.2, 2.0, 1.2, 0.8, 1.4, 1.4, 0.8],
        hours: Rhythm::Evening,
    },
    Profile {
        share: 0.15,
        income: 150_000.0,
        income_sigma: 0.40,
        employed: false,
        taste: 0.8,
        payments: 0.60,
        transfers: 0.13,
        logins: 0.07,
        cash: 0.162,
        online: 0.22,
        devices: [0.75, 0.22, 0.03],
        device_mix: [0.48, 0.20, 0.18, 0.14],
        categories: [8.0, 1.4, 1.6, 1.0, 0.5, 0.7, 0.8, 3.2, 1.0, 0.4, 1.0, 0.1],
        hours: Rhythm::Day,
    },
    Profile {
        share: 0.05,
        income: 420_000.0,
        income_sigma: 0.70,
        employed: false,
        taste: 1.3,
        payments: 1.10,
        transfers: 1.03,
        logins: 0.35,
        cash: 0.216,
        online: 0.48,
        devices: [0.3, 0.4, 0.3],
        device_mix: [0.36, 0.28, 0.30, 0.06],
        categories: [4.0, 3.2, 3.0, 1.2, 1.8, 1.4, 1.0, 0.8, 1.2, 1.8, 2.2, 0.2],
        hours: Rhythm::Office,
    },
];
