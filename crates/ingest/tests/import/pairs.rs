//! Two columns of a table: the same from CSV and Parquet, and what is wrong named.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, StringArray};
use parquet::basic::Compression;
use ringfence_ingest::pairs;

use crate::support::{batch, parquet};

#[test]
fn csv_and_parquet_give_the_same_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("g.csv");
    let text = "other,group,id\r\nx,7,\"a,1\"\r\nx,,b\r\n\r\nx,-1,\"say \"\"c\"\"\"\n";
    fs::write(&csv, text).unwrap();
    let groups: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)]));
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a,1", "b", "say \"c\""]));
    // Asked for in another order than the file has them, and beside a third column.
    let table = batch(vec![("other", ids.clone()), ("group", groups), ("id", ids)]);
    let file = dir.path().join("g.parquet");
    fs::write(&file, parquet(&table, Compression::SNAPPY)).unwrap();
    let wanted = [("a,1", "7"), ("say \"c\"", "-1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    for path in [&csv, &file] {
        assert_eq!(
            pairs(path, ["id", "group"]).unwrap(),
            wanted,
            "{}",
            path.display()
        );
        let turned: Vec<(String, String)> = pairs(path, ["group", "id"])
            .unwrap()
            .into_iter()
            .map(|(group, id)| (id, group))
            .collect();
        assert_eq!(turned, wanted, "{}", path.display());
        let error = pairs(path, ["id", "ring"]).unwrap_err().to_string();
        assert!(
            error.contains("column \"ring\"") && error.contains("present: other, group, id"),
            "{error}"
        );
    }
}

#[test]
fn a_line_that_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("g.csv");
    for (text, wanted) in [
        ("id,group\na,1\nb\n", "line 3: too few fields"),
        ("id,group\na,\"1\n", "line 2: a quote is not closed"),
        ("", "is empty"),
    ] {
        fs::write(&path, text).unwrap();
        let error = pairs(&path, ["id", "group"]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    fs::write(dir.path().join("g.xyz"), "id,group\n").unwrap();
    let error = pairs(&dir.path().join("g.xyz"), ["id", "group"]).unwrap_err();
    assert!(
        error.to_string().contains("cannot tell the format"),
        "{error}"
    );
}
