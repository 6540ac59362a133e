//! One table, three formats, one sequence of items. Seeds are printed by proptest and kept beside this file.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use proptest::prelude::*;
use ringfence_ingest::{Item, Options};
use serde_json::json;

use crate::support;

const IMPORT: &str = r#"
[import]
event_id = { column = "id" }
event_type = { column = "kind", values = { P = "payment", L = "login" } }
timestamp = { column = "time", format = "epoch_s" }
amount = { column = "amount", unit = "major" }
[import.roles]
account = { column = "account" }
payee = { column = "payee", absent = ["-1"] }
[import.attributes]
balance = { column = "balance", scale = 0.01 }
note = { column = "note" }
[import.by_type.login.roles]
account = { column = "payee", absent = ["-1"] }
payee = { column = "account" }
[import.label]
column = "fraud"
fraud = ["1"]
legitimate = ["0"]
unknown = ["2"]
known_at = { column = "known", format = "epoch_ms" }
"#;

#[derive(Clone, Debug)]
struct Row {
    id: String,
    login: bool,
    time_ms: i64,
    cents: i64,
    account: i64,
    payee: Option<String>,
    balance: Option<f64>,
    note: Option<String>,
    fraud: Option<i64>,
    known_ms: Option<i64>,
}

impl Row {
    fn kind(&self) -> &'static str {
        if self.login { "L" } else { "P" }
    }

    /// A login with an amount is refused, in every format alike; most have none.
    fn amount(&self) -> Option<f64> {
        (!self.login || self.cents % 5 == 0).then_some(self.cents as f64 / 100.0)
    }

    fn time(&self) -> f64 {
        self.time_ms as f64 / 1000.0
    }
}

fn row() -> impl Strategy<Value = Row> {
    let first = (
        "[a-zé\", ;-]{0,30}",
        any::<bool>(),
        // mostly in order is made below; a few negative times are refused
        -50_i64..2_000_000,
        -3_i64..1_000_000_000,
        -2_i64..5,
    );
    let second = (
        proptest::option::of("[xy\"\u{fc}]{1,3}|-1"),
        proptest::option::of(-2e11_f64..2e11),
        proptest::option::of("[a\"\n\r,{}\\\\é ]{1,40}"),
        proptest::option::of(0_i64..4),
        proptest::option::of(0_i64..4_000_000),
    );
    (first, second).prop_map(|(first, second)| {
        let (id, login, time_ms, cents, account) = first;
        let (payee, balance, note, fraud, known_ms) = second;
        Row {
            id,
            login,
            time_ms,
            cents,
            account,
            payee,
            balance,
            note,
            fraud,
            known_ms,
        }
    })
}

fn csv(rows: &[Row]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "id", "kind", "time", "amount", "account", "payee", "balance", "note", "fraud", "known",
    ];
    writer.write_record(header).unwrap();
    let text = |value: Option<String>| value.unwrap_or_default();
    for row in rows {
        let fields = [
            row.id.clone(),
            row.kind().to_owned(),
            row.time().to_string(),
            text(row.amount().map(|it| it.to_string())),
            row.account.to_string(),
            text(row.payee.clone()),
            text(row.balance.map(|it| it.to_string())),
            text(row.note.clone()),
            text(row.fraud.map(|it| it.to_string())),
            text(row.known_ms.map(|it| it.to_string())),
        ];
        writer.write_record(&fields).unwrap();
    }
    writer.into_inner().unwrap()
}

fn jsonl(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        // the order of fields is not that of the other formats
        let value = json!({
            "known": row.known_ms, "fraud": row.fraud, "note": row.note, "balance": row.balance,
            "payee": row.payee, "account": row.account, "amount": row.amount(), "time": row.time(),
            "kind": row.kind(), "id": row.id, "unmapped": [1, {"id": 2}],
        });
        text += &value.to_string();
        text += "\n";
    }
    text.into_bytes()
}

