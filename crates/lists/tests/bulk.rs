//! CSV in and out: rejects with their lines, slices that a change can hold, and the way round.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::io::{self, Read};

use proptest::prelude::*;
use ringfence_lists::csv::{CsvError, Import, Slice, export};
use ringfence_lists::{Change, Definition, Effect, Form, Lists, ListsError, NewItem, Probe, Value};

const AT: i64 = 1_790_000_000_000;

fn places(code: &str) -> Option<u8> {
    match code {
        "EUR" => Some(2),
        "JPY" => Some(0),
        "KWD" => Some(3),
        _ => None,
    }
}

fn slices(rows: impl Read, form: Form) -> Result<Vec<Slice>, CsvError> {
    let mut import = Import::new(rows, form, places, AT)?;
    let mut slices = Vec::new();
    while let Some(slice) = import.next_slice()? {
        slices.push(slice);
    }
    Ok(slices)
}

fn one(rows: &str, form: Form) -> Slice {
    let mut slices = slices(rows.as_bytes(), form).unwrap();
    assert_eq!(slices.len(), 1, "{rows:?}");
    slices.remove(0)
}

const TEXT: Form = Form::Text { fold: false };

fn told(slice: &Slice) -> Vec<String> {
    let line = |it: &ringfence_lists::csv::Reject| {
        format!("{} {} {:?} {}", it.line, it.field, it.value, it.code)
    };
    slice.rejects.iter().map(line).collect()
}

fn empty(form: Form) -> Lists {
    let mut lists = Lists::new(places);
    let create = Change::Create(Definition {
        name: "it".to_owned(),
        on: "field".to_owned(),
        form,
        effect: Effect::Watch,
    });
    lists.apply(&create, AT, "ann").unwrap();
    lists
}

#[test]
fn rows_become_items_whatever_the_editor_has_made_of_the_file() {
    let rows = "\u{feff}reason , value,expires\r\n\"a \"\"b\"\", c\",d-1,2026-12-31T01:00:00+01:00\r\n\r\n\r\n,\"two\nlines, no\",\r\n,d-2,\r\n";
    let slice = one(rows, TEXT);
    let expires = Some(1_798_675_200_000);
    let reason = "a \"b\", c".to_owned();
    assert_eq!(
        slice.items[0],
        NewItem {
            value: Value::Text("d-1".to_owned()),
            expires,
            reason
        }
    );
    assert_eq!(slice.items[1].value, Value::Text("d-2".to_owned()));
    // The row of two lines counts for two, the blank lines for what they are.
    assert_eq!(slice.lines, [2, 7]);
    assert_eq!(
        told(&slice),
        ["5 value \"two\\nlines, no\" control_character"]
    );
    let rows = "currency,from,to\nEUR, 9000.00 ,9999.9\nJPY,5,5\nKWD,0.001,1\n";
    let slice = one(rows, Form::Amount);
    let band = |from, to, currency: &str| Value::Band {
        from,
        to,
        currency: currency.to_owned(),
    };
    let values: Vec<Value> = slice.items.into_iter().map(|it| it.value).collect();
    assert_eq!(
        values,
        [
            band(900_000, 999_990, "EUR"),
            band(5, 5, "JPY"),
            band(1, 1_000, "KWD")
        ]
    );
}

#[test]
fn a_row_that_is_no_item_is_told_with_line_field_value_and_code() {
    let long = "x".repeat(300);
    let rows = format!(
        "value,expires,reason\nok,,\n,,\n{long},,\na,b\na,b,c,d\na,tomorrow,\na,2020-01-01T00:00:00Z,\na,2300-01-01T00:00:00Z,\na,,{long}\nok2,,\n"
    );
    let slice = one(&rows, TEXT);
    assert_eq!(slice.lines, [2, 11]);
    let shortened = format!("{:?}", format!("{}... (300 bytes)", "x".repeat(64)));
    assert_eq!(
        told(&slice),
        [
            "3 value \"\" empty".to_owned(),
            format!("4 value {shortened} too_long"),
            "5 row \"a,b\" columns".to_owned(),
            "6 row \"a,b,c,d\" columns".to_owned(),
            "7 expires \"tomorrow\" not_a_time".to_owned(),
            "8 expires \"2020-01-01T00:00:00Z\" expires_in_past".to_owned(),
            "9 expires \"2300-01-01T00:00:00Z\" expires_too_late".to_owned(),
            format!("10 reason {shortened} too_long"),
        ]
    );
    let rows = "from,to,currency\n1,2,EURO\n1.001,2,EUR\n1,2.5,JPY\n-1,2,EUR\n5,4,EUR\n1e3,2,EUR\n,2,EUR\n100000000000.01,2,EUR\n99999999999999999999,2,EUR\n1,2,EUR\n2,3,EUR\n";
    let slice = one(rows, Form::Amount);
    assert_eq!(slice.lines, [11]);
    assert_eq!(
        told(&slice),
        [
            "2 currency \"EURO\" unknown_currency",
            "3 from \"1.001\" not_an_amount",
            "4 to \"2.5\" not_an_amount",
            "5 from \"-1\" not_an_amount",
            "6 to \"4\" band_order",
            "7 from \"1e3\" not_an_amount",
            "8 from \"\" not_an_amount",
            "9 from \"100000000000.01\" amount_range",
            "10 from \"99999999999999999999\" not_an_amount",
            "12 from \"200 to 300 EUR\" bands_meet",
        ]
    );
    let slice = one("value\n10.0.0.1/8\n 10.0.0.0/8 \n", Form::Cidr);
    assert_eq!(told(&slice), ["2 value \"10.0.0.1/8\" host_bits"]);
    assert!(
        slice.rejects[0]
            .reason
            .contains("the network is 10.0.0.0/8")
    );
    assert_eq!(slice.items[0].value, Value::Text("10.0.0.0/8".to_owned()));
    let mut rows = b"value\n\xff\xfe\nb".to_vec();
    let slice = &slices(rows.as_slice(), TEXT).unwrap()[0];
    assert_eq!(
        (told(slice).as_slice(), slice.lines.as_slice()),
        (
            ["2 row \"\u{fffd}\u{fffd}\" not_utf8".to_owned()].as_slice(),
            [3].as_slice()
        )
    );
    rows.clear();
}

