//! What an `[import]` table may not say.

use crate::support::{self, IMPORT};
use expect_test::{Expect, expect};

/// Replaces `what` in a good table by `with`.
fn check(what: &str, with: &str, expected: Expect) {
    assert!(IMPORT.contains(what), "{what}");
    let error = support::mapping(&IMPORT.replace(what, with)).err();
    expected.assert_eq(&error.map_or("accepted".to_owned(), |error| error.to_string()));
}

#[test]
fn a_good_table_is_accepted() {
    check("[import]", "[import]", expect![["accepted"]]);
}

#[test]
fn columns() {
    check(
        "{ column = \"account\" }",
        "{ column = \"id\" }",
        expect![[
            r#"column "id" feeds both event_id and account; a column may feed one field (line 57)"#
        ]],
    );
    check(
        "[import.roles]",
        "[import.roles]\npayee = { column = \"account\" }",
        expect![[
            r#"column "account" feeds both account and payee; a column may feed one field (line 57)"#
        ]],
    );
    check(
        "column = \"fraud\"",
        "column = \"amount\"",
        expect![[
            r#"column "amount" feeds both amount and label; a column may feed one field (line 59)"#
        ]],
    );
    check(
        "{ column = \"account\" }",
        "{ column = \"\" }",
        expect![[r#"account must be a column's name, got "" (line 57)"#]],
    );
    // another event type may read the same column differently
    let by_type = "[import.by_type.login.roles]\naccount = { column = \"user\" }\n[import.label]";
    check("[import.label]", by_type, expect!["accepted"]);
    let twice = "[import.by_type.login.roles]\npayee = { column = \"account\" }\n[import.label]";
    check(
        "[import.label]",
        twice,
        expect![[
            r#"column "account" feeds both account and payee; a column may feed one field (line 59)"#
        ]],
    );
}

#[test]
fn names_of_the_schema() {
    check(
        "account = {",
        "acount = {",
        expect![[
            r#"import.roles: unknown role "acount"; known: account, payee, device (line 57)"#
        ]],
    );
    check(
        "[import.label]",
        "[import.attributes]\ncolour = { column = \"c\" }\n[import.label]",
        expect![[
            r#"import.attributes: unknown attribute "colour"; known: channel, balance, note (line 59)"#
        ]],
    );
    check(
        "value = \"payment\"",
        "value = \"paymnt\"",
        expect![[
            r#"import.event_type.value: unknown event type "paymnt"; known: payment, login (line 53)"#
        ]],
    );
    check(
        "[import.label]",
        "[import.by_type.refund.roles]\n[import.label]",
        expect![[
            r#"import.by_type: unknown event type "refund"; known: payment, login (line 58)"#
        ]],
    );
    check(
        "account = { column = \"account\" }",
        "payee = { column = \"account\" }",
        expect![[r#"event type "payment" needs account, which no column feeds"#]],
    );
    check(
        "amount = { column = \"amount\", unit = \"major\" }",
        "",
        expect![[r#"event type "payment" needs amount, which no column feeds"#]],
    );
}

#[test]
fn times() {
    let time = "format = \"epoch_s\"";
    check(
        time,
        "format = \"unix\"",
        expect![[
            r#"event_timestamp.format must be iso, epoch_s, epoch_ms, seconds, days or rows, got "unix" (line 54)"#
        ]],
    );
    check(
        time,
        "format = \"days\"",
        expect!["event_timestamp.origin is missing"],
    );
    check(
        time,
        "format = \"days\", origin = \"2025-01-01\"",
        expect![[
            r#"event_timestamp.origin must be an ISO-8601 time with offset between 1970 and 2200, got "2025-01-01" (line 54)"#
        ]],
    );
    check(
        time,
        "format = \"epoch_s\", origin = \"2025-01-01T00:00:00Z\"",
        expect![[
            r#"event_timestamp.origin must be absent unless seconds, days or rows are counted, got "2025-01-01T00:00:00Z" (line 54)"#
        ]],
    );
    check(
        time,
        "format = \"epoch_s\", offset = \"Z\"",
        expect![[r#"event_timestamp.offset must be absent unless iso, got "Z" (line 54)"#]],
    );
    check(
        time,
        "format = \"iso\", offset = \"CET\"",
        expect![[r#"event_timestamp.offset must be Z or +hh:mm or -hh:mm, got "CET" (line 54)"#]],
    );
    check(
        time,
        "format = \"rows\", origin = \"2025-01-01T00:00:00Z\"",
        expect![["accepted"]],
    );
}

#[test]
fn labels() {
    check(
        "\"1d\"",
        "\"soon\"",
        expect![[
            r#"import.label.delay must be a span such as 7d or 500rows, 1 ms to 3650 d, got "soon" (line 63)"#
        ]],
    );
    check(
        "delay = \"1d\"",
        "",
        expect!["import.label.delay or import.label.known_at is missing"],
    );
    check(
        "legitimate = [\"0\"]",
        "legitimate = [\"1\"]",
        expect![[r#"import.label: the value "1" has two meanings (line 60)"#]],
    );
    check(
        "fraud = [\"1\"]\nlegitimate = [\"0\"]",
        "fraud = []",
        expect![
            "import.label.fraud must be at least one value, or import.label.legitimate one, got [] (line 60)"
        ],
    );
    let both = "delay = \"1d\"\nknown_at = { column = \"k\", format = \"iso\" }";
    check(
        "delay = \"1d\"",
        both,
        expect![[r#"import.label.delay must be absent beside known_at, got "1d" (line 63)"#]],
    );
}

#[test]
fn values() {
    check(
        "\"major\"",
        "\"cents\"",
        expect![[r#"import.amount.unit must be minor or major, got "cents" (line 55)"#]],
    );
    check(
        "[import.roles]",
        "currency = { value = \"EURO\" }\n[import.roles]",
        expect![[
            r#"import.currency.value must be an ISO 4217 currency code such as EUR, got "EURO" (line 56)"#
        ]],
    );
    check(
        "[import]",
        "[import]\ndelimiter = \"::\"",
        expect![[r#"import.delimiter must be one of , ; | or a tab, got "::" (line 52)"#]],
    );
    check(
        "[import]",
        "[import]\ncolour = 1",
        expect![[r#"
        schema is not valid TOML: TOML parse error at line 52, column 1
           |
        52 | colour = 1
           | ^^^^^^
        unknown field `colour`, expected one of `format`, `delimiter`, `event_id`, `event_type`, `timestamp`, `amount`, `currency`, `roles`, `attributes`, `by_type`, `label`"#]],
    );
    check(
        "[import]",
        "[import]\nformat = \"canonical\"",
        expect![[
            r#"import.format must be absent when columns are mapped, got "canonical" (line 51)"#
        ]],
    );
    check(
        "{ column = \"id\" }",
        "{ }",
        expect!["import.event_id.column or import.event_id.row is missing"],
    );
    check(
        "{ column = \"id\" }",
        "{ row = \"\" }",
        expect![[
            r#"import.event_id.row must be 1 to 100 bytes without control characters, got "" (line 52)"#
        ]],
    );
    let scale = |scale: &str| {
        format!(
            "[import.attributes]\nbalance = {{ column = \"b\", scale = {scale} }}\n[import.label]"
        )
    };
    check(
        "[import.label]",
        &scale("0.0"),
        expect!["import.attributes.balance.scale must be finite and not 0, got 0 (line 59)"],
    );
    let text = "[import.attributes]\nnote = { column = \"n\", scale = 2.0 }\n[import.label]";
    check(
        "[import.label]",
        text,
        expect![
            "import.attributes.note.scale must be absent unless the attribute is numeric, got 2 (line 59)"
        ],
    );
    let error = support::mapping("").unwrap_err();
    expect!["[import] is missing"].assert_eq(&error.to_string());
}
