//! What a scrape gets, to the byte; and how many names of tenants it can hold.

use expect_test::{Expect, expect};
use ringfence_meters::histogram::Number;
use ringfence_meters::row::{self, Row, TENANT};
use ringfence_meters::{Count, Exemplar, Exposition, Family, Format, Histogram, TenantNames};

#[derive(Default)]
struct Counters {
    taken: Count,
    longest: Count,
    sizes: Histogram<Number>,
}

const TAKEN: Family = Family::counter("shop_taken_bytes_total", "Bytes taken.").bytes();
static TABLE: [Row<Counters>; 2] = [
    Row::sum(TAKEN, |it| it.taken.get()),
    Row::max(Family::gauge("shop_longest", "The longest."), |it| {
        it.longest.get()
    }),
];
static SIZES: Family = Family::histogram("shop_sizes", "Sizes.").by(TENANT);
static BUILD: Family = Family::info("shop_build_info", "What \\ is built.").by(&["version"]);

fn told(format: Format, names: &TenantNames) -> String {
    let made = |taken, longest, size| {
        let counters = Counters::default();
        counters.taken.add(taken);
        counters.longest.set(longest);
        counters.sizes.add(size);
        counters
    };
    let (a, b, c) = (made(1, 5, 1), made(10, 7, 100), made(100, 6, 1_000_000));
    let traced = |trace, value, at_ms| Exemplar {
        trace,
        value,
        at_ms,
    };
    b.sizes.add_traced(traced(0xb, 100, 2_500));
    c.sizes.add_traced(traced(0xc, 101, 1_000));
    let tenants = [("a", &a), ("b", &b), ("c\"", &c)];
    let groups = names.group(tenants.into_iter().map(|(name, it)| (name.to_owned(), it)));
    let mut out = Exposition::new(format);
    row::write(&mut out, &TABLE, &groups);
    let mut series = out.family(&SIZES);
    for (tenant, members) in &groups {
        series.histogram(&[tenant], members.iter().map(|it| &it.sizes));
    }
    out.family(&BUILD).value(&["1\n2"], 1);
    out.end()
}

