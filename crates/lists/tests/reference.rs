//! Lists against a scan over all items that were ever put, for every form, with expiry, sweeps, drops and copies.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::net::IpAddr;

use proptest::prelude::*;
use ringfence_lists::{
    Change, Definition, Effect, Form, ListsError, NewItem, Probe, Value, ValueRef, strongest,
};

type Lists = ringfence_lists::Lists;

fn places(code: &str) -> Option<u8> {
    ["EUR", "USD"].contains(&code).then_some(2)
}

/// What is remembered of an item, in the order of puts.
#[derive(Clone, Debug)]
struct Scanned {
    value: Value,
    expires: Option<i64>,
    reason: String,
    author: String,
    added: i64,
}

/// The same state, found out by looking at everything.
#[derive(Clone, Debug, Default)]
struct Scan {
    lists: Vec<(Definition, Vec<Scanned>)>,
}

impl Scan {
    fn list(&mut self, name: &str) -> Option<&mut (Definition, Vec<Scanned>)> {
        self.lists.iter_mut().find(|it| it.0.name == name)
    }

    /// Applies what the lists have taken.
    fn apply(&mut self, change: &Change, at: i64, author: &str) {
        match change {
            Change::Create(definition) => self.lists.push((definition.clone(), Vec::new())),
            Change::Alter(definition) => {
                self.list(&definition.name).unwrap().0 = definition.clone();
            }
            Change::Drop { list } => self.lists.retain(|it| it.0.name != *list),
            Change::Put { list, items } => {
                let (definition, held) = self.list(list).unwrap();
                for item in items {
                    let value = folded(definition.form, &item.value);
                    held.retain(|it| it.value != value);
                    held.push(Scanned {
                        value,
                        expires: item.expires,
                        reason: item.reason.clone(),
                        author: author.to_owned(),
                        added: at,
                    });
                }
            }
            Change::Remove { list, values } => {
                let (definition, held) = self.list(list).unwrap();
                let gone: Vec<Value> = values
                    .iter()
                    .map(|it| folded(definition.form, it))
                    .collect();
                held.retain(|it| !gone.contains(&it.value));
            }
        }
    }

    fn hit(&self, list: &str, probe: Probe<'_>, now: i64) -> Option<&Scanned> {
        let (definition, held) = self.lists.iter().find(|it| it.0.name == list)?;
        let in_force = held
            .iter()
            .filter(|it| it.expires.is_none_or(|end| end > now));
        let reach = in_force.filter_map(|it| Some((reach(definition.form, &it.value, probe)?, it)));
        reach.max_by_key(|it| it.0).map(|it| it.1)
    }
}

fn folded(form: Form, value: &Value) -> Value {
    match (form, value) {
        (Form::Text { fold: true } | Form::Prefix { fold: true }, Value::Text(text)) => {
            Value::Text(text.to_ascii_lowercase())
        }
        (Form::Cidr, Value::Text(text)) if !text.contains('/') => {
            let bits = if text.contains(':') { 128 } else { 32 };
            Value::Text(format!("{text}/{bits}"))
        }
        _ => value.clone(),
    }
}

/// How closely the item meets the value; `None`: not at all.
fn reach(form: Form, item: &Value, probe: Probe<'_>) -> Option<usize> {
    match (form, item, probe) {
        (Form::Text { fold }, Value::Text(item), Probe::Text(text)) => {
            let same = if fold {
                item.eq_ignore_ascii_case(text)
            } else {
                item == text
            };
            same.then_some(0)
        }
        (Form::Prefix { fold }, Value::Text(item), Probe::Text(text)) => {
            let text = if fold {
                text.to_ascii_lowercase()
            } else {
                text.to_owned()
            };
            text.starts_with(item.as_str()).then_some(item.len())
        }
        (Form::Cidr, Value::Text(item), Probe::Text(text)) => {
            let (network, len) = item.split_once('/').unwrap();
            let len: usize = len.parse().unwrap();
            let (network, address) = (network.parse().unwrap(), text.parse().ok()?);
            let (network, address) = (bits(network), bits(address));
            let same = network.len() == address.len() && network[..len] == address[..len];
            same.then_some(len)
        }
        (Form::Amount, Value::Band { from, to, currency }, Probe::Amount(minor, code)) => {
            let same = currency.as_bytes() == code && (*from..=*to).contains(&minor);
            same.then_some(0)
        }
        _ => None,
    }
}

