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
