//! Every kind of bad input has a typed error that names what and where, and a bad row stops nothing.

mod support;

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{Float64Array, Int32Array, Int64Array, ListArray, StringArray};
use event::Span;
use expect_test::{Expect, expect};
use parquet::basic::Compression;
use ringfence_ingest::Options;
use support::{IMPORT, batch, told};

fn check_with(name: &str, content: &[u8], import: &str, options: Options, expected: Expect) {
    expected.assert_eq(&told(name, content, import, options));
}

fn check(name: &str, content: impl AsRef<[u8]>, expected: Expect) {
    check_with(name, content.as_ref(), IMPORT, Options::default(), expected);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const HEADER: &str = "id,time,account,amount,fraud\n";

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
fn empty_files() {
    check(
        "a.csv",
        "",
        expect![[r#"
        refused: a.csv is empty
    "#]],
    );
    check(
        "a.jsonl",
        "",
        expect![[r#"
        refused: a.jsonl is empty
    "#]],
    );
    check(
        "a.parquet",
        "",
        expect![[r#"
        refused: a.parquet is empty
    "#]],
    );
    check(
        "a.csv.gz",
        gzip(b""),
        expect![[r#"
        refused: a.csv.gz is empty
    "#]],
    );
    check("a.csv", HEADER, expect![[""]]);
}

#[test]
fn unknown_format_and_no_file() {
    check(
        "a.txt",
        "x",
        expect![[r#"
        refused: cannot tell the format of a.txt by its name; state csv, jsonl or parquet
    "#]],
    );
    let missing = std::path::Path::new("no/such/file.csv");
    let error = support::open(missing, IMPORT, Options::default())
        .err()
        .unwrap();
    expect!["cannot open no/such/file.csv: No such file or directory (os error 2)"]
        .assert_eq(&error.to_string());
}

#[test]
fn missing_and_duplicate_columns() {
    check(
        "a.csv",
        "id,time,account,sum,fraud\n",
        expect![[r#"
        refused: a.csv: column "amount" for amount is missing; present: id, time, account, sum, fraud
    "#]],
    );
    check(
        "a.csv",
        "id,time,account,amount,fraud,time\n",
        expect![[r#"
            refused: a.csv: columns 2 and 6 are both named "time"
        "#]],
    );
    let table = batch(vec![("id", Arc::new(Int32Array::from(vec![1])))]);
    check(
        "a.parquet",
        support::parquet(&table, Compression::SNAPPY),
        expect![[r#"
            refused: a.parquet: column "time" for event_timestamp is missing; present: id
        "#]],
    );
}

#[test]
fn wrong_types_in_parquet() {
    let list =
        ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(vec![Some(vec![
            Some(1),
        ])]);
    for (column, expected) in [
        (
            "id",
            expect![[r#"
            refused: a.parquet: column "id" for event_id must be text or whole numbers, got List(Int32)
        "#]],
        ),
        (
            "time",
            expect![[r#"
            refused: a.parquet: column "time" for event_timestamp must be numbers, or text that holds them, got List(Int32)
        "#]],
        ),
        (
            "amount",
            expect![[r#"
            refused: a.parquet: column "amount" for amount must be numbers, or text that holds them, got List(Int32)
        "#]],
        ),
        (
            "fraud",
            expect![[r#"
            refused: a.parquet: column "fraud" for label must be text, whole numbers or booleans, got List(Int32)
        "#]],
        ),
    ] {
        let mut columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
            ("id", Arc::new(Int32Array::from(vec![1]))),
            ("time", Arc::new(Int64Array::from(vec![1]))),
            ("account", Arc::new(StringArray::from(vec!["x"]))),
            ("amount", Arc::new(Float64Array::from(vec![1.5]))),
            ("fraud", Arc::new(Int32Array::from(vec![0]))),
        ];
        for (name, array) in &mut columns {
            if *name == column {
                *array = Arc::new(list.clone());
            }
        }
        let bytes = support::parquet(&batch(columns), Compression::UNCOMPRESSED);
        check("a.parquet", bytes, expected);
    }
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
fn long_lines_and_strings() {
    let long = "z".repeat(10 << 20);
    let rows = format!("a,1,x,1,?\nb,2,{long},1,?\nc,3,x,1,?\n");
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        event 0: a 1970-01-01T00:00:01.000Z x 1.00 EUR
        reject {"row":1,"line":3,"code":"line_too_long","reason":"line must be at most 1048576 bytes","raw":"(1024 bytes)"}
        event 2: c 1970-01-01T00:00:03.000Z x 1.00 EUR
    "#]],
    );
    let line = |id: &str, account: &str| {
        format!("{{\"id\":\"{id}\",\"time\":1,\"account\":\"{account}\",\"amount\":1.10}}\n")
    };
    let text = line("a", "x") + &line("b", &long) + &line("c", "y");
    check(
        "a.jsonl",
        text,
        expect![[r#"
        event 0: a 1970-01-01T00:00:01.000Z x 1.10 EUR
        reject {"row":1,"line":2,"code":"line_too_long","reason":"line must be at most 1048576 bytes","raw":"(1024 bytes)"}
        event 2: c 1970-01-01T00:00:01.000Z y 1.10 EUR
    "#]],
    );
    let table = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
        ("time", Arc::new(Int32Array::from(vec![1, 2]))),
        (
            "account",
            Arc::new(StringArray::from(vec![long.as_str(), "y"])),
        ),
        ("amount", Arc::new(Int32Array::from(vec![1, 2]))),
        ("fraud", Arc::new(StringArray::from(vec!["?", "?"]))),
    ]);
    check(
        "a.parquet",
        support::parquet(&table, Compression::SNAPPY),
        expect![[r#"
            reject {"row":0,"field":"account","code":"field_too_long","reason":"account must be at most 128 bytes, got 10485760","raw":"(137 bytes)"}
            event 1: 2 1970-01-01T00:00:02.000Z y 2.00 EUR
        "#]],
    );
}

#[test]
fn encodings() {
    check(
        "a.csv",
        format!("\u{feff}{HEADER}a,1,x,1,?\n"),
        expect![[r#"
            event 0: a 1970-01-01T00:00:01.000Z x 1.00 EUR
        "#]],
    );
    let latin = [
        HEADER.as_bytes(),
        b"a,1,M\xfcller,1,?\nb,1,M\xc3\xbcller,1,?\n",
    ]
    .concat();
    check(
        "a.csv",
        latin,
        expect![[r#"
        reject {"row":0,"line":2,"code":"not_utf8","reason":"expected UTF-8, got an invalid byte at 5","raw":"a,1,M�ller,1,?"}
        event 1: b 1970-01-01T00:00:01.000Z Müller 1.00 EUR
    "#]],
    );
    check(
        "a.jsonl",
        b"{\"id\":\"\xff\"}\n",
        expect![[r#"
        reject {"row":0,"line":1,"code":"not_utf8","reason":"expected UTF-8, got an invalid byte at 7","raw":"{\"id\":\"�\"}"}
    "#]],
    );
    let wide: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(
        "a.csv",
        &wide,
        expect![[r#"
        refused: a.csv is encoded as UTF-16 (little-endian), expected UTF-8; convert it first, for example with iconv
    "#]],
    );
    let marked: Vec<u8> = [&[0xfe, 0xff], &wide[..]].concat();
    check(
        "a.csv",
        marked,
        expect![[r#"
        refused: a.csv is encoded as UTF-16 (big-endian), expected UTF-8; convert it first, for example with iconv
    "#]],
    );
}

#[test]
fn cut_and_broken_compression() {
    let mut state = 1_u64;
    let rows: String = (0..20_000)
        .map(|row| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{row},{row},{state},1,?\n")
        })
        .collect();
    let whole = gzip(format!("{HEADER}{rows}").as_bytes());
    let end = |bytes: &[u8]| {
        let told = told("a.csv.gz", bytes, IMPORT, Options::default());
        told.lines().last().unwrap().to_owned()
    };
    assert_eq!(&end(&whole)[..12], "event 19999:");
    let cut = end(&whole[..whole.len() / 2]);
    assert!(
        cut.starts_with("stopped: a.csv.gz ends in the middle of compressed data after"),
        "{cut}"
    );
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 1;
    let broken = end(&flipped);
    assert!(
        broken.starts_with("stopped: cannot read a.csv.gz after 20000 rows"),
        "{broken}"
    );
    let zstd = zstd::encode_all(format!("{HEADER}{rows}").as_bytes(), 1).unwrap();
    let cut = told(
        "a.csv.zst",
        &zstd[..zstd.len() / 2],
        IMPORT,
        Options::default(),
    );
    let cut = cut.lines().last().unwrap();
    assert!(
        cut.starts_with("stopped: a.csv.zst ends in the middle of compressed data"),
        "{cut}"
    );
}

#[test]
fn odd_csv() {
    let rows = "a,1,x,1\nb,1,x,1,?,\n\nc,1,\"x, \"\"y\"\"\",1,?\r\nd,1,\"p\nq\",1,?\ne,1,p\"q\",1,?\nf,1,\"z,1,?\ng,1,x,1,?";
    check(
        "a.csv",
        format!("{HEADER}{rows}"),
        expect![[r#"
        reject {"row":0,"line":2,"code":"field_count","reason":"expected 5 fields as in the header, got 4","raw":"a,1,x,1"}
        reject {"row":1,"line":3,"code":"field_count","reason":"expected 5 fields as in the header, got 6","raw":"b,1,x,1,?,"}
        event 2: c 1970-01-01T00:00:01.000Z x, "y" 1.00 EUR
        reject {"row":3,"line":6,"field":"account","code":"control_character","reason":"account must not hold control characters, got one at byte 1","raw":"d,1,\"p\nq\",1,?"}
        event 4: e 1970-01-01T00:00:01.000Z p"q" 1.00 EUR
        reject {"row":5,"line":9,"code":"unclosed_quote","reason":"quoted field is not closed within 1048576 bytes","raw":"f,1,\"z,1,?"}
        event 6: g 1970-01-01T00:00:01.000Z x 1.00 EUR
    "#]],
    );
}

#[test]
fn odd_jsonl() {
    let text = "{\"id\":\"a\",\"time\":1,\"account\":\"x\",\"amount\":1.10,\"other\":{}}\n\
        {\"id\":\"b\",\"time\":1,\"account\":\"x\",\"amount\":1,\"id\":\"c\"}\n\
        {\"id\":{\"a\":1},\"time\":1,\"account\":\"x\",\"amount\":1}\n[1]\n{\"id\":\n\n\
        {\"id\":\"d\\n\",\"time\":1,\"account\":\"x\",\"amount\":1}\n\
        {\"id\":\"\\u00e9\",\"time\":1.5,\"account\":null,\"amount\":1}\n\
        {\"id\":7,\"time\":1.5,\"account\":8,\"amount\":\"3.20\",\"fraud\":true}\n";
    check(
        "a.jsonl",
        text,
        expect![[r#"
        event 0: a 1970-01-01T00:00:01.000Z x 1.10 EUR
        reject {"row":1,"line":2,"field":"id","code":"field_twice","reason":"id is given twice","raw":"{\"id\":\"b\",\"time\":1,\"account\":\"x\",\"amount\":1,\"id\":\"c\"}"}
        reject {"row":2,"line":3,"field":"event_id","code":"not_text","reason":"event_id must be text, got {\"a\":1}","raw":"{\"id\":{\"a\":1},\"time\":1,\"account\":\"x\",\"amount\":1}"}
        reject {"row":3,"line":4,"code":"not_json","reason":"not a JSON object: invalid type: sequence, expected a JSON object at line 1 column ... (65 bytes)","raw":"[1]"}
        reject {"row":4,"line":5,"code":"not_json","reason":"not a JSON object: EOF while parsing a value at line 1 column 6","raw":"{\"id\":"}
        reject {"row":5,"line":7,"field":"event_id","code":"control_character","reason":"event_id must not hold control characters, got one at byte 1","raw":"{\"id\":\"d\\n\",\"time\":1,\"account\":\"x\",\"amount\":1}"}
        reject {"row":6,"line":8,"field":"account","code":"field_missing","reason":"account is missing","raw":"{\"id\":\"\\u00e9\",\"time\":1.5,\"account\":null,\"amount\":1}"}
        reject {"row":7,"line":9,"field":"label","code":"unknown_value","reason":"label \"true\" is unknown; known: 1, 0, ?","raw":"{\"id\":7,\"time\":1.5,\"account\":8,\"amount\":\"3.20\",\"fraud\":true}"}
    "#]],
    );
}

#[test]
fn too_many_rejects() {
    let two = Options {
        max_rejects: 2,
        ..Options::default()
    };
    let rows = "a,x,x,1,?\nb,1,x,1,?\nc,x,x,1,?\nd,x,x,1,?\ne,1,x,1,?\n";
    let text = format!("{HEADER}{rows}");
    check_with(
        "a.csv",
        text.as_bytes(),
        IMPORT,
        two,
        expect![[r#"
        reject {"row":0,"line":2,"field":"event_timestamp","code":"not_a_number","reason":"event_timestamp must be a number, got \"x\"","raw":"a,x,x,1,?"}
        event 1: b 1970-01-01T00:00:01.000Z x 1.00 EUR
        reject {"row":2,"line":4,"field":"event_timestamp","code":"not_a_number","reason":"event_timestamp must be a number, got \"x\"","raw":"c,x,x,1,?"}
        stopped: more than 2 rows were refused; the last: event_timestamp must be a number, got "x" (row 3)
    "#]],
    );
}

#[test]
fn pending_labels_are_bounded() {
    let little = Options {
        memory_bytes_max: 1 << 16,
        ..Options::default()
    };
    let rows: String = (0..20_000)
        .map(|row| format!("{row:09},{row},x,1,1\n"))
        .collect();
    let told = told(
        "a.csv",
        format!("{HEADER}{rows}").as_bytes(),
        IMPORT,
        little,
    );
    let last = told.lines().last().unwrap();
    assert!(
        last.starts_with("stopped: labels not yet due need more than 65536 bytes at row"),
        "{last}"
    );
}

#[test]
fn canonical_lines() {
    let canonical = "[import]\nformat = \"canonical\"\n";
    let text = r#"{"event_id":"a","event_type":"payment","event_timestamp":"2026-01-01T00:00:00Z","account":"x","amount":"1.50"}
{"label":"fraud","event_id":"a","label_timestamp":"2026-01-02T00:00:00Z","source":"analyst"}
{"outcome":"reversed","event_id":"a","outcome_timestamp":"2026-01-03T00:00:00Z"}
{"label":"fraud","event_id":"a","label_timestamp":"2026-01-02T00:00:00Z","source":"analyst"}
{"event_id":"b","event_type":"payment","event_timestamp":"2026-01-04T00:00:00Z","account":"x","amount":"1.50","colour":"red"}
"#;
    check_with(
        "a.jsonl",
        text.as_bytes(),
        canonical,
        Options::default(),
        expect![[r#"
            event 0: a 2026-01-01T00:00:00.000Z x 1.50 EUR
            label a fraud 2026-01-02T00:00:00.000Z
            outcome a
            reject {"row":3,"line":4,"field":"event_timestamp","code":"out_of_order","reason":"2026-01-02T00:00:00.000Z is before the latest row so far at 2026-01-03T00:00:00.000Z; allowed lateness is 0 ms","raw":"(92 bytes)"}
            reject {"row":4,"line":5,"field":"field","code":"unknown_value","reason":"field \"colour\" is unknown; known: account, payee, device, channel, balance, note","raw":"(125 bytes)"}
        "#]],
    );
    check_with(
        "a.csv",
        text.as_bytes(),
        canonical,
        Options::default(),
        expect![[r#"
            refused: a.csv is csv; a canonical import needs jsonl: map its columns in [import]
        "#]],
    );
    let sort = Options {
        sort: true,
        ..Options::default()
    };
    check_with(
        "a.jsonl",
        text.as_bytes(),
        canonical,
        sort,
        expect![[r#"
        reject {"row":4,"line":5,"field":"field","code":"unknown_value","reason":"field \"colour\" is unknown; known: account, payee, device, channel, balance, note","raw":"(125 bytes)"}
        event 0: a 2026-01-01T00:00:00.000Z x 1.50 EUR
        label a fraud 2026-01-02T00:00:00.000Z
        label a fraud 2026-01-02T00:00:00.000Z
        outcome a
    "#]],
    );
}
