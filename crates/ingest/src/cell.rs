//! One value of a row as its file holds it, before anybody decides what it means.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Absent,
    Text(&'a str),
    /// A JSON number as written.
    Number(&'a str),
    Bool(bool),
    Int(i64),
    /// Past `i64`.
    Uint(u64),
    Float(f64),
    /// Mantissa and decimal places.
    Decimal(i128, u8),
    /// Milliseconds since 1970 UTC.
    Millis(i64),
    /// Milliseconds since 1970 on a clock whose zone the file does not say.
    LocalMillis(i64),
    /// A JSON object or array.
    Nested(&'a str),
}

/// Past this a double no longer holds every whole number.
const WHOLE_FLOAT_END: f64 = 9_007_199_254_740_992.0;

impl<'a> Cell<'a> {
    /// The cell as an identifier or a word: text as it is, whole numbers in decimal. `None` for what has
    /// no such form (fractions, times, objects).
    pub fn text<'b>(self, digits: &'b mut itoa::Buffer) -> Option<&'b str>
    where
        'a: 'b,
    {
        match self {
            Cell::Text(text) | Cell::Number(text) => Some(text),
            Cell::Int(value) => Some(digits.format(value)),
            Cell::Uint(value) => Some(digits.format(value)),
            Cell::Bool(true) => Some("true"),
            Cell::Bool(false) => Some("false"),
            Cell::Decimal(value, 0) => Some(digits.format(value)),
            Cell::Float(value) if value.fract() == 0.0 && value.abs() < WHOLE_FLOAT_END => {
                Some(digits.format(value as i64))
            }
            _ => None,
        }
    }

    /// Empty text is absence in every format, because CSV cannot tell them apart.
    pub fn is_absent(self, absent: &[String]) -> bool {
        match self {
            Cell::Absent | Cell::Text("") => true,
            _ if absent.is_empty() => false,
            Cell::Float(value) => absent.iter().any(|text| match text.parse::<f64>() {
                Ok(named) => named == value || (named.is_nan() && value.is_nan()),
                Err(_) => false,
            }),
            _ => match self.text(&mut itoa::Buffer::new()) {
                Some(text) => absent.iter().any(|named| named == text),
                None => false,
            },
        }
    }

    /// For an error message.
    pub fn describe(self) -> String {
        match self {
            Cell::Absent => "nothing".to_owned(),
            Cell::Text(text) | Cell::Number(text) | Cell::Nested(text) => shortened(text),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) => value.to_string(),
            Cell::Uint(value) => value.to_string(),
            Cell::Float(value) => value.to_string(),
            Cell::Decimal(mantissa, places) => format!("{mantissa}e-{places}"),
            Cell::Millis(ms) => event::EventTime::from_millis(ms).to_string(),
            Cell::LocalMillis(ms) => {
                let text = event::EventTime::from_millis(ms).to_string();
                text.trim_end_matches('Z').to_owned()
            }
        }
    }
}

/// At most 64 characters of a value, for an error message.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 64;
    match text.char_indices().nth(KEPT) {
        Some((cut, _)) => format!("{}... ({} bytes)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}
