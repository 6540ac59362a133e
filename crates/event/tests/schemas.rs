//! The committed schemas parse, and a broken schema is refused with the field at fault.

use ringfence_event::schema::Schema;

const DEFAULT: &str = include_str!("../../../schemas/default.toml");

#[test]
fn committed_schemas_are_valid_and_their_hashes_differ() {
    let texts = [
        DEFAULT,
        include_str!("../../../schemas/handbook.toml"),
        include_str!("../../../schemas/s_ffsd.toml"),
        include_str!("../../../schemas/amlgentex.toml"),
    ];
    let mut hashes: Vec<String> = texts
        .iter()
        .map(|text| Schema::parse(text).unwrap().hash().hex())
        .collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), texts.len());
}

#[test]
fn the_import_table_is_not_part_of_the_hash() {
    let without = DEFAULT.replace("[import]\n", "[import]\nunrelated = 1\n");
    assert_eq!(
        Schema::parse(DEFAULT).unwrap().hash(),
        Schema::parse(&without).unwrap().hash()
    );
    let other = DEFAULT.replace("maturity = \"14d\"", "maturity = \"13d\"");
    assert_ne!(
        Schema::parse(DEFAULT).unwrap().hash(),
        Schema::parse(&other).unwrap().hash()
    );
}

#[test]
fn a_broken_schema_is_refused_with_the_field() {
    let cases = [
        (
            "schema_version = 1",
            "schema_version = 2",
            "schema_version must be 1, got 2",
        ),
        (
            "name = \"lat\"",
            "name = \"lon\"",
            "the name \"lon\" is used twice",
        ),
        (
            "name = \"lat\"",
            "name = \"card\"",
            "the name \"card\" is used twice",
        ),
        (
            "name = \"lat\"",
            "name = \"amount\"",
            "the name \"amount\" is reserved",
        ),
        (
            "name = \"lat\"",
            "name = \"Lat\"",
            "name must be 1 to 48 of a-z",
        ),
        (
            "kind = \"merchant\"",
            "kind = \"shop\"",
            "unknown kind \"shop\"",
        ),
        (
            "part = \"device\"",
            "part = \"subject\"",
            "exactly one must have part = \"subject\", got 2",
        ),
        (
            "part = \"device\"",
            "part = \"ip\"",
            "only one may have part = Ip, got 2",
        ),
        (
            "requires = [\"payee\"]",
            "requires = [\"payeee\"]",
            "unknown role \"payeee\"",
        ),
        (
            "windows = [\"1h\", \"24h\"",
            "windows = [\"24h\", \"1h\"",
            "time.windows must be ascending",
        ),
        (
            "maturity = \"14d\"",
            "maturity = \"31d\"",
            "labels.maturity must be at most the longest",
        ),
        (
            "idle_expiry = \"180d\"",
            "idle_expiry = \"7d\"",
            "time.idle_expiry must be at least",
        ),
        (
            "ring = 64",
            "ring = 65",
            "ring must be 4, 8, 16, 32 or 64, got 65",
        ),
        (
            "base_currency = \"EUR\"",
            "base_currency = \"EUX\"",
            "ISO 4217",
        ),
        ("max = 90", "max = -95", "must be finite and below max"),
        (
            "max_values = 32",
            "max_values = 1",
            "max_values must be between 2 and 4096",
        ),
        (
            "[\"1000.00\"",
            "[\"1000.001\"",
            "report_thresholds must be positive amounts",
        ),
        ("[labels]", "[lables]", "unknown field `lables`"),
    ];
    for (from, to, expected) in cases {
        assert!(DEFAULT.contains(from), "{from}");
        let error = Schema::parse(&DEFAULT.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn what_is_no_schema_file_names_the_line_and_what_is_wrong_in_one_the_field() {
    let broken = DEFAULT.replacen("horizon = \"180d\"", "horizon = 180d", 1);
    let line = 1 + DEFAULT[..DEFAULT.find("horizon =").unwrap()]
        .matches('\n')
        .count();
    let error = Schema::parse(&broken).unwrap_err();
    assert_eq!((error.line(), error.field()), (Some(line), None), "{error}");
    let wrong = DEFAULT.replacen("maturity = \"14d\"", "maturity = \"31d\"", 1);
    let error = Schema::parse(&wrong).unwrap_err();
    assert_eq!(
        (error.line(), error.field()),
        (None, Some("labels.maturity")),
        "{error}"
    );
}

#[test]
fn another_schema_is_told_apart_by_names_and_not_by_places() {
    let held = Schema::parse(DEFAULT).unwrap();
    assert!(held.differences(&held).is_empty());
    let kind = "[[kinds]]\nname = \"merchant\"\n";
    let second = "[[kinds]]\nname = \"device\"\n";
    for (from, to, expected) in [
        (
            "maturity = \"14d\"",
            "maturity = \"13d\"",
            r#"labels.maturity is "14d", given "13d""#,
        ),
        // What comes later moves by one place: no difference.
        (
            kind,
            &format!("[[kinds]]\nname = \"shop\"\n\n{kind}"),
            "kinds.shop is new",
        ),
        (
            &format!("{kind}\n{second}"),
            &format!("{second}\n{kind}"),
            "kinds stand in another order",
        ),
        (
            "max = 90",
            "max = 80",
            "attributes.lat.domain.max is 90.0, given 80.0",
        ),
        (
            "requires = [\"payee\"]",
            "requires = [\"payee\", \"device\"]",
            r#"event_types.transfer.requires is ["payee"], given ["payee","device"]"#,
        ),
    ] {
        assert!(DEFAULT.contains(from), "{from}");
        let given = Schema::parse(&DEFAULT.replacen(from, to, 1)).unwrap();
        assert_eq!(held.differences(&given), [expected]);
    }
    let other = Schema::parse(include_str!("../../../schemas/amlgentex.toml")).unwrap();
    let told = held.differences(&other);
    assert!(told.len() == 9 && told[8].ends_with(" more"), "{told:?}");
}
