//! Any expression: the crate says what the reference says, with the same values missing.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{Lists, Outcome, Value, Values, reference, run};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const NUMBERS: [&str; 10] = [
    "0", "1", "2", "7", "0.5", "50000", "1e300", "2.5e-3", "3", "24",
];
const TEXTS: [&str; 8] = [
    "",
    "web",
    "app",
    "a@b.example",
    "ümlaut",
    "WEB",
    "dev-12",
    "it's \"q\" \\",
];
const PATTERNS: [&str; 5] = ["^w", "e.$", "[0-9]{2}", "(?i)web", "a|@"];
const TIMES_MS: [i64; 4] = [0, 1_790_000_123_456, 951_782_400_000, -86_400_001];
const DURATIONS: [&str; 5] = ["0s", "1h30m", "-36h", "1.5s", "250ms"];
const ZONES: [&str; 4] = ["", "'UTC'", "'+05:30'", "'-08:00'"];

/// The same expression twice: as the crate takes it, and as the reference does.
struct Pair(String, String);

impl Pair {
    fn same(text: impl Into<String>) -> Pair {
        let text = text.into();
        Pair(text.clone(), text)
    }

    /// `#` stands for a part.
    fn of(form: &str, parts: &[&Pair]) -> Pair {
        let fill = |side: fn(&Pair) -> &str| {
            let mut parts = parts.iter();
            let pieces = form.split('#').map(str::to_owned);
            let join = |left: String, right: String| left + side(parts.next().unwrap()) + &right;
            pieces.reduce(join).unwrap()
        };
        Pair(fill(|it| &it.0), fill(|it| &it.1))
    }
}