#[test]
fn a_file_without_the_right_columns_is_refused_whole() {
    for (rows, got) in [
        ("", "nothing"),
        ("\r\n\n", "nothing"),
        ("expires,reason\n", "expires,reason"),
        ("value,value\n", "value,value"),
        ("value,author\n", "value,author"),
        ("from,to,currency\n", "from,to,currency"),
        ("10.0.0.0/8\n", "10.0.0.0/8"),
    ] {
        let error = slices(rows.as_bytes(), TEXT).unwrap_err().to_string();
        assert!(error.ends_with(&format!("got {got}")), "{rows:?}: {error}");
    }
    let error = slices("value\n".as_bytes(), Form::Amount)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("from,to,currency and optionally expires,reason"),
        "{error}"
    );
}

/// A quote that is never closed, a row without an end, a thousand columns: rejects in bounded memory, and the rows
/// behind a long one are read.
#[test]
fn rows_without_bound_are_rejected() {
    let quote = io::Cursor::new("value\nok\n\"").chain(io::repeat(b'x').take(50 << 20));
    let slice = &slices(quote, TEXT).unwrap()[0];
    assert_eq!(told(slice), ["3 row \"\" row_too_long"]);
    assert_eq!(slice.items.len(), 1);
    let long = format!(
        "value\n{}\nok\n{}\nok2\n",
        "x".repeat(200_000),
        ",".repeat(1_000)
    );
    let slice = one(&long, TEXT);
    assert_eq!(
        told(&slice),
        ["2 row \"\" row_too_long", "4 row \"\" row_too_long"]
    );
    assert_eq!(slice.lines, [3, 5]);
    // A file of nothing but bad rows is told in slices too.
    let bad = "value\n".to_owned() + &",\n".repeat(2_500);
    let lens: Vec<usize> = slices(bad.as_bytes(), TEXT)
        .unwrap()
        .iter()
        .map(|it| it.rejects.len())
        .collect();
    assert_eq!(lens, [1_000, 1_000, 500]);
}

#[test]
fn slices_fit_into_a_change_and_the_last_row_of_a_value_counts() {
    // Every byte escaped: a slice ends before its text is too long.
    let row = |n: usize| {
        format!(
            "\"{n}{}\",,\"{}\"\n",
            "\"\"".repeat(250),
            "\"\"".repeat(256)
        )
    };
    let rows = "value,expires,reason\n".to_owned() + &(0..1_000).map(row).collect::<String>();
    let cut = slices(rows.as_bytes(), TEXT).unwrap();
    assert!(cut.len() > 1, "{}", cut.len());
    let mut lists = empty(TEXT);
    for slice in &cut {
        let change = slice.change("it");
        assert_eq!(Change::parse(&change.encode().unwrap()).unwrap(), change);
        lists.apply(&change, AT, "ann").unwrap();
    }
    assert_eq!(lists.items(), 1_000);
    let rows = "value,reason\n".to_owned()
        + &(0..2_500)
            .map(|n| format!("v{},r{n}\n", n % 1_200))
            .collect::<String>();
    let cut = slices(rows.as_bytes(), TEXT).unwrap();
    assert!(
        cut.iter()
            .all(|it| it.items.len() <= 1_000 && it.items.len() == it.lines.len())
    );
    assert_eq!(
        cut.iter()
            .map(|it| it.items.len() as u64 + it.repeated)
            .sum::<u64>(),
        2_500
    );
    let mut lists = empty(TEXT);
    cut.iter()
        .for_each(|it| assert!(lists.apply(&it.change("it"), AT, "ann").is_ok()));
    assert_eq!(lists.items(), 1_200);
    assert_eq!(
        lists.hit("it", Probe::Text("v99"), AT).unwrap().reason(),
        "r2499"
    );
}

