//! What is wrong with a change is told with field and item, and nothing of the change is applied.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use proptest::prelude::*;
use ringfence_lists::{
    Change, Cidr, Definition, Effect, Form, Lists, ListsError, NewItem, Probe, Value,
};

const AT: i64 = 1_000;

fn places(code: &str) -> Option<u8> {
    ["EUR", "JPY"].contains(&code).then_some(2)
}

fn definition(name: &str, form: Form) -> Definition {
    Definition {
        name: name.to_owned(),
        on: "field".to_owned(),
        form,
        effect: Effect::Block { overridable: true },
    }
}

fn lists() -> Lists {
    let mut lists = Lists::new(places);
    for (name, form) in [
        ("text", Form::Text { fold: true }),
        ("prefix", Form::Prefix { fold: false }),
        ("cidr", Form::Cidr),
        ("amount", Form::Amount),
    ] {
        let change = Change::Create(definition(name, form));
        lists.apply(&change, AT, "ann").unwrap();
    }
    let held = Change::Put {
        list: "amount".to_owned(),
        items: vec![
            item(band(100, 200, "EUR")),
            expiring(band(300, 400, "EUR"), AT + 5),
        ],
    };
    lists.apply(&held, AT, "ann").unwrap();
    lists
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn band(from: i64, to: i64, currency: &str) -> Value {
    let currency = currency.to_owned();
    Value::Band { from, to, currency }
}

fn item(value: Value) -> NewItem {
    let (expires, reason) = (None, String::new());
    NewItem {
        value,
        expires,
        reason,
    }
}

fn expiring(value: Value, expires: i64) -> NewItem {
    let expires = Some(expires);
    NewItem {
        expires,
        ..item(value)
    }
}

fn put(list: &str, items: Vec<NewItem>) -> Change {
    let list = list.to_owned();
    Change::Put { list, items }
}

/// Refused at `at`, and nothing is changed.
fn refused(change: &Change, at: i64) -> ListsError {
    let mut lists = lists();
    let mut before = Vec::new();
    lists.write_snapshot(&mut before).unwrap();
    assert_eq!(
        lists.check(change, at).unwrap_err(),
        lists.clone().apply(change, at, "x").unwrap_err()
    );
    let error = lists.apply(change, at, "ben").unwrap_err();
    let mut after = Vec::new();
    lists.write_snapshot(&mut after).unwrap();
    assert_eq!(before, after, "{error}");
    error
}

#[test]
fn an_item_is_refused_with_its_number_and_field() {
    let long = "x".repeat(257);
    let reasoned = |reason: &str| NewItem {
        reason: reason.to_owned(),
        ..item(text("b"))
    };
    let cases = [
        ("text", item(text("")), "value: must not be empty"),
        (
            "text",
            item(text(&long)),
            "value: must be at most 256 bytes, got 257",
        ),
        (
            "prefix",
            item(text("a\tb")),
            "value: must have no control characters, got one at byte 1",
        ),
        (
            "text",
            item(band(1, 2, "EUR")),
            "value: the list holds values of form text, got an amount band",
        ),
        (
            "amount",
            item(text("a")),
            "value: the list holds values of form amount, got a text",
        ),
        (
            "cidr",
            item(text("10.0.0.300/8")),
            "value: expected an address or a network such as",
        ),
        (
            "cidr",
            item(text("10.0.0.0/33")),
            "value: the length behind '/' must be 0 to 32",
        ),
        (
            "cidr",
            item(text("10.0.0.0/08")),
            "value: the length behind '/' must be 0 to 32",
        ),
        (
            "cidr",
            item(text("::/+1")),
            "value: the length behind '/' must be 0 to 128",
        ),
        (
            "cidr",
            item(text("10.1.2.3/8")),
            "\"10.1.2.3/8\" has bits set behind its length; the network is 10.0.0.0/8",
        ),
        (
            "cidr",
            item(text("2001:db8::1/32")),
            "the network is 2001:db8::/32",
        ),
        (
            "cidr",
            item(text("::ffff:10.1.2.0/120")),
            "is an IPv4 network written as IPv6; write 10.1.2.0/24",
        ),
        (
            "amount",
            item(band(3, 2, "EUR")),
            "to: must not be less than \"from\": 3 to 2",
        ),
        (
            "amount",
            item(band(-1, 2, "EUR")),
            "from: must be >= 0 and <= 10000000000000 minor units, got -1",
        ),
        (
            "amount",
            item(band(0, 10_000_000_000_001, "EUR")),
            "to: must be >= 0",
        ),
        (
            "amount",
            item(band(1, 2, "EUX")),
            "currency: expected an ISO 4217 currency code such as EUR, got \"EUX\"",
        ),
        ("amount", item(band(1, 2, "€€")), "currency: expected"),
        (
            "amount",
            item(band(200, 201, "EUR")),
            "from: the band meets 100 to 200 EUR in the list",
        ),
        (
            "amount",
            item(band(0, 900, "EUR")),
            "from: the band meets 100 to 200 EUR in the list",
        ),
        (
            "amount",
            item(band(100, 199, "EUR")),
            "from: the band meets 100 to 200 EUR in the list",
        ),
        (
            "amount",
            item(band(350, 350, "EUR")),
            "from: the band meets 300 to 400 EUR in the list",
        ),
        (
            "text",
            expiring(text("b"), AT),
            "expires: must be later than the change (1000 ms), got 1000 ms",
        ),
        (
            "text",
            expiring(text("b"), 7_258_118_400_000),
            "expires: must be before the year 2200",
        ),
        (
            "text",
            reasoned(&long),
            "reason: must be at most 256 bytes, got 257",
        ),
        (
            "text",
            reasoned("a\n"),
            "reason: must have no control characters, got one at byte 1",
        ),
    ];
    for (list, bad, said) in cases {
        let good = match list {
            "cidr" => text("10.0.0.0/8"),
            "amount" => band(1, 2, "JPY"),
            _ => text("a"),
        };
        let error = refused(&put(list, vec![item(good), bad]), AT).to_string();
        assert!(error.contains("item 2: "), "{error}");
        assert!(error.contains(said), "{said:?} in {error:?}");
        assert!(error.len() < 400, "{error}");
    }
    // Same band, other currency, next to a band, or where an expired one was: all good.
    let mut lists = lists();
    let good = [
        band(100, 200, "JPY"),
        band(201, 299, "EUR"),
        band(100, 200, "EUR"),
        band(350, 380, "EUR"),
    ];
    let good = put("amount", good.map(item).to_vec());
    lists.apply(&good, AT + 5, "ann").unwrap();
    let hit = |minor| {
        lists
            .hit("amount", Probe::Amount(minor, *b"EUR"), AT + 5)
            .is_some()
    };
    assert!(hit(200) && hit(201) && hit(299) && hit(350));
    assert!(!hit(300) && !hit(400) && !hit(99));
}

#[test]
fn all_faults_of_a_change_are_told_at_once() {
    let items = ["a", "b", "A", "", "b", "c"]
        .map(|it| item(text(it)))
        .to_vec();
    let ListsError::Items(faults) = refused(&put("text", items), AT) else {
        panic!("another error");
    };
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "item 3: value: is the same as item 1",
            "item 4: value: must not be empty",
            "item 5: value: is the same as item 2",
        ]
    );
    let items = [(10, 19), (30, 39), (0, 10), (35, 36), (39, 50), (60, 60)];
    let items = items.map(|(from, to)| item(band(from, to, "JPY"))).to_vec();
    let ListsError::Items(faults) = refused(&put("amount", items), AT) else {
        panic!("another error");
    };
    let told: Vec<(usize, &str)> = faults.iter().map(|it| (it.item, it.error.code())).collect();
    assert_eq!(
        told,
        [(3, "bands_meet"), (4, "bands_meet"), (5, "bands_meet")]
    );
    let gone = Change::Remove {
        list: "cidr".to_owned(),
        values: vec![text("10.1.0.0/8")],
    };
    assert!(matches!(refused(&gone, AT), ListsError::Items(_)));
}

