//! Money and time from text and back.

use proptest::prelude::*;
use ringfence_event::money::{Currency, Money};
use ringfence_event::time::{EventTime, Span, TimeUnit};

fn currency(code: &str) -> Currency {
    match Currency::parse(code) {
        Ok(currency) => currency,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn minor_units_follow_iso_4217() {
    let cases = [
        ("EUR", 2, "12.50"),
        ("USD", 2, "12.50"),
        ("CHF", 2, "12.50"),
        ("MGA", 2, "12.50"),
        ("JPY", 0, "1250"),
        ("KRW", 0, "1250"),
        ("CLP", 0, "1250"),
        ("ISK", 0, "1250"),
        ("KWD", 3, "1.250"),
        ("BHD", 3, "1.250"),
        ("TND", 3, "1.250"),
        ("CLF", 4, "0.1250"),
        ("UYW", 4, "0.1250"),
    ];
    for (code, exponent, shown) in cases {
        let currency = currency(code);
        assert_eq!(currency.exponent(), exponent, "{code}");
        assert_eq!(currency.code(), code);
        let money = Money {
            minor: 1250,
            currency,
        };
        assert_eq!(money.to_string(), shown, "{code}");
        assert_eq!(Money::parse_major(shown, currency), Ok(money), "{code}");
    }
}

#[test]
fn what_is_no_active_currency_is_refused() {
    for code in ["", "EU", "EURO", "eur", "XXX", "XAU", "DEM", "€", "ÄB"] {
        let error = Currency::parse(code).expect_err(code).to_string();
        let expected = format!("expected an ISO 4217 currency code such as EUR, got {code:?}");
        assert_eq!(error, expected);
    }
}

#[test]
fn amounts_in_major_units() {
    let range = "amount must be >= 0 and <= 10^13 minor units, got ";
    let decimal = "expected a decimal amount such as 12.50, got ";
    let cases = [
        ("12.5", "12.50"),
        (" 12.50 ", "12.50"),
        ("12", "12.00"),
        ("1.", "1.00"),
        (".5", "0.50"),
        ("0012.5", "12.50"),
        ("12.340", "12.34"),
        ("-0", "0.00"),
        ("-0.00", "0.00"),
        ("100000000000", "100000000000.00"),
        ("100000000000.01", &format!("{range}100000000000.01")),
        (
            "99999999999999999999",
            &format!("{range}99999999999999999999"),
        ),
        ("-0.01", &format!("{range}-0.01")),
        ("12.345", "EUR has 2 decimal places, got \"12.345\""),
        ("", &format!("{decimal}\"\"")),
        (".", &format!("{decimal}\".\"")),
        ("-", &format!("{decimal}\"-\"")),
        ("--1", &format!("{decimal}\"--1\"")),
        ("+1", &format!("{decimal}\"+1\"")),
        ("1e5", &format!("{decimal}\"1e5\"")),
        ("1,000", &format!("{decimal}\"1,000\"")),
        ("1.2.3", &format!("{decimal}\"1.2.3\"")),
        ("1 000", &format!("{decimal}\"1 000\"")),
        ("٣", &format!("{decimal}\"٣\"")),
        ("NaN", &format!("{decimal}\"NaN\"")),
        ("0x10", &format!("{decimal}\"0x10\"")),
    ];
    for (text, expected) in cases {
        let shown = match Money::parse_major(text, Currency::EUR) {
            Ok(money) => money.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text:?}");
    }
}

#[test]
fn an_error_shows_sixty_four_characters_of_a_long_value() {
    let error = Money::parse_major(&"é".repeat(5_000_000), Currency::EUR)
        .expect_err("no digits")
        .to_string();
    let kept = "é".repeat(64);
    let expected =
        format!("expected a decimal amount such as 12.50, got \"{kept}... (10000000 bytes)\"");
    assert_eq!(error, expected);
}

#[test]
fn iso_times() {
    let cases = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-01-31T12:00:00Z", Some(1_769_860_800_000)),
        ("2026-01-31T12:00:00+00:00", Some(1_769_860_800_000)),
        ("2026-01-31T13:30:00+01:30", Some(1_769_860_800_000)),
        ("2026-01-31T04:00:00-08:00", Some(1_769_860_800_000)),
        ("2026-01-31 12:00:00Z", Some(1_769_860_800_000)),
        (" 2026-01-31T12:00:00.250Z ", Some(1_769_860_800_250)),
        // Digits below a millisecond are cut, not rounded.
        ("2026-01-31T12:00:00.250999999Z", Some(1_769_860_800_250)),
        // A leap second is the last second of its minute.
        ("2016-12-31T23:59:60Z", Some(1_483_228_799_000)),
        ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
        ("2023-02-29T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
        ("2200-01-01T00:00:00Z", Some(7_258_118_400_000)),
        ("2026-01-31T12:00:00", None),
        ("2026-01-31", None),
        ("2026-01-31T24:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("31.01.2026 12:00", None),
        ("1769860800", None),
        ("", None),
    ];
    for (text, expected) in cases {
        let got = EventTime::parse_iso(text).ok().map(EventTime::millis);
        assert_eq!(got, expected, "{text:?}");
    }
}

#[test]
fn plausible_times_are_those_from_1970_to_2199() {
    let cases = [
        (-1, false),
        (0, true),
        (7_258_118_399_999, true),
        (7_258_118_400_000, false),
    ];
    for (ms, expected) in cases {
        assert_eq!(EventTime::from_millis(ms).is_plausible(), expected, "{ms}");
    }
    let year_one = EventTime::parse_iso("0001-01-01T00:00:00Z");
    assert_eq!(year_one.map(EventTime::is_plausible), Ok(false));
}

#[test]
fn spans() {
    let span = "expected a span such as 250ms, 30s, 15min, 72h, 30d or 500rows, got ";
    let cases = [
        ("250ms", "250"),
        ("30s", "30000"),
        ("15min", "900000"),
        ("72h", "259200000"),
        (" 30 d ", "2592000000"),
        ("1day", "86400000"),
        ("2days", "172800000"),
        ("1row", "1000"),
        ("500rows", "500000"),
        ("3650d", "315360000000"),
        ("3651d", "span \"3651d\" is not between 1 ms and 3650 d"),
        ("0s", "span \"0s\" is not between 1 ms and 3650 d"),
        (
            "9223372036854775807h",
            "span \"9223372036854775807h\" is not between 1 ms and 3650 d",
        ),
        (
            "99999999999999999999s",
            &format!("{span}\"99999999999999999999s\""),
        ),
        ("", &format!("{span}\"\"")),
        ("72", &format!("{span}\"72\"")),
        ("h", &format!("{span}\"h\"")),
        ("-1s", &format!("{span}\"-1s\"")),
        ("1.5h", &format!("{span}\"1.5h\"")),
        ("1m", &format!("{span}\"1m\"")),
        ("1H", &format!("{span}\"1H\"")),
    ];
    for (text, expected) in cases {
        let shown = match Span::parse(text) {
            Ok(span) => span.millis().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text:?}");
    }
}

#[test]
fn a_span_is_named_in_the_unit_of_its_schema() {
    let cases = [
        (Span::hours(1), TimeUnit::Second, "1h"),
        (Span::days(1), TimeUnit::Second, "24h"),
        (Span::days(3), TimeUnit::Second, "72h"),
        (Span::days(4), TimeUnit::Second, "4d"),
        (Span::days(30), TimeUnit::Second, "30d"),
        (Span::days(1), TimeUnit::Day, "1d"),
        (Span::hours(12), TimeUnit::Day, "12h"),
        (Span::seconds(500), TimeUnit::Row, "500rows"),
        (Span::days(1), TimeUnit::Row, "86400rows"),
        (Span::minutes(90), TimeUnit::Second, "90min"),
        (Span::seconds(90), TimeUnit::Second, "90s"),
        (Span::from_millis(1500), TimeUnit::Second, "1500ms"),
        (Span::from_millis(1500), TimeUnit::Row, "1500ms"),
    ];
    for (span, unit, expected) in cases {
        assert_eq!(span.label(unit), expected);
    }
}

proptest! {
    #[test]
    fn money_reads_back_as_shown(
        minor in 0..=Money::MAX_MINOR,
        code in prop::sample::select(vec!["EUR", "JPY", "KWD", "CLF"]),
    ) {
        let money = Money { minor, currency: currency(code) };
        prop_assert_eq!(Money::parse_major(&money.to_string(), money.currency), Ok(money));
    }

    #[test]
    fn no_text_reads_as_an_amount_past_its_bounds(text in "-?[0-9]{0,20}(\\.[0-9]{0,6})?") {
        if let Ok(money) = Money::parse_major(&text, Currency::EUR) {
            prop_assert!((0..=Money::MAX_MINOR).contains(&money.minor));
            prop_assert_eq!(Money::from_minor(money.minor, Currency::EUR), Ok(money));
        }
    }

    #[test]
    fn a_time_reads_back_as_shown(ms in 0..EventTime::END.millis()) {
        let time = EventTime::from_millis(ms);
        prop_assert_eq!(EventTime::parse_iso(&time.to_string()), Ok(time));
    }

    #[test]
    fn a_span_reads_back_as_labelled(
        ms in prop_oneof![1_i64..=315_360_000_000, (1_i64..=87_600).prop_map(|h| h * 3_600_000)],
        unit in prop::sample::select(vec![TimeUnit::Second, TimeUnit::Row, TimeUnit::Day]),
    ) {
        let span = Span::from_millis(ms);
        prop_assert_eq!(Span::parse(&span.label(unit)), Ok(span));
    }

    #[test]
    fn time_arithmetic_saturates(a in any::<i64>(), b in any::<i64>()) {
        let (a, b) = (EventTime::from_millis(a), EventTime::from_millis(b));
        let exact = i128::from(a.millis()) - i128::from(b.millis());
        let clamped = exact.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        prop_assert_eq!(i128::from(a.since(b).millis()), clamped);
    }
}
