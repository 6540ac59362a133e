//! Rows that are bad: each is refused with its place, field and reason, and stops nothing.

use std::sync::Arc;

use arrow_array::{Float64Array, Int32Array, StringArray};
use event::Span;
use expect_test::expect;
use parquet::basic::Compression;
use ringfence_ingest::Options;

use crate::support::{self, HEADER, IMPORT, batch, check, check_with};

#[test]
fn good_rows_with_labels_in_between() {
    let rows = "a,0,x,1.50,1\nb,86400,x,2,0\nc,86401.25,y,0.1,?\nd,200000,y,3,\n";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        event 0: a 1970-01-01T00:00:00.000Z x 1.50 EUR
        label a fraud 1970-01-02T00:00:00.000Z
        event 1: b 1970-01-02T00:00:00.000Z x 2.00 EUR
        event 2: c 1970-01-02T00:00:01.250Z y 0.10 EUR
        label b legitimate 1970-01-03T00:00:00.000Z
        event 3: d 1970-01-03T07:33:20.000Z y 3.00 EUR
    "#]],
    );
}

#[test]
fn numbers_that_are_none() {
    let rows = "a,NaN,x,1,?\nb,inf,x,1,?\nc,1,x,NaN,?\nd,1,x,-inf,?\ne,one,x,1,?\nf,1,x,1 000,?\n\
        g,1e3,x,1.5e1,?\n";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        reject {"row":0,"line":2,"field":"event_timestamp","code":"not_finite","reason":"event_timestamp must be a finite number, got NaN","raw":"a,NaN,x,1,?"}
        reject {"row":1,"line":3,"field":"event_timestamp","code":"not_finite","reason":"event_timestamp must be a finite number, got inf","raw":"b,inf,x,1,?"}
        reject {"row":2,"line":4,"field":"amount","code":"not_finite","reason":"amount must be a finite number, got NaN","raw":"c,1,x,NaN,?"}
        reject {"row":3,"line":5,"field":"amount","code":"not_finite","reason":"amount must be a finite number, got -inf","raw":"d,1,x,-inf,?"}
        reject {"row":4,"line":6,"field":"event_timestamp","code":"not_a_number","reason":"event_timestamp must be a number, got \"one\"","raw":"e,one,x,1,?"}
        reject {"row":5,"line":7,"field":"amount","code":"not_a_number","reason":"amount must be a number, got \"1 000\"","raw":"f,1,x,1 000,?"}
        event 6: g 1970-01-01T00:16:40.000Z x 15.00 EUR
    "#]],
    );
    let table = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        (
            "time",
            Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.5])),
        ),
        ("account", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
        (
            "amount",
            Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 0.29])),
        ),
        (
            "fraud",
            Arc::new(Int32Array::from(vec![None, Some(7), Some(1)])),
        ),
    ]);
    check(
        "a.parquet",
        support::parquet(&table, Compression::SNAPPY),
        expect![[r#"
            reject {"row":0,"field":"event_timestamp","code":"not_finite","reason":"event_timestamp must be a finite number, got NaN","raw":"{\"id\":1,\"time\":\"NaN\",\"amount\":\"1\",\"fraud\":null,\"account\":\"x\"}"}
            reject {"row":1,"field":"amount","code":"not_finite","reason":"amount must be a finite number, got inf","raw":"{\"id\":2,\"time\":\"1\",\"amount\":\"inf\",\"fraud\":7,\"account\":\"y\"}"}
            event 2: 3 1970-01-01T00:00:02.500Z z 0.29 EUR
            label 3 fraud 1970-01-02T00:00:02.500Z
        "#]],
    );
}

#[test]
fn amounts_out_of_range() {
    let rows = "a,1,x,-0.01,?\nb,1,x,100000000000.01,?\nc,1,x,99999999999999999999999999999999,?\n\
        d,1,x,0.001,?\ne,1,x,1e300,?\nf,1,x,,?\ng,1,x,100000000000,?\n";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        reject {"row":0,"line":2,"field":"amount","code":"amount_range","reason":"amount: amount must be >= 0 and <= 10^13 minor units, got -0.01","raw":"a,1,x,-0.01,?"}
        reject {"row":1,"line":3,"field":"amount","code":"amount_range","reason":"amount: amount must be >= 0 and <= 10^13 minor units, got 100000000000.01","raw":"b,1,x,100000000000.01,?"}
        reject {"row":2,"line":4,"field":"amount","code":"amount_range","reason":"amount: amount must be >= 0 and <= 10^13 minor units, got 99999999999999999999999999999999","raw":"c,1,x,99999999999999999999999999999999,?"}
        reject {"row":3,"line":5,"field":"amount","code":"amount_precision","reason":"amount: EUR has 2 decimal places, got \"0.001\"","raw":"d,1,x,0.001,?"}
        reject {"row":4,"line":6,"field":"amount","code":"amount_range","reason":"amount: amount must be >= 0 and <= 10^13 minor units, got 1e300","raw":"e,1,x,1e300,?"}
        reject {"row":5,"line":7,"field":"amount","code":"field_missing","reason":"amount is missing","raw":"f,1,x,,?"}
        event 6: g 1970-01-01T00:00:01.000Z x 100000000000.00 EUR
    "#]],
    );
}