#[test]
fn lists_are_refused_by_name_form_and_number() {
    let create = |name: &str| Change::Create(definition(name, Form::Cidr));
    assert_eq!(refused(&create("text"), AT).code(), "list_exists");
    for name in ["", "Aa", "a b", "ä", &"x".repeat(65)] {
        assert_eq!(refused(&create(name), AT).code(), "list_name", "{name}");
    }
    let odd = Definition {
        on: "a/b".to_owned(),
        ..definition("new", Form::Amount)
    };
    assert!(
        refused(&Change::Create(odd), AT)
            .to_string()
            .starts_with("on must be")
    );
    let alter = Change::Alter(definition("text", Form::Text { fold: false }));
    let error = refused(&alter, AT).to_string();
    assert!(
        error.contains("compares by text (case folded), which cannot become text"),
        "{error}"
    );
    for change in [
        Change::Drop {
            list: "none".to_owned(),
        },
        put("none", vec![item(text("a"))]),
        Change::Alter(definition("none", Form::Cidr)),
    ] {
        let error = refused(&change, AT).to_string();
        assert_eq!(
            error,
            "there is no list \"none\"; known: amount, cidr, prefix, text"
        );
    }
    let mut lists = lists();
    for n in 4..64 {
        lists
            .apply(&create(&format!("list-{n}")), AT, "ann")
            .unwrap();
    }
    let error = lists.apply(&create("one-more"), AT, "ann").unwrap_err();
    assert_eq!(error.code(), "too_many_lists");
}

