//! What is kept with a case: notes, the ticks of its checklist, references to what lies elsewhere.

use serde_json::{Value, json};

use super::Doing;
use crate::case::Case;
use crate::error::{CaseworkError, Refused, check_text};

pub const NOTE_BYTES_MAX: usize = 4096;
pub const NOTES_MAX: usize = 200;
pub const ATTACHMENTS_MAX: usize = 50;
pub const NAME_BYTES_MAX: usize = 128;
pub const URI_BYTES_MAX: usize = 1024;

type Told = (&'static str, Value);

impl Doing<'_> {
    pub(super) fn note(&self, case: &Case, text: &str) -> Result<Told, CaseworkError> {
        self.must_hold(case)?;
        check_text("text", text, NOTE_BYTES_MAX, true)?;
        self.must_have_room(case, "notes", NOTES_MAX)?;
        let sql = "INSERT INTO notes (case_id, at, author, text) VALUES (?1, ?2, ?3, ?4)";
        self.db.prepare_cached(sql)?.execute((
            case.id,
            self.now.millis(),
            &self.actor.name,
            text,
        ))?;
        Ok(("note", json!(text)))
    }

    pub(super) fn tick(&self, case: &Case, item: i64, done: bool) -> Result<Told, CaseworkError> {
        self.must_hold(case)?;
        let sql =
            "UPDATE checklist SET done_at = ?3, done_by = ?4 WHERE case_id = ?1 AND item = ?2";
        let at = done.then_some(self.now.millis());
        let by = done.then_some(&self.actor.name);
        let found = self
            .db
            .prepare_cached(sql)?
            .execute((case.id, item, at, by))?;
        if found == 0 {
            let items = crate::case::checklist(self.db, case.id)?;
            let known = items.iter().map(|it| it.item.to_string());
            return Err(Refused::Unknown {
                field: "item",
                value: item.to_string(),
                known: known.collect::<Vec<_>>().join(", "),
            }
            .into());
        }
        Ok(("checklist", json!({ "item": item, "done": done })))
    }

    pub(super) fn attach(
        &self,
        case: &Case,
        name: &str,
        uri: &str,
        sha256: &str,
    ) -> Result<Told, CaseworkError> {
        self.must_hold(case)?;
        check_text("name", name, NAME_BYTES_MAX, false)?;
        check_text("uri", uri, URI_BYTES_MAX, false)?;
        // RFC 3986: a scheme and what it says; whether it can be had is not looked at.
        let has_scheme = uri.split_once(':').is_some_and(|(scheme, rest)| {
            let mut letters = scheme.chars();
            let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
            starts
                && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                && !rest.is_empty()
        });
        if !has_scheme || uri.contains(char::is_whitespace) {
            return Err(value("uri", "an absolute URI without spaces", uri).into());
        }
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_digest {
            return Err(value("sha256", "64 hexadecimal digits", sha256).into());
        }
        self.must_have_room(case, "attachments", ATTACHMENTS_MAX)?;
        let sql = "INSERT INTO attachments (case_id, at, author, name, uri, sha256)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let digest = sha256.to_ascii_lowercase();
        self.db.prepare_cached(sql)?.execute((
            case.id,
            self.now.millis(),
            &self.actor.name,
            name,
            uri,
            &digest,
        ))?;
        Ok((
            "attachment",
            json!({ "name": name, "uri": uri, "sha256": digest }),
        ))
    }

    fn must_have_room(
        &self,
        case: &Case,
        what: &'static str,
        max: usize,
    ) -> Result<(), CaseworkError> {
        let sql = format!("SELECT COUNT(*) FROM {what} WHERE case_id = ?1");
        let held: i64 = self
            .db
            .prepare_cached(&sql)?
            .query_row([case.id], |row| row.get(0))?;
        if held as usize >= max {
            return Err(Refused::Full {
                id: case.id,
                what,
                max,
            }
            .into());
        }
        Ok(())
    }
}

fn value(field: &str, expected: &'static str, value: &str) -> Refused {
    Refused::Value {
        field: field.to_owned(),
        expected,
        value: value.chars().take(64).collect(),
    }
}