fn bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    bits.collect()
}

const FORMS: [(&str, Form); 6] = [
    ("t.plain", Form::Text { fold: false }),
    ("t.fold", Form::Text { fold: true }),
    ("p.plain", Form::Prefix { fold: false }),
    ("p.fold", Form::Prefix { fold: true }),
    ("cidr", Form::Cidr),
    ("amount", Form::Amount),
];

#[derive(Clone, Debug)]
enum Op {
    Change(Change),
    Expire,
    Wait(i64),
    Restore,
}

/// Few letters and lengths, so that values meet.
fn text() -> impl Strategy<Value = String> {
    "[aAbBé]{1,6}"
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..3, 0_u8..3, 0_u8..3).prop_map(|(a, b, c)| format!("10.{a}.{b}.{}", c * 100)),
        (1_u8..4, 1_u8..3).prop_map(|(a, b)| format!("2001:db8:{a}::{b}")),
        (0_u8..3, 0_u8..3).prop_map(|(a, b)| format!("::ffff:10.{a}.0.{b}")),
        Just("no address".to_owned()),
    ]
}

fn network() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..3, 0_u8..3).prop_map(|(a, b)| format!("10.{a}.{b}.0/24")),
        (0_u8..3).prop_map(|a| format!("10.{a}.0.0/16")),
        (0_u8..3, 0_u8..3).prop_map(|(a, b)| format!("10.{a}.{b}.100")),
        (1_u8..4).prop_map(|a| format!("2001:db8:{a}::/48")),
        Just("2001:db8::/32".to_owned()),
        Just("::/0".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("10.1.0.1/9".to_owned()),
    ]
}

fn currency() -> impl Strategy<Value = String> {
    prop_oneof![Just("EUR".to_owned()), Just("USD".to_owned())]
}

fn value(form: Form) -> BoxedStrategy<Value> {
    match form {
        Form::Text { .. } | Form::Prefix { .. } => text().prop_map(Value::Text).boxed(),
        Form::Cidr => network().prop_map(Value::Text).boxed(),
        Form::Amount => {
            let band = (0_i64..40, 0_i64..6, currency());
            band.prop_map(|(from, len, currency)| Value::Band {
                from,
                to: from + len,
                currency,
            })
            .boxed()
        }
    }
}