#[test]
fn minor_units_and_rounding() {
    let minor = IMPORT.replace("\"major\"", "\"minor\"");
    let rows = "a,1,x,150,?\nb,1,x,150.0,?\nc,1,x,150.5,?\nd,1,x,9223372036854775808,?\n";
    let text = format!("{HEADER}{rows}");
    check_with(
        "a.csv",
        text.as_bytes(),
        &minor,
        Options::default(),
        expect![[r#"
            event 0: a 1970-01-01T00:00:01.000Z x 1.50 EUR
            event 1: b 1970-01-01T00:00:01.000Z x 1.50 EUR
            reject {"row":2,"line":4,"field":"amount","code":"amount_not_whole","reason":"amount must be a whole number of minor units, got 150.5","raw":"c,1,x,150.5,?"}
            reject {"row":3,"line":5,"field":"amount","code":"amount_range","reason":"amount: amount must be >= 0 and <= 10^13 minor units, got 9223372036854775808","raw":"d,1,x,9223372036854775808,?"}
        "#]],
    );
    let round = IMPORT.replace("\"major\"", "\"major\", round = true");
    let rows = "a,1,x,0.125,?\nb,1,x,0.135,?\nc,1,x,0.1250000000000000000000000000000001,?\n\
        d,1,x,0.30000000000000004,?\n";
    let text = format!("{HEADER}{rows}");
    check_with(
        "a.csv",
        text.as_bytes(),
        &round,
        Options::default(),
        expect![[r#"
            event 0: a 1970-01-01T00:00:01.000Z x 0.12 EUR
            event 1: b 1970-01-01T00:00:01.000Z x 0.14 EUR
            event 2: c 1970-01-01T00:00:01.000Z x 0.13 EUR
            event 3: d 1970-01-01T00:00:01.000Z x 0.30 EUR
        "#]],
    );
}

#[test]
fn currencies() {
    let import = IMPORT.replace(
        "[import.roles]",
        "currency = { column = \"cur\" }\n[import.roles]",
    );
    let text = "id,time,account,amount,fraud,cur\na,1,x,1,?,XXQ\nb,1,x,1,?,\nc,1,x,1.5,?,JPY\n\
        d,1,x,1.005,?,KWD\n";
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        Options::default(),
        expect![[r#"
            reject {"row":0,"line":2,"field":"currency","code":"unknown_currency","reason":"currency: expected an ISO 4217 currency code such as EUR, got \"XXQ\"","raw":"a,1,x,1,?,XXQ"}
            reject {"row":1,"line":3,"field":"currency","code":"field_missing","reason":"currency is missing","raw":"b,1,x,1,?,"}
            reject {"row":2,"line":4,"field":"amount","code":"amount_precision","reason":"amount: JPY has 0 decimal places, got \"1.5\"","raw":"c,1,x,1.5,?,JPY"}
            event 3: d 1970-01-01T00:00:01.000Z x 1.005 KWD
        "#]],
    );
}

#[test]
fn times_out_of_range() {
    let import = IMPORT.replace("\"epoch_s\"", "\"iso\", offset = \"+02:00\"");
    let rows = "a,0001-01-01T00:00:00Z,x,1,?\nb,2026-01-31 12:00:00,x,1,?\nc,2026-01-31T12:00:00.5Z,x,1,?\n\
        d,31.01.2026,x,1,?\ne,9999-12-31 00:00:00,x,1,?\nf,,x,1,?\n";
    let text = format!("{HEADER}{rows}");
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        Options::default(),
        expect![[r#"
            reject {"row":0,"line":2,"field":"event_timestamp","code":"time_range","reason":"event_timestamp must be between 1970 and 2200, got 0001-01-01T00:00:00.000Z","raw":"a,0001-01-01T00:00:00Z,x,1,?"}
            event 1: b 2026-01-31T10:00:00.000Z x 1.00 EUR
            event 2: c 2026-01-31T12:00:00.500Z x 1.00 EUR
            reject {"row":3,"line":5,"field":"event_timestamp","code":"time_format","reason":"event_timestamp: expected an ISO-8601 time with offset such as 2026-01-31T12:00:00Z, got \"31.01.2026\"","raw":"d,31.01.2026,x,1,?"}
            reject {"row":4,"line":6,"field":"event_timestamp","code":"time_range","reason":"event_timestamp must be between 1970 and 2200, got 9999-12-30T22:00:00.000Z","raw":"e,9999-12-31 00:00:00,x,1,?"}
            reject {"row":5,"line":7,"field":"event_timestamp","code":"field_missing","reason":"event_timestamp is missing","raw":"f,,x,1,?"}
        "#]],
    );
    let rows = "a,99999999999999999999,x,1,?\nb,-1,x,1,?\nc,7258118400,x,1,?\n";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        reject {"row":0,"line":2,"field":"event_timestamp","code":"time_range","reason":"event_timestamp must be between 1970 and 2200, got 9223372036854775807 ms since 1970","raw":"a,99999999999999999999,x,1,?"}
        reject {"row":1,"line":3,"field":"event_timestamp","code":"time_range","reason":"event_timestamp must be between 1970 and 2200, got 1969-12-31T23:59:59.000Z","raw":"b,-1,x,1,?"}
        reject {"row":2,"line":4,"field":"event_timestamp","code":"time_range","reason":"event_timestamp must be between 1970 and 2200, got 2200-01-01T00:00:00.000Z","raw":"c,7258118400,x,1,?"}
    "#]],
    );
}

#[test]
fn rows_out_of_order() {
    let rows = "a,100,x,1,1\nb,90,x,1,1\nc,89,x,1,?\nd,100,x,1,?\n";
    let text = format!("{HEADER}{rows}");
    check(
        "a.csv",
        &text,
        expect![[r#"
        event 0: a 1970-01-01T00:01:40.000Z x 1.00 EUR
        reject {"row":1,"line":3,"field":"event_timestamp","code":"out_of_order","reason":"1970-01-01T00:01:30.000Z is before the latest row so far at 1970-01-01T00:01:40.000Z; allowed lateness is 0 ms","raw":"b,90,x,1,1"}
        reject {"row":2,"line":4,"field":"event_timestamp","code":"out_of_order","reason":"1970-01-01T00:01:29.000Z is before the latest row so far at 1970-01-01T00:01:40.000Z; allowed lateness is 0 ms","raw":"c,89,x,1,?"}
        event 3: d 1970-01-01T00:01:40.000Z x 1.00 EUR
        label a fraud 1970-01-02T00:01:40.000Z
    "#]],
    );
    let late = Options {
        late: Span::seconds(10),
        ..Options::default()
    };
    check_with(
        "a.csv",
        text.as_bytes(),
        IMPORT,
        late,
        expect![[r#"
        event 0: a 1970-01-01T00:01:40.000Z x 1.00 EUR
        event 1: b 1970-01-01T00:01:30.000Z 1970-01-01T00:01:40.000Z x 1.00 EUR
        reject {"row":2,"line":4,"field":"event_timestamp","code":"out_of_order","reason":"1970-01-01T00:01:29.000Z is before the latest row so far at 1970-01-01T00:01:40.000Z; allowed lateness is 10000 ms","raw":"c,89,x,1,?"}
        event 3: d 1970-01-01T00:01:40.000Z x 1.00 EUR
        label b fraud 1970-01-02T00:01:30.000Z
        label a fraud 1970-01-02T00:01:40.000Z
    "#]],
    );
    let sort = Options {
        sort: true,
        ..Options::default()
    };
    check_with(
        "a.csv",
        text.as_bytes(),
        IMPORT,
        sort,
        expect![[r#"
        event 2: c 1970-01-01T00:01:29.000Z x 1.00 EUR
        event 1: b 1970-01-01T00:01:30.000Z x 1.00 EUR
        event 0: a 1970-01-01T00:01:40.000Z x 1.00 EUR
        event 3: d 1970-01-01T00:01:40.000Z x 1.00 EUR
        label b fraud 1970-01-02T00:01:30.000Z
        label a fraud 1970-01-02T00:01:40.000Z
    "#]],
    );
    let little = Options {
        sort: true,
        memory_bytes_max: 64,
        ..Options::default()
    };
    check_with(
        "a.csv",
        text.as_bytes(),
        IMPORT,
        little,
        expect![[r#"
        stopped: sorting needs more than 64 bytes at row 1; sort the file first or raise the limit
    "#]],
    );
}

#[test]
fn labels_before_their_event() {
    let import = IMPORT.replace(
        "delay = \"1d\"",
        "known_at = { column = \"known\", format = \"epoch_s\" }",
    );
    let text = "id,time,account,amount,fraud,known\na,100,x,1,1,99\nb,100,x,1,1,100\nc,100,x,1,1,\n\
        d,100,x,1,0,300\ne,200,x,1,1,250\nf,300,x,1,?,\n";
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        Options::default(),
        expect![[r#"
            reject {"row":0,"line":2,"field":"label_timestamp","code":"before_event","reason":"label_timestamp 1970-01-01T00:01:39.000Z is before its event at 1970-01-01T00:01:40.000Z","raw":"a,100,x,1,1,99"}
            event 1: b 1970-01-01T00:01:40.000Z x 1.00 EUR
            reject {"row":2,"line":4,"field":"label_timestamp","code":"field_missing","reason":"label_timestamp is missing","raw":"c,100,x,1,1,"}
            label b fraud 1970-01-01T00:01:40.000Z
            event 3: d 1970-01-01T00:01:40.000Z x 1.00 EUR
            event 4: e 1970-01-01T00:03:20.000Z x 1.00 EUR
            label e fraud 1970-01-01T00:04:10.000Z
            label d legitimate 1970-01-01T00:05:00.000Z
            event 5: f 1970-01-01T00:05:00.000Z x 1.00 EUR
        "#]],
    );
    let until = Options {
        labels_until: Some(event::EventTime::from_millis(299_999)),
        ..Options::default()
    };
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        until,
        expect![[r#"
        reject {"row":0,"line":2,"field":"label_timestamp","code":"before_event","reason":"label_timestamp 1970-01-01T00:01:39.000Z is before its event at 1970-01-01T00:01:40.000Z","raw":"a,100,x,1,1,99"}
        event 1: b 1970-01-01T00:01:40.000Z x 1.00 EUR
        reject {"row":2,"line":4,"field":"label_timestamp","code":"field_missing","reason":"label_timestamp is missing","raw":"c,100,x,1,1,"}
        label b fraud 1970-01-01T00:01:40.000Z
        event 3: d 1970-01-01T00:01:40.000Z x 1.00 EUR
        event 4: e 1970-01-01T00:03:20.000Z x 1.00 EUR
        label e fraud 1970-01-01T00:04:10.000Z
        event 5: f 1970-01-01T00:05:00.000Z x 1.00 EUR
    "#]],
    );
}

#[test]
fn unknown_words() {
    let rows = "a,1,x,1,yes\n";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        reject {"row":0,"line":2,"field":"label","code":"unknown_value","reason":"label \"yes\" is unknown; known: 1, 0, ?","raw":"a,1,x,1,yes"}
    "#]],
    );
    let import = IMPORT.replace(
        "{ value = \"payment\" }",
        "{ column = \"kind\", values = { P = \"payment\", L = \"login\" } }",
    );
    let text = "id,time,account,amount,fraud,kind\na,1,x,1,?,P\nb,1,x,,?,L\nc,1,x,1,?,L\nd,1,x,1,?,payment\n";
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        Options::default(),
        expect![[r#"
            event 0: a 1970-01-01T00:00:01.000Z x 1.00 EUR
            event 1: b 1970-01-01T00:00:01.000Z x
            reject {"row":2,"line":4,"field":"amount","code":"amount_not_allowed","reason":"amount is not allowed for event_type \"login\"","raw":"c,1,x,1,?,L"}
            reject {"row":3,"line":5,"field":"event_type","code":"unknown_value","reason":"event_type \"payment\" is unknown; known: L, P","raw":"d,1,x,1,?,payment"}
        "#]],
    );
}

#[test]
fn attributes_are_scaled_checked_or_absent() {
    let import = format!(
        "{IMPORT}[import.attributes]\nbalance = {{ column = \"b\", scale = 0.01, absent = [\"-1\"] }}\n\
         channel = {{ column = \"c\" }}\n"
    );
    // 1915 * 0.01 would be 19.150000000000002
    let text = "id,time,account,amount,fraud,b,c\na,1,x,1,?,1915,web\nb,1,x,1,?,-1,7\nc,1,x,1,?,,\n\
        d,1,x,1,?,1e12,web\ne,1,x,1,?,NaN,web\nf,1,x,1,?,much,web\n";
    check_with(
        "a.csv",
        text.as_bytes(),
        &import,
        Options::default(),
        expect![[r#"
            event 0: a 1970-01-01T00:00:01.000Z x 1.00 EUR web 19.15
            event 1: b 1970-01-01T00:00:01.000Z x 1.00 EUR 7
            event 2: c 1970-01-01T00:00:01.000Z x 1.00 EUR
            reject {"row":3,"line":5,"field":"balance","code":"out_of_bounds","reason":"balance must be between -1000000000 and 1000000000, got 10000000000","raw":"d,1,x,1,?,1e12,web"}
            reject {"row":4,"line":6,"field":"balance","code":"not_finite","reason":"balance must be a finite number, got NaN","raw":"e,1,x,1,?,NaN,web"}
            reject {"row":5,"line":7,"field":"balance","code":"not_a_number","reason":"balance must be a number, got \"much\"","raw":"f,1,x,1,?,much,web"}
        "#]],
    );
}
