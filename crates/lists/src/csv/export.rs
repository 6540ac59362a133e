//! A list as rows, sorted by value, so that two exports differ where the lists do.

use std::io::{self, Write};

use crate::state::Lists;
use crate::value::{ValueRef, code};

/// Writes the items of `list` that are in force at `now`; returns how many, or `None` without such a list. Takes 64
/// bytes for each item meanwhile: meant for a clone of the lists, on a thread that nobody waits for.
pub fn export(
    lists: &Lists,
    list: &str,
    now: i64,
    to: &mut dyn Write,
) -> io::Result<Option<usize>> {
    let Some(definition) = lists.definition(list) else {
        return Ok(None);
    };
    let amounts = definition.form == crate::Form::Amount;
    let columns = match amounts {
        true => "from,to,currency,expires,reason",
        false => "value,expires,reason",
    };
    writeln!(to, "{columns}")?;
    let mut items: Vec<_> = lists.iter(list, now).collect();
    items.sort_unstable_by(|a, b| a.value.cmp(&b.value));
    for item in &items {
        match item.value {
            ValueRef::Band {
                from,
                to: end,
                currency,
            } => {
                let code = code(&currency);
                let places = (lists.places)(code);
                let places = places.ok_or_else(|| {
                    let what = format!("this build knows no currency {code}");
                    io::Error::new(io::ErrorKind::InvalidData, what)
                })?;
                major(to, from, places)?;
                major(to, end, places)?;
                write!(to, "{code}")?;
            }
            ValueRef::Text(text) => cell(to, text)?,
            ValueRef::Cidr(cidr) => write!(to, "{cidr}")?,
        }
        to.write_all(b",")?;
        if let Some(expires) = item.expires {
            let stamp = jiff::Timestamp::from_millisecond(expires);
            write!(to, "{:.3}", stamp.map_err(io::Error::other)?)?;
        }
        to.write_all(b",")?;
        cell(to, item.reason())?;
        to.write_all(b"\n")?;
    }
    Ok(Some(items.len()))
}

/// With the comma behind it.
fn major(to: &mut dyn Write, minor: i64, places: u8) -> io::Result<()> {
    let per_major = 10_i64.pow(u32::from(places));
    let (whole, part) = (minor / per_major, minor % per_major);
    match usize::from(places) {
        0 => write!(to, "{whole},"),
        places => write!(to, "{whole}.{part:0places$},"),
    }
}

fn cell(to: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.contains(['"', ',', '\r', '\n']) {
        write!(to, "\"{}\"", text.replace('"', "\"\""))
    } else {
        to.write_all(text.as_bytes())
    }
}