fn effect() -> impl Strategy<Value = Effect> + Clone {
    prop_oneof![
        Just(Effect::Watch),
        Just(Effect::Allow),
        any::<bool>().prop_map(|overridable| Effect::Block { overridable }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let change = prop::sample::select(FORMS.to_vec()).prop_flat_map(|(name, form)| {
        let list = name.to_owned();
        let define = effect().prop_map(move |effect| Definition {
            name: name.to_owned(),
            on: "field".to_owned(),
            form,
            effect,
        });
        let item = (value(form), prop::option::of(1_i64..60), "[ab]?");
        let item = item.prop_map(|(value, expires, reason)| NewItem {
            value,
            expires,
            reason,
        });
        let (put, removed) = (list.clone(), list.clone());
        prop_oneof![
            2 => define.clone().prop_map(Change::Create),
            1 => define.prop_map(Change::Alter),
            1 => Just(Change::Drop { list }),
            12 => prop::collection::vec(item, 1..6)
                .prop_map(move |items| Change::Put { list: put.clone(), items }),
            4 => prop::collection::vec(value(form), 1..4)
                .prop_map(move |values| Change::Remove { list: removed.clone(), values }),
        ]
    });
    prop_oneof![
        12 => change.prop_map(Op::Change),
        1 => Just(Op::Expire),
        3 => (1_i64..6).prop_map(Op::Wait),
        1 => Just(Op::Restore),
    ]
}

fn probes() -> impl Strategy<Value = (Vec<String>, Vec<String>, Vec<(i64, String)>)> {
    (
        prop::collection::vec(text(), 8),
        prop::collection::vec(address(), 8),
        prop::collection::vec((-1_i64..50, currency()), 8),
    )
}

/// Expiry is told relative to the change.
fn moved(change: Change, at: i64) -> Change {
    match change {
        Change::Put { list, items } => {
            let later = |it: NewItem| NewItem {
                expires: it.expires.map(|span| at + span),
                ..it
            };
            Change::Put {
                list,
                items: items.into_iter().map(later).collect(),
            }
        }
        other => other,
    }
}

fn snapshot(lists: &Lists) -> Vec<u8> {
    let mut bytes = Vec::new();
    lists.write_snapshot(&mut bytes).unwrap();
    bytes
}

fn compare(lists: &Lists, scan: &Scan, probe: Probe<'_>, now: i64) -> Result<(), TestCaseError> {
    for (name, _) in FORMS {
        let (found, wanted) = (lists.hit(name, probe, now), scan.hit(name, probe, now));
        prop_assert_eq!(found.is_some(), wanted.is_some(), "{} {:?}", name, probe);
        prop_assert_eq!(lists.contains(name, probe, now), wanted.is_some());
        let (Some(found), Some(wanted)) = (found, wanted) else {
            continue;
        };
        prop_assert_eq!(found.value.to_value(), wanted.value.clone());
        prop_assert_eq!(found.expires, wanted.expires);
        prop_assert_eq!(found.reason(), &wanted.reason);
        prop_assert_eq!(found.author(), &wanted.author);
        prop_assert_eq!(found.added(), wanted.added);
    }
    let mut wanted: Vec<&Definition> = scan
        .lists
        .iter()
        .filter(|it| scan.hit(&it.0.name, probe, now).is_some())
        .map(|it| &it.0)
        .collect();
    wanted.sort_by_key(|it| &it.name);
    let found: Vec<&Definition> = lists.hits(|_| Some(probe), now).map(|it| it.list).collect();
    prop_assert_eq!(&found, &wanted);
    let order = |it: &&Definition| match it.effect {
        Effect::Block { overridable: false } => 0,
        Effect::Allow => 1,
        Effect::Block { overridable: true } => 2,
        Effect::Watch => 3,
    };
    let wanted = wanted.into_iter().min_by_key(order);
    let found = strongest(lists.hits(|_| Some(probe), now));
    prop_assert_eq!(found.map(|it| it.list), wanted);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_lookup_finds_what_a_scan_finds(
        ops in prop::collection::vec(op(), 1..120),
        (texts, addresses, amounts) in probes(),
    ) {
        let (mut lists, mut scan) = (Lists::new(places), Scan::default());
        let mut now = 1_000;
        let start = FORMS.map(|(name, form)| Op::Change(Change::Create(Definition {
            name: name.to_owned(),
            on: "field".to_owned(),
            form,
            effect: Effect::Watch,
        })));
        for (n, op) in start.into_iter().chain(ops).enumerate() {
            match op {
                Op::Wait(ms) => now += ms,
                Op::Expire => prop_assert!(!lists.expire(now)),
                Op::Restore => {
                    let bytes = snapshot(&lists);
                    lists = Lists::read_snapshot(places, &mut bytes.as_slice()).unwrap();
                    prop_assert_eq!(snapshot(&lists), bytes);
                }
                Op::Change(change) => {
                    let change = moved(change, now);
                    let (before, copy) = (snapshot(&lists), lists.clone());
                    let author = ["ann", "ben"][n % 2];
                    let checked = lists.check(&change, now);
                    let applied = lists.apply(&change, now, author);
                    prop_assert_eq!(checked.err(), applied.clone().err());
                    prop_assert_eq!(snapshot(&copy), before.clone());
                    match applied {
                        Ok(_) => scan.apply(&change, now, author),
                        Err(ListsError::Items(_) | ListsError::Exists { .. } | ListsError::Unknown { .. }) =>
                            prop_assert_eq!(snapshot(&lists), before),
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
            }
            for it in &texts {
                compare(&lists, &scan, Probe::Text(it), now)?;
            }
            for it in &addresses {
                compare(&lists, &scan, Probe::Text(it), now)?;
            }
            for (minor, code) in &amounts {
                let code = code.as_bytes().try_into().unwrap();
                compare(&lists, &scan, Probe::Amount(*minor, code), now)?;
            }
        }
        for (name, _) in FORMS {
            let found = lists.iter(name, now).count();
            let wanted = scan.lists.iter().filter(|it| it.0.name == name).flat_map(|it| &it.1);
            let wanted = wanted.filter(|it| it.expires.is_none_or(|end| end > now)).count();
            prop_assert_eq!(found, wanted, "{}", name);
        }
    }

    /// Equal items by another way: other slices, other order, other authors of what was replaced.
    #[test]
    fn equal_states_are_equal_bytes(
        values in prop::collection::btree_set("[a-z]{1,5}", 1..600),
        shuffle in any::<u64>(),
        slice in 1_usize..50,
    ) {
        let put = |values: &[&String]| Change::Put {
            list: "it".to_owned(),
            items: values
                .iter()
                .map(|it| NewItem { value: Value::Text((*it).clone()), expires: None, reason: it[..1].to_owned() })
                .collect(),
        };
        let create = Change::Create(Definition {
            name: "it".to_owned(),
            on: "device".to_owned(),
            form: Form::Text { fold: true },
            effect: Effect::Allow,
        });
        let sorted: Vec<&String> = values.iter().collect();
        let mut mixed = sorted.clone();
        mixed.sort_by_key(|it| it.bytes().fold(shuffle, |sum, byte| sum.rotate_left(9) ^ u64::from(byte)));
        let mut one = Lists::new(places);
        one.apply(&create, 1, "ann").unwrap();
        for it in sorted.chunks(1_000) {
            one.apply(&put(it), 7, "ann").unwrap();
        }
        let mut other = Lists::new(places);
        other.apply(&create, 2, "ben").unwrap();
        other.apply(&put(&mixed[..1]), 3, "ben").unwrap();
        for it in mixed.chunks(slice) {
            other.apply(&put(it), 7, "ann").unwrap();
        }
        prop_assert_eq!(snapshot(&one), snapshot(&other));
    }
}

/// A sweep is bounded, and what it leaves for the next one follows from the items alone.
#[test]
fn a_long_sweep_goes_on_alike_in_a_restored_state() {
    let mut lists = Lists::new(places);
    let definition = Definition {
        name: "it".to_owned(),
        on: "device".to_owned(),
        form: Form::Prefix { fold: false },
        effect: Effect::Watch,
    };
    lists.apply(&Change::Create(definition), 0, "ann").unwrap();
    for slice in 0..10 {
        let item = |n: usize| NewItem {
            value: Value::Text(format!("{}", slice * 1_000 + n)),
            expires: n.is_multiple_of(2).then_some(50),
            reason: String::new(),
        };
        let items = (0..1_000).map(item).collect();
        let list = "it".to_owned();
        lists.apply(&Change::Put { list, items }, 1, "ann").unwrap();
    }
    assert!(!lists.expire(49));
    assert_eq!(lists.items(), 10_000);
    assert!(lists.expire(50), "5,000 are more than one sweep takes");
    assert_eq!(lists.items(), 10_000 - 4_096);
    let bytes = snapshot(&lists);
    let mut restored = Lists::read_snapshot(places, &mut bytes.as_slice()).unwrap();
    assert!(!lists.expire(50) && !restored.expire(50));
    assert_eq!(lists.items(), 5_000);
    assert_eq!(snapshot(&lists), snapshot(&restored));
    let hit = lists.hit("it", Probe::Text("9999 and more"), 50).unwrap();
    assert_eq!(hit.value, ValueRef::Text("9999"));
    // 9998 is gone and so is 998 of the first slice; the longest beginning that is left is 99.
    let hit = lists.hit("it", Probe::Text("9998"), 50).unwrap();
    assert_eq!(hit.value, ValueRef::Text("999"));
}