/// A literal of CEL.
fn quoted(text: &str) -> Pair {
    Pair::same(format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

struct Writer {
    dice: Dice,
    /// Names of elements that are in scope, all texts.
    elements: Vec<String>,
}

impl Writer {
    fn bool(&mut self, depth: usize) -> Pair {
        if depth == 0 {
            let leaves = [
                "true",
                "false",
                "recurring",
                "device.trusted",
                "has(device.id)",
                "has(device.accounts_72h)",
            ];
            return Pair::same(self.dice.pick(&leaves));
        }
        let below = depth - 1;
        match self.dice.below(16) {
            0 => Pair::of("!(#)", &[&self.bool(below)]),
            1 | 2 => Pair::of("(# && #)", &[&self.bool(below), &self.bool(below)]),
            3 | 4 => Pair::of("(# || #)", &[&self.bool(below), &self.bool(below)]),
            5 => {
                let [a, b, c] = [self.bool(below), self.bool(below), self.bool(below)];
                Pair::of("(# ? # : #)", &[&a, &b, &c])
            }
            6 | 7 => {
                let form = self.compared();
                Pair::of(&form, &[&self.number(below), &self.number(below)])
            }
            8 => {
                let form = self.compared();
                Pair::of(&form, &[&self.text(below), &self.text(below)])
            }
            9 => {
                let form = self.compared();
                Pair::of(&form, &[&self.time(below), &self.time(below)])
            }
            10 => {
                let form = self.compared();
                Pair::of(&form, &[&self.duration(below), &self.duration(below)])
            }
            11 => Pair::of("(# == #)", &[&self.bool(below), &self.bool(below)]),
            12 => self.within(below),
            13 => {
                let form = self.dice.pick(&[
                    "#.startsWith(#)",
                    "#.endsWith(#)",
                    "#.contains(#)",
                    "#.matches(#)",
                ]);
                let part = match form.contains("matches") {
                    true => quoted(self.dice.pick(&PATTERNS)),
                    false => self.text(below),
                };
                Pair::of(form, &[&self.text(below), &part])
            }
            14 => {
                let list = self.dice.pick(&["seen", "unheard"]);
                let key = match self.dice.below(2) {
                    0 => self.text(below),
                    _ => self.number(below),
                };
                Pair::of(&format!("on_list(\"{list}\", #)"), &[&key])
            }
            _ => self.quantified(below),
        }
    }

    fn compared(&mut self) -> String {
        let operator = self.dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
        format!("(# {operator} #)")
    }

    fn within(&mut self, depth: usize) -> Pair {
        let count = self.dice.below(5);
        let (value, elements): (Pair, Vec<Pair>) = match self.dice.below(2) {
            0 => {
                let elements = (0..count).map(|_| self.literal()).collect();
                (self.number(depth), elements)
            }
            _ => {
                let elements = (0..count).map(|_| quoted(self.dice.pick(&TEXTS)));
                let elements = elements.collect();
                (self.text(depth), elements)
            }
        };
        let list = vec!["#"; count].join(", ");
        let parts: Vec<&Pair> = [&value].into_iter().chain(&elements).collect();
        Pair::of(&format!("(# in [{list}])"), &parts)
    }

    fn quantified(&mut self, depth: usize) -> Pair {
        let count = self.dice.below(4);
        let elements: Vec<Pair> = (0..count).map(|_| quoted(self.dice.pick(&TEXTS))).collect();
        let name = format!("e{}", self.elements.len());
        self.elements.push(name.clone());
        let body = self.bool(depth);
        self.elements.pop();
        let macro_name = self.dice.pick(&["exists", "all"]);
        let list = vec!["#"; count].join(", ");
        let parts: Vec<&Pair> = elements.iter().chain([&body]).collect();
        Pair::of(&format!("[{list}].{macro_name}({name}, #)"), &parts)
    }

    fn literal(&mut self) -> Pair {
        let number = self.dice.pick(&NUMBERS);
        let double = match number.contains(['.', 'e']) {
            true => number.to_owned(),
            false => format!("{number}.0"),
        };
        Pair(number.to_owned(), double)
    }

    fn number(&mut self, depth: usize) -> Pair {
        if depth == 0 {
            return match self.dice.below(2) {
                0 => self.literal(),
                _ => Pair::same(self.dice.pick(&["score", "amount", "device.accounts_72h"])),
            };
        }
        let below = depth - 1;
        match self.dice.below(9) {
            0..3 => {
                let operator = self.dice.pick(&["+", "-", "*", "/"]);
                let [left, right] = [self.number(below), self.number(below)];
                let Pair(ours, cel) = Pair::of(&format!("(# {operator} #)"), &[&left, &right]);
                Pair(ours, format!("finite{cel}"))
            }
            3 => Pair::of("-(#)", &[&self.number(below)]),
            4 => {
                let [a, b, c] = [self.bool(below), self.number(below), self.number(below)];
                Pair::of("(# ? # : #)", &[&a, &b, &c])
            }
            5 => {
                let form = self.dice.pick(&["size(#)", "#.size()"]);
                let Pair(ours, cel) = Pair::of(form, &[&self.text(below)]);
                Pair(ours, format!("double({cel})"))
            }
            6 => {
                let method = self.dice.pick(&[
                    "getFullYear",
                    "getMonth",
                    "getDate",
                    "getDayOfMonth",
                    "getDayOfYear",
                    "getDayOfWeek",
                    "getHours",
                    "getMinutes",
                    "getSeconds",
                    "getMilliseconds",
                ]);
                let zone = self.dice.pick(&ZONES);
                let Pair(ours, cel) =
                    Pair::of(&format!("#.{method}({zone})"), &[&self.time(below)]);
                Pair(ours, format!("double({cel})"))
            }
            7 => {
                let method = self.dice.pick(&["getHours", "getMinutes", "getSeconds"]);
                let Pair(ours, cel) = Pair::of(&format!("#.{method}()"), &[&self.duration(below)]);
                Pair(ours, format!("double({cel})"))
            }
            _ => {
                let Pair(ours, cel) = Pair::of("int(#)", &[&self.number(below)]);
                Pair(ours, format!("double({cel})"))
            }
        }
    }

    fn text(&mut self, depth: usize) -> Pair {
        if depth > 0 && self.dice.below(4) == 0 {
            let below = depth - 1;
            let [a, b, c] = [self.bool(below), self.text(below), self.text(below)];
            return Pair::of("(# ? # : #)", &[&a, &b, &c]);
        }
        match self.dice.below(3) {
            0 => quoted(self.dice.pick(&TEXTS)),
            1 if !self.elements.is_empty() => {
                let at = self.dice.below(self.elements.len());
                Pair::same(self.elements[at].clone())
            }
            _ => Pair::same(
                self.dice
                    .pick(&["event_type", "channel", "device.id", "note"]),
            ),
        }
    }

    fn time(&mut self, depth: usize) -> Pair {
        if depth == 0 {
            let leaves = [
                "event_timestamp",
                "account.first_seen",
                "timestamp(\"2026-02-28T23:59:59.250Z\")",
                "timestamp(\"1999-12-31T20:00:00Z\")",
            ];
            return Pair::same(self.dice.pick(&leaves));
        }
        let below = depth - 1;
        match self.dice.below(4) {
            0 => Pair::of("(# + #)", &[&self.time(below), &self.duration(below)]),
            1 => Pair::of("(# - #)", &[&self.time(below), &self.duration(below)]),
            2 => {
                let [a, b, c] = [self.bool(below), self.time(below), self.time(below)];
                Pair::of("(# ? # : #)", &[&a, &b, &c])
            }
            _ => self.time(0),
        }
    }

    fn duration(&mut self, depth: usize) -> Pair {
        let literal = format!("duration(\"{}\")", self.dice.pick(&DURATIONS));
        if depth == 0 {
            return Pair::same(literal);
        }
        let below = depth - 1;
        match self.dice.below(3) {
            0 => Pair::of("(# - #)", &[&self.time(below), &self.time(below)]),
            1 => Pair::of("(# + #)", &[&self.duration(below), &self.duration(below)]),
            _ => Pair::same(literal),
        }
    }
}

fn values(dice: &mut Dice) -> Values {
    let mut values = Values::new();
    for name in ["score", "amount", "device.accounts_72h"] {
        let number: f64 = dice.pick(&NUMBERS).parse().unwrap();
        values.insert(name.to_owned(), Value::Number(number));
    }
    for name in ["event_type", "channel", "device.id", "note"] {
        let text = dice.pick(&TEXTS).to_owned();
        values.insert(name.to_owned(), Value::Text(text));
    }
    for name in ["event_timestamp", "account.first_seen"] {
        let time = dice.pick(&TIMES_MS);
        values.insert(name.to_owned(), Value::Time(time));
    }
    for name in ["recurring", "device.trusted"] {
        let flag = dice.below(2) == 0;
        values.insert(name.to_owned(), Value::Bool(flag));
    }
    for name in [
        "amount",
        "device.id",
        "device.accounts_72h",
        "device.trusted",
        "account.first_seen",
        "note",
    ] {
        if dice.below(3) == 0 {
            values.remove(name);
        }
    }
    values
}

#[test]
fn any_expression_means_what_the_reference_says() {
    let seen = [
        Value::Text("web".to_owned()),
        Value::Text("dev-12".to_owned()),
        Value::Number(7.0),
    ];
    let lists = Lists::from([("seen".to_owned(), seen.to_vec())]);
    let mut runner = TestRunner::new(Config {
        cases: 6_000,
        ..Config::default()
    });
    let mut counts = [0_usize; 3];
    let counted = std::cell::RefCell::new(&mut counts);
    let done = runner.run(&(any::<u64>(), 1_usize..5), |(seed, depth)| {
        let mut dice = Dice(seed);
        let values = values(&mut dice);
        let mut writer = Writer {
            dice,
            elements: Vec::new(),
        };
        let Pair(ours, cel) = writer.bool(depth);
        if ours.len() > 4096 {
            return Err(TestCaseError::reject("longer than an expression may be"));
        }
        let got = match run(&ours, &values, &lists) {
            Ok(got) => got,
            // The reference bounds nothing.
            Err(error) if error.problems[0].cause.code() == "over_cost" => {
                return Err(TestCaseError::reject("dearer than a rule may be"));
            }
            Err(error) => return Err(TestCaseError::fail(format!("{ours}\n{error}"))),
        };
        let expected = reference(&cel, &values, &lists);
        let (same, kind) = match (&got, &expected) {
            (Outcome::Is(got), Ok(expected)) => (got == expected, usize::from(*got)),
            (Outcome::Missing(name), Err(_)) => (!values.contains_key(name), 2),
            (Outcome::Error(_), Err(_)) => (true, 2),
            _ => (false, 2),
        };
        counted.borrow_mut()[kind] += 1;
        prop_assert!(same, "{ours}\n{cel}\n{values:?}\n{got:?}\n{expected:?}");
        Ok(())
    });
    done.unwrap();
    // Each of false, true and error is met often enough to mean something.
    assert!(counts.iter().all(|it| *it > 500), "{counts:?}");
}