fn check(format: Format, names_max: usize, expected: &Expect) {
    let text = told(format, &TenantNames::new(names_max));
    // Of the buckets those where something changes.
    let kept = ["1.0", "128.0", "+Inf"].map(|bound| format!("le=\"{bound}\""));
    let lines = text
        .lines()
        .filter(|line| !line.contains("_bucket") || kept.iter().any(|bound| line.contains(bound)));
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn both_formats_tell_the_same_and_tenants_beyond_the_bound_are_told_together() {
    check(
        Format::Text,
        3,
        &expect![[r##"
        # HELP shop_taken_bytes_total Bytes taken.
        # TYPE shop_taken_bytes_total counter
        shop_taken_bytes_total{tenant="a"} 1
        shop_taken_bytes_total{tenant="b"} 10
        shop_taken_bytes_total{tenant="c\""} 100
        # HELP shop_longest The longest.
        # TYPE shop_longest gauge
        shop_longest{tenant="a"} 5
        shop_longest{tenant="b"} 7
        shop_longest{tenant="c\""} 6
        # HELP shop_sizes Sizes.
        # TYPE shop_sizes histogram
        shop_sizes_bucket{tenant="a",le="1.0"} 1
        shop_sizes_bucket{tenant="a",le="128.0"} 1
        shop_sizes_bucket{tenant="a",le="+Inf"} 1
        shop_sizes_sum{tenant="a"} 1
        shop_sizes_count{tenant="a"} 1
        shop_sizes_bucket{tenant="b",le="1.0"} 0
        shop_sizes_bucket{tenant="b",le="128.0"} 2
        shop_sizes_bucket{tenant="b",le="+Inf"} 2
        shop_sizes_sum{tenant="b"} 200
        shop_sizes_count{tenant="b"} 2
        shop_sizes_bucket{tenant="c\"",le="1.0"} 0
        shop_sizes_bucket{tenant="c\"",le="128.0"} 1
        shop_sizes_bucket{tenant="c\"",le="+Inf"} 2
        shop_sizes_sum{tenant="c\""} 1000101
        shop_sizes_count{tenant="c\""} 2
        # HELP shop_build_info What \\ is built.
        # TYPE shop_build_info gauge
        shop_build_info{version="1\n2"} 1"##]],
    );
    check(
        Format::OpenMetrics,
        1,
        &expect![[r##"
        # HELP shop_taken_bytes Bytes taken.
        # TYPE shop_taken_bytes counter
        # UNIT shop_taken_bytes bytes
        shop_taken_bytes_total{tenant="a"} 1
        shop_taken_bytes_total{tenant="other"} 110
        # HELP shop_longest The longest.
        # TYPE shop_longest gauge
        shop_longest{tenant="a"} 5
        shop_longest{tenant="other"} 7
        # HELP shop_sizes Sizes.
        # TYPE shop_sizes histogram
        shop_sizes_bucket{tenant="a",le="1.0"} 1
        shop_sizes_bucket{tenant="a",le="128.0"} 1
        shop_sizes_bucket{tenant="a",le="+Inf"} 1
        shop_sizes_sum{tenant="a"} 1
        shop_sizes_count{tenant="a"} 1
        shop_sizes_bucket{tenant="other",le="1.0"} 0
        shop_sizes_bucket{tenant="other",le="128.0"} 3 # {trace_id="0000000000000000000000000000000b"} 100 2.500
        shop_sizes_bucket{tenant="other",le="+Inf"} 4
        shop_sizes_sum{tenant="other"} 1000301
        shop_sizes_count{tenant="other"} 4
        # HELP shop_build What \\ is built.
        # TYPE shop_build info
        shop_build_info{version="1\n2"} 1
        # EOF"##]],
    );
}

#[test]
fn a_name_is_kept_while_its_tenant_is_there_and_given_to_one_that_comes_after_it() {
    let names = TenantNames::new(1);
    assert_eq!(names.of("first"), "first");
    assert_eq!(names.of("another"), "other");
    assert_eq!(names.of("first"), "first");
    names.keep(|name| name != "first");
    // Its counts are in the sum, which would go down without them.
    assert_eq!(names.of("another"), "other");
    assert_eq!(names.of("third"), "third");
    assert_eq!(names.of("first"), "other");
    // One that is made again under its name has counted nothing.
    names.keep(|name| name == "first");
    assert_eq!(names.of("another"), "another");
}

#[test]
fn a_scrape_gets_the_format_that_it_likes_best() {
    for (accept, expected) in [
        (None, Format::Text),
        (Some("*/*"), Format::Text),
        (Some("application/json"), Format::Text),
        (Some("text/plain;version=0.0.4"), Format::Text),
        (Some("application/openmetrics-text"), Format::OpenMetrics),
        // As Prometheus 2.42 asks.
        (
            Some(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            Format::OpenMetrics,
        ),
        (
            Some("application/openmetrics-text;q=0.2, text/plain"),
            Format::Text,
        ),
        (Some("application/openmetrics-text;q=0"), Format::Text),
    ] {
        assert_eq!(Format::wanted(accept), expected, "{accept:?}");
    }
}

#[test]
fn a_family_that_openmetrics_would_refuse_is_found() {
    let good = Family::counter("shop_sent_bytes_total", "Sent.").bytes();
    assert_eq!(good.fault(), None);
    for wrong in [
        Family::counter("shop_sent", "Sent."),
        Family::gauge("shop_sent_total", "Sent."),
        Family::gauge("shop_sent_count", "Sent."),
        Family::info("shop_build", "Built."),
        Family::counter("shop_sent_total", "Sent.").bytes(),
        Family::counter("shop_Sent_total", "Sent."),
        Family::counter("shop_sent_total", "Sent.").by(&["a-b"]),
        Family::counter("shop_sent_total", "Sent"),
        Family::counter("shop_sent_total", ""),
    ] {
        assert!(wrong.fault().is_some(), "{wrong:?}");
    }
}
