//! A lookup allocates nothing. Alone in its file: the allocator counts what every thread of the process takes.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use cap::Cap;
use ringfence_lists::{Change, Definition, Effect, Form, Lists, NewItem, Probe, Value, strongest};

#[global_allocator]
static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

fn put(lists: &mut Lists, name: &str, form: Form, values: Vec<Value>) {
    let effect = Effect::Block { overridable: true };
    let (name, on) = (name.to_owned(), "field".to_owned());
    let list = name.clone();
    let create = Change::Create(Definition {
        name,
        on,
        form,
        effect,
    });
    lists.apply(&create, 1, "ann").unwrap();
    let new = |value| NewItem {
        value,
        expires: None,
        reason: "why".to_owned(),
    };
    let items = values.into_iter().map(new).collect();
    lists.apply(&Change::Put { list, items }, 1, "ann").unwrap();
}

#[test]
fn a_lookup_allocates_nothing() {
    let mut lists = Lists::new(|_| Some(2));
    let texts = |of: fn(u32) -> String| (0..500).map(|n| Value::Text(of(n))).collect();
    put(
        &mut lists,
        "text",
        Form::Text { fold: true },
        texts(|n| format!("device-{n}")),
    );
    put(
        &mut lists,
        "prefix",
        Form::Prefix { fold: true },
        texts(|n| format!("dev{}-{n}", "x".repeat(n as usize % 9))),
    );
    put(
        &mut lists,
        "v4",
        Form::Cidr,
        texts(|n| format!("10.{}.{}.0/24", n / 250, n % 250)),
    );
    put(
        &mut lists,
        "v6",
        Form::Cidr,
        texts(|n| format!("2001:db8:{n:x}::/48")),
    );
    let band = |n: i64| Value::Band {
        from: 10 * n,
        to: 10 * n + 5,
        currency: "EUR".to_owned(),
    };
    put(
        &mut lists,
        "amount",
        Form::Amount,
        (0..500).map(band).collect(),
    );
    let probes = [
        Probe::Text("DEVICE-77"),
        Probe::Text("devxxx-12 and more"),
        Probe::Text("10.1.7.9"),
        Probe::Text("2001:db8:1f::1"),
        Probe::Text("\u{e9} is nowhere"),
        Probe::Amount(4_003, *b"EUR"),
        Probe::Amount(4_007, *b"EUR"),
    ];
    let (mut hits, mut least) = (0, usize::MAX);
    // The test's own harness may allocate beside it, once.
    for _ in 0..20 {
        let before = ALLOCATOR.total_allocated();
        hits = 0;
        for probe in probes {
            let met = strongest(lists.hits(|_| Some(probe), 2));
            let again = met.is_some_and(|hit| lists.contains(&hit.list.name, probe, 2));
            hits += usize::from(again);
        }
        least = least.min(ALLOCATOR.total_allocated() - before);
    }
    assert_eq!((hits, least), (5, 0));
}