/// A band that meets one of the list is found when the slice is checked; the others go in.
#[test]
fn what_the_lists_refuse_becomes_a_reject() {
    let mut lists = empty(Form::Amount);
    let held = one("from,to,currency\n10,20,EUR\n", Form::Amount);
    lists.apply(&held.change("it"), AT, "ann").unwrap();
    let rows = "from,to,currency\n1,2,EUR\n20,30,EUR\nx,1,EUR\n40,50,EUR\n5,10,EUR\n";
    let mut slice = one(rows, Form::Amount);
    let Err(ListsError::Items(faults)) = lists.check(&slice.change("it"), AT) else {
        panic!("two bands meet the one that is held");
    };
    slice.refuse(&faults);
    assert_eq!(
        told(&slice),
        [
            "3 from \"2000 to 3000 EUR\" bands_meet",
            "4 from \"x\" not_an_amount",
            "6 from \"500 to 1000 EUR\" bands_meet",
        ]
    );
    assert_eq!(slice.lines, [2, 5]);
    lists.apply(&slice.change("it"), AT, "ann").unwrap();
    assert_eq!(lists.items(), 3);
}

/// Gives a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(self.0.len()).min(buffer.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn round_trip(form: Form, items: Vec<NewItem>, drops: usize) -> Result<(), TestCaseError> {
    let mut lists = empty(form);
    for item in items {
        // Bands that meet are left out.
        let list = "it".to_owned();
        let put = Change::Put {
            list,
            items: vec![item],
        };
        let applied = lists.apply(&put, AT, "ann");
        prop_assert!(form == Form::Amount || applied.is_ok(), "{applied:?}");
    }
    let mut rows = Vec::new();
    let written = export(&lists, "it", AT, &mut rows).unwrap();
    prop_assert_eq!(written, Some(lists.items()));
    let mut again = empty(form);
    for slice in slices(Drops(&rows, drops), form).unwrap() {
        prop_assert_eq!(&slice.rejects, &[]);
        prop_assert_eq!(slice.repeated, 0);
        again.apply(&slice.change("it"), AT, "ann").unwrap();
    }
    let bytes = |lists: &Lists| {
        let mut bytes = Vec::new();
        lists.write_snapshot(&mut bytes).unwrap();
        bytes
    };
    prop_assert_eq!(bytes(&again), bytes(&lists));
    Ok(())
}

fn item(value: impl Strategy<Value = Value>) -> impl Strategy<Value = NewItem> {
    let end = 7_258_118_400_000;
    let parts = (value, prop::option::of(AT + 1..end), "[ a\",;é\\\\']{0,6}");
    parts.prop_map(|(value, expires, reason)| NewItem {
        value,
        expires,
        reason,
    })
}

proptest! {
    #[test]
    fn an_export_is_imported_to_the_same_list(
        texts in prop::collection::vec(item("[ a\",;é\\\\']{1,6}".prop_map(Value::Text)), 0..40),
        networks in prop::collection::vec(item((any::<u32>(), 0_u32..=32).prop_map(|(bits, len)| {
            let bits = bits & u32::MAX.checked_shl(32 - len).unwrap_or(0);
            Value::Text(format!("{}/{len}", std::net::Ipv4Addr::from_bits(bits)))
        })), 0..40),
        bands in prop::collection::vec(item(
            (0_i64..20_000, 0_i64..500, prop::sample::select(vec!["EUR", "JPY", "KWD"])).prop_map(|(from, len, code)| {
                Value::Band { from, to: from + len, currency: code.to_owned() }
            })), 0..40),
        drops in 1_usize..9,
    ) {
        round_trip(TEXT, texts.clone(), drops)?;
        round_trip(Form::Prefix { fold: true }, texts, drops)?;
        round_trip(Form::Cidr, networks, drops)?;
        round_trip(Form::Amount, bands, drops)?;
    }
}

#[test]
fn an_export_is_sorted_and_leaves_out_what_is_expired() {
    let mut lists = empty(TEXT);
    let rows =
        "value,expires,reason\nb,2026-12-31T00:00:00Z,\"x,y\"\na,,\nc,2027-12-31T00:00:00.5Z,\n";
    lists
        .apply(&one(rows, TEXT).change("it"), AT, "ann")
        .unwrap();
    let mut out = Vec::new();
    assert_eq!(
        export(&lists, "it", 1_798_675_200_000, &mut out).unwrap(),
        Some(2)
    );
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "value,expires,reason\na,,\nc,2027-12-31T00:00:00.500Z,\n"
    );
    assert_eq!(export(&lists, "none", AT, &mut Vec::new()).unwrap(), None);
}
