//! Files that are bad as a whole, or in their framing.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{Float64Array, Int32Array, Int64Array, ListArray, StringArray};
use expect_test::expect;
use parquet::basic::Compression;
use ringfence_ingest::Options;

use crate::support::{self, HEADER, IMPORT, batch, check, check_with, told};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
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
            refused: a.csv is csv; a canonical import needs jsonl or parquet: map its columns in [import]
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
