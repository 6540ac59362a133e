//! Seeded world of people, devices, money and fraud; writes an observable stream and, apart from it, an
//! oracle of what was fraud. Same parameters, same version: same bytes, on any machine and thread count.
//!
//! **Invariant**: nothing in a [`Row`] depends on whether an event is a fraud other than through what was
//! done; ids, times, amounts and null fields are made in one place for good and bad alike. Only a
//! [`Secret`] tells, and no secret reaches the stream.

mod world;

mod params;
mod picture;
mod row;
mod secret;
mod stream;

mod field;
mod words;

mod act;
mod agenda;
mod cast;
mod label;
mod ledger;
mod modus;
mod ring;
mod routine;
mod screen;
pub mod typology;

mod cohort;
mod market;
mod name;
mod places;
mod population;
mod random;
mod time;

pub use field::{Column, Form, Value, for_each_field};
pub use market::Category;
pub use name::Names;
pub use params::{Activity, Drift, Fraud, Labels, Outcomes, PRESETS, ParamError, Params, Weights};
pub use picture::picture;
pub use row::{
    AccountNo, CardNo, Change, Channel, CityNo, DeviceNo, DeviceType, EventKind, EventNo, EventRow,
    Ip, LabelRow, LabelSource, MerchantNo, Minor, OutcomeKind, OutcomeRow, PersonNo, Point, Reason,
    RingNo, Row, TerminalNo,
};
pub use secret::{Role, Secret};
pub use stream::{
    Draft, LineBuffer, Lines, SCHEMA, WriteError, bank_folders, write_oracle_line, write_world,
};
pub use time::{Date, Time};
pub use world::{Counts, SimulateError, simulate};
