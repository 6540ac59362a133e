//! What an event looks like when nobody reads it: the shape of its ids, digits of its time and amount,
//! which fields are filled, and where its row stands. None of it may tell fraud.

use std::collections::HashSet;

use event::record::AttributeValue;
use event::{Event, Schema};

/// Rows of a batch, as files and loaders cut them.
const BATCHES: [usize; 2] = [100, 1_000];
/// Ids are read to this many characters, after the first: a kind's prefix.
const ID_CHARACTERS: usize = 8;

/// Row-major.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    pub names: Vec<String>,
    pub values: Vec<f32>,
    seconds: Vec<i64>,
    /// Ids that have appeared, by kind.
    met: HashSet<(u8, String)>,
    /// Values of first appearances, by role.
    firsts: Vec<Vec<f32>>,
    last_event_id: f32,
    roles: usize,
    rank_at: usize,
}

impl Forms {
    pub fn new(schema: &Schema) -> Forms {
        let mut names = vec!["event_id_value".to_owned(), "event_id_step".to_owned()];
        names.push("event_id_length".to_owned());
        for role in &schema.roles {
            names.push(format!("{}_value", role.name));
            names.push(format!("{}_length", role.name));
        }
        for name in ["millisecond", "last_digit", "second", "cents", "filled"] {
            names.push(name.to_owned());
        }
        names.extend(BATCHES.map(|rows| format!("row_of_{rows}")));
        let rank_at = names.len();
        names.extend(["rank_in_second", "rank_from_end"].map(str::to_owned));
        Forms {
            names,
            roles: schema.roles.len(),
            firsts: vec![Vec::new(); schema.roles.len()],
            rank_at,
            ..Forms::default()
        }
    }

    pub fn width(&self) -> usize {
        self.names.len()
    }

    pub fn push(&mut self, event: &Event, schema: &Schema) {
        let row = self.seconds.len();
        let ms = event.event_timestamp.millis();
        let id = event.event_id.as_str();
        let value = id_value(id);
        self.values.push(value);
        self.values.push(value - self.last_event_id);
        self.values.push(id.len() as f32);
        self.last_event_id = value;
        let mut filled = 0_u32;
        let mut at = 0;
        for role in 0..self.roles {
            let held = event.entities.get(at).filter(|it| it.0.index() == role);
            let Some((_, id)) = held else {
                self.values.extend([f32::NAN; 2]);
                continue;
            };
            at += 1;
            filled |= 1 << role;
            let id = id.as_str();
            let value = self.fresh_value(role, id, row, schema);
            self.values.push(value);
            self.values.push(id_length(id));
        }
        filled |= u32::from(event.amount.is_some()) << self.roles;
        for (ix, value) in &event.attributes {
            let empty = matches!(value, AttributeValue::Text(text) if text.is_empty());
            filled |= u32::from(!empty) << (self.roles + 1 + ix.index());
        }
        let cents = event.amount.map_or(f32::NAN, |it| (it.minor % 100) as f32);
        self.values.extend([
            ms.rem_euclid(1_000) as f32,
            ms.rem_euclid(10) as f32,
            (ms.div_euclid(1_000)).rem_euclid(60) as f32,
            cents,
            filled as f32,
        ]);
        self.values.extend(BATCHES.map(|rows| (row % rows) as f32));
        self.values.extend([0.0; 2]);
        self.seconds.push(ms.div_euclid(1_000));
    }

    /// The id as a number where it appears for the first time. A later appearance gets the number of
    /// another id at its first: what an id has done before is history, and no artefact, and a number of
    /// another kind than an id's would tell that it is one. Addresses share networks by design, and a
    /// network may well be known for something.
    fn fresh_value(&mut self, role: usize, id: &str, row: usize, schema: &Schema) -> f32 {
        let mut bits = (row as u64) << 8 | role as u64;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        if id.contains('.') {
            return (bits >> 40) as f32 / (1_u32 << 24) as f32;
        }
        let kind = schema.roles[role].kind.0;
        let firsts = &mut self.firsts[role];
        if firsts.is_empty() || self.met.insert((kind, id.to_owned())) {
            firsts.push(id_value(id));
            return id_value(id);
        }
        firsts[((bits >> 32) as usize * firsts.len()) >> 32]
    }

    /// Ranks within equal seconds, once all rows are there.
    pub fn finish(&mut self) {
        let width = self.width();
        let mut from = 0;
        for group in self.seconds.chunk_by(|a, b| a == b) {
            for place in 0..group.len() {
                let at = (from + place) * width + self.rank_at;
                self.values[at] = place as f32;
                self.values[at + 1] = (group.len() - 1 - place) as f32;
            }
            from += group.len();
        }
    }
}

/// Of an address the number of its parts: how long its numbers are is a matter of its network.
fn id_length(id: &str) -> f32 {
    if id.contains('.') {
        id.split('.').count() as f32
    } else {
        id.len() as f32
    }
}

/// In [0, 1): the characters after the first as digits of base 36.
fn id_value(id: &str) -> f32 {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'z' => byte - b'a' + 10,
        b'A'..=b'Z' => byte - b'A' + 10,
        _ => 0,
    };
    let mut scale = 1.0 / 36.0;
    let mut value = 0.0;
    for byte in id.bytes().skip(1).take(ID_CHARACTERS) {
        value += f64::from(digit(byte)) * scale;
        scale /= 36.0;
    }
    value as f32
}