fn parquet(rows: &[Row], compression: Compression) -> Vec<u8> {
    fn column<A: FromIterator<T> + arrow_array::Array + 'static, T>(
        rows: &[Row],
        value: impl Fn(&Row) -> T,
    ) -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<A>())
    }
    let columns = vec![
        (
            "id",
            column::<StringArray, _>(rows, |it| Some(it.id.clone())),
        ),
        ("kind", column::<StringArray, _>(rows, |it| Some(it.kind()))),
        (
            "time",
            column::<Float64Array, _>(rows, |it| Some(it.time())),
        ),
        ("note", column::<StringArray, _>(rows, |it| it.note.clone())),
        ("amount", column::<Float64Array, _>(rows, |it| it.amount())),
        (
            "account",
            column::<Int64Array, _>(rows, |it| Some(it.account)),
        ),
        (
            "payee",
            column::<StringArray, _>(rows, |it| it.payee.clone()),
        ),
        ("balance", column::<Float64Array, _>(rows, |it| it.balance)),
        ("fraud", column::<Int64Array, _>(rows, |it| it.fraud)),
        ("known", column::<Int64Array, _>(rows, |it| it.known_ms)),
    ];
    support::parquet(&support::batch(columns), compression)
}

/// What the formats must agree on: everything but the place and the raw text of a reject.
fn agreed(name: &str, content: &[u8], options: &Options) -> Vec<String> {
    let file = support::file(name, content);
    let items = support::items(&file.path, IMPORT, options.clone());
    let told = items.iter().map(|item| match item {
        Item::Reject(reject) => {
            format!(
                "{} {:?} {} {}",
                reject.row, reject.field, reject.code, reject.reason
            )
        }
        other => format!("{other:?}"),
    });
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn formats_agree(mut rows in proptest::collection::vec(row(), 1..40), in_order in any::<bool>(), codec in 0..4) {
        if in_order {
            rows.sort_by_key(|row| row.time_ms);
        }
        let compression = match codec {
            0 => Compression::UNCOMPRESSED,
            1 => Compression::SNAPPY,
            2 => Compression::GZIP(GzipLevel::default()),
            _ => Compression::ZSTD(ZstdLevel::default()),
        };
        let options = Options { sort: !in_order && codec % 2 == 0, ..Options::default() };
        let from_csv = agreed("a.csv", &csv(&rows), &options);
        let zstd = zstd::encode_all(&jsonl(&rows)[..], 1).unwrap();
        prop_assert_eq!(&from_csv, &agreed("a.jsonl.zst", &zstd, &options));
        prop_assert_eq!(&from_csv, &agreed("a.parquet", &parquet(&rows, compression), &options));
    }

    /// Sorting in memory gives what a file sorted beforehand gives, rows apart.
    #[test]
    fn sorting_is_stable(rows in proptest::collection::vec(row(), 1..40)) {
        let events = |items: Vec<Item>| -> Vec<Item> {
            let kept = items.into_iter().filter(|item| !matches!(item, Item::Reject(_)));
            let without_row = kept.map(|item| match item {
                Item::Event { event, .. } => Item::Event { row: 0, event },
                other => other,
            });
            without_row.collect()
        };
        let sort = Options { sort: true, ..Options::default() };
        let file = support::file("a.csv", &csv(&rows));
        let by_import = events(support::items(&file.path, IMPORT, sort));
        let mut sorted = rows;
        sorted.sort_by_key(|row| row.time_ms);
        let file = support::file("a.csv", &csv(&sorted));
        let before = events(support::items(&file.path, IMPORT, Options::default()));
        // labels of equal time follow their rows, which the two files number differently
        let known = |items: &[Item]| {
            let mut labels: Vec<String> = items.iter().filter(|it| matches!(it, Item::Label(_))).map(|it| format!("{it:?}")).collect();
            labels.sort();
            labels
        };
        prop_assert_eq!(known(&by_import), known(&before));
        let without_labels = |items: &[Item]| -> Vec<Item> {
            items.iter().filter(|it| !matches!(it, Item::Label(_))).cloned().collect()
        };
        prop_assert_eq!(without_labels(&by_import), without_labels(&before));
    }

    /// Any bytes, under any name: items and a typed error, no panic.
    #[test]
    fn any_bytes_end_well(bytes in proptest::collection::vec(any::<u8>(), 0..400), quotes in any::<bool>()) {
        let mut csv = b"id,kind,time,amount,account,payee,balance,note,fraud,known\n".to_vec();
        let soup = bytes.iter().map(|b| if quotes { b"\",\n1a"[usize::from(*b) % 5] } else { *b });
        csv.extend(soup);
        for (name, content) in [("a.csv", &csv), ("a.jsonl", &bytes), ("a.csv.gz", &bytes), ("a.parquet", &bytes)] {
            support::told(name, content, IMPORT, Options::default());
        }
    }
}