/// 2,000,000 of them: what is replaced does not count, what is new does.
#[test]
fn items_of_a_tenant_are_bounded() {
    let mut lists = lists();
    let slice = |first: usize, len: usize| {
        let items = (first..first + len)
            .map(|n| item(text(&n.to_string())))
            .collect();
        put("text", items)
    };
    for first in (0..1_999_000).step_by(1_000) {
        lists.apply(&slice(first, 1_000), AT, "ann").unwrap();
    }
    lists.apply(&slice(1_999_000, 998), AT, "ann").unwrap();
    assert_eq!(lists.items(), 2_000_000);
    lists.apply(&slice(1_998_998, 1_000), AT, "ann").unwrap();
    let error = lists
        .apply(&slice(1_998_999, 1_000), AT, "ann")
        .unwrap_err();
    assert_eq!(
        error,
        ListsError::TooManyItems {
            held: 2_000_000,
            adding: 1
        }
    );
    let list = "text".to_owned();
    lists.apply(&Change::Drop { list }, AT, "ann").unwrap();
    assert_eq!(lists.items(), 2);
}

proptest! {
    /// A network that is taken is written as it was read, and bad texts are errors.
    #[test]
    fn a_network_has_one_text(odd in "[0-9a-f:./]{0,24}", bits in any::<u128>(), len in 0_u8..=128) {
        if let Ok(cidr) = Cidr::parse(&odd) {
            let written = cidr.to_string();
            prop_assert_eq!(Cidr::parse(&written).unwrap(), cidr);
        }
        let v6 = std::net::Ipv6Addr::from_bits(bits);
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - u32::from(len)) };
        let network = format!("{}/{len}", std::net::Ipv6Addr::from_bits(bits & mask));
        let parsed = Cidr::parse(&network).unwrap();
        prop_assert_eq!(parsed.to_string(), network);
        prop_assert_eq!(parsed.prefix_len(), len);
        prop_assert!(parsed.is_v6());
        prop_assert_eq!(Cidr::parse(&format!("{v6}/{len}")).is_ok(), bits & !mask == 0);
    }
}
