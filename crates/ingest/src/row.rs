//! One row of a file, through the mapping and the event crate's validation.

use event::draft::{AmountText, Draft, DraftAmount, DraftValue, Invalid};
use event::json::{self, LabelLine, Line, OutcomeLine};
use event::money::MoneyError;
use event::record::Verdict;
use event::schema::Schema;
use event::{Currency, Event, EventTime, EventTypeIx, Money};
use smallvec::SmallVec;

use crate::cell::{Cell, shortened};
use crate::decimal::{self, Whole};
use crate::mapping::{
    AmountFrom, AttributeFrom, Columns, CurrencyFrom, IdFrom, KnownFrom, LabelFrom, Plan, TypeFrom,
};
use crate::order::Order;
use crate::reject::{Reject, RowError};
use crate::time;

/// What a row or line says.
#[derive(Clone, Debug, PartialEq)]
// Events are nearly all rows, so the large variant is the usual one and stays unboxed.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Row {
    Event {
        row: u64,
        event: Event,
        label: Option<(EventTime, Verdict)>,
    },
    Label(LabelLine),
    Outcome(OutcomeLine),
}

impl Row {
    /// When it takes effect.
    pub fn time(&self) -> EventTime {
        match self {
            Row::Event { event, .. } => event.received_at,
            Row::Label(label) => label.label_timestamp,
            Row::Outcome(outcome) => outcome.outcome_timestamp,
        }
    }
}

/// Buffers that live across rows.
#[derive(Default)]
pub(crate) struct Scratch {
    number: String,
    id: String,
}

/// Maps one row; `cell` gives the value of a mapped column by its number in [`Columns::names`].
fn map<'a>(
    schema: &Schema,
    columns: &Columns,
    scratch: &mut Scratch,
    row: u64,
    cell: impl Fn(usize) -> Cell<'a>,
) -> Result<Row, RowError> {
    let event_timestamp = time_of(
        "event_timestamp",
        columns.timestamp.format,
        cell(columns.timestamp.column),
        &mut scratch.number,
    )?;
    let mut digits = itoa::Buffer::new();
    let event_type = event_type(schema, &columns.event_type, &cell)?;
    let mut id_digits = itoa::Buffer::new();
    let event_id = match &columns.event_id {
        IdFrom::Column(column) => required_text("event_id", cell(*column), &mut id_digits)?,
        IdFrom::Row(prefix) => {
            scratch.id.clear();
            scratch.id.push_str(prefix);
            scratch.id.push_str(id_digits.format(row));
            scratch.id.as_str()
        }
    };
    let currency = match columns.currency {
        CurrencyFrom::Fixed(currency) => Some(currency),
        CurrencyFrom::Column(column) => currency_of(cell(column), &mut digits)?,
    };
    let amount = match &columns.amount {
        Some(from) => amount_of(from, currency, cell(from.column), &mut scratch.number)?,
        None => None,
    };
    let plan = &columns.plans[event_type.index()];
    // One buffer per field: the draft borrows them all at once. They are never initialised, only written.
    let mut role_digits = [itoa::Buffer::new(); event::schema::ROLES_MAX];
    let mut value_digits = [itoa::Buffer::new(); event::schema::ATTRIBUTES_MAX];
    let mut draft = Draft {
        event_id,
        event_type,
        event_timestamp,
        // history has no receipt of its own: what happened was known when it happened
        received_at: event_timestamp,
        entities: SmallVec::new(),
        amount: None,
        attributes: SmallVec::new(),
    };
    if let Some(money) = &amount {
        draft.amount = Some(DraftAmount {
            value: AmountText::Minor(money.minor),
            currency: money.currency.code(),
        });
    }
    entities(schema, plan, &cell, &mut role_digits, &mut draft)?;
    attributes(schema, plan, &cell, &mut value_digits, &mut draft)?;
    let event = draft.validate(schema)?;
    let label = match &columns.label {
        Some(from) => label_of(from, event_timestamp, &cell, &mut scratch.number)?,
        None => None,
    };
    Ok(Row::Event { row, event, label })
}

fn missing(field: &str) -> Invalid {
    Invalid::Missing {
        field: field.to_owned(),
    }
}

fn required_text<'b, 'a: 'b>(
    field: &str,
    cell: Cell<'a>,
    digits: &'b mut itoa::Buffer,
) -> Result<&'b str, Invalid> {
    if cell.is_absent(&[]) {
        return Err(missing(field));
    }
    cell.text(digits).ok_or_else(|| Invalid::NotText {
        field: field.to_owned(),
        value: cell.describe(),
    })
}

fn time_of(
    field: &str,
    format: time::TimeFormat,
    cell: Cell<'_>,
    scratch: &mut String,
) -> Result<EventTime, Invalid> {
    if cell.is_absent(&[]) {
        return Err(missing(field));
    }
    time::event_time(field, format, cell, scratch)
}

fn event_type<'a>(
    schema: &Schema,
    from: &TypeFrom,
    cell: &impl Fn(usize) -> Cell<'a>,
) -> Result<EventTypeIx, Invalid> {
    let (column, values) = match from {
        TypeFrom::Fixed(fixed) => return Ok(*fixed),
        TypeFrom::Column { column, values } => (*column, values),
    };
    let mut digits = itoa::Buffer::new();
    let text = required_text("event_type", cell(column), &mut digits)?;
    match values.iter().find(|(value, _)| value == text) {
        Some((_, found)) if found.index() < schema.event_types.len() => Ok(*found),
        _ => Err(unknown("event_type", text, values.iter().map(|it| &it.0))),
    }
}

fn unknown<'a>(field: &str, value: &str, known: impl Iterator<Item = &'a String>) -> Invalid {
    Invalid::Unknown {
        field: field.to_owned(),
        value: shortened(value),
        known: known.map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn currency_of(cell: Cell<'_>, digits: &mut itoa::Buffer) -> Result<Option<Currency>, Invalid> {
    if cell.is_absent(&[]) {
        return Ok(None);
    }
    let text = required_text("currency", cell, digits)?;
    let currency = Currency::parse(text).map_err(|source| Invalid::Money {
        field: "currency",
        source,
    })?;
    Ok(Some(currency))
}

fn amount_of(
    from: &AmountFrom,
    currency: Option<Currency>,
    cell: Cell<'_>,
    scratch: &mut String,
) -> Result<Option<Money>, RowError> {
    if cell.is_absent(&from.absent) {
        return Ok(None);
    }
    let currency = currency.ok_or_else(|| missing("currency"))?;
    let refused = |source| Invalid::Money {
        field: "amount",
        source,
    };
    if let (Cell::Int(minor), false) = (cell, from.major) {
        return Ok(Some(Money::from_minor(minor, currency).map_err(refused)?));
    }
    let out_of_range = || {
        refused(MoneyError::OutOfRange {
            value: cell.describe(),
        })
    };
    let exponent = if from.major { currency.exponent() } else { 0 };
    let decimal = decimal::of_cell("amount", cell, scratch)?.ok_or_else(out_of_range)?;
    let minor = match decimal.shifted(exponent.into()) {
        Whole::Exact(minor) => minor,
        Whole::Rounded(minor) if from.round => minor,
        Whole::Rounded(_) if from.major => {
            return Err(RowError::Invalid(refused(MoneyError::TooPrecise {
                value: cell.describe(),
                currency,
                exponent,
            })));
        }
        Whole::Rounded(_) => {
            return Err(RowError::NotWhole {
                field: "amount",
                value: cell.describe(),
            });
        }
    };
    let minor = i64::try_from(minor).map_err(|_| out_of_range())?;
    let money = Money::from_minor(minor, currency).map_err(|_| out_of_range())?;
    Ok(Some(money))
}

fn entities<'b, 'a: 'b>(
    schema: &Schema,
    plan: &Plan,
    cell: &impl Fn(usize) -> Cell<'a>,
    digits: &'b mut [itoa::Buffer],
    draft: &mut Draft<'b>,
) -> Result<(), Invalid> {
    for (from, digits) in plan.roles.iter().zip(digits) {
        let cell = cell(from.column);
        if cell.is_absent(&from.absent) {
            continue;
        }
        let field = &schema.roles[from.role.index()].name;
        draft
            .entities
            .push((from.role, required_text(field, cell, digits)?));
    }
    Ok(())
}

fn attributes<'b, 'a: 'b>(
    schema: &Schema,
    plan: &Plan,
    cell: &impl Fn(usize) -> Cell<'a>,
    digits: &'b mut [itoa::Buffer],
    draft: &mut Draft<'b>,
) -> Result<(), Invalid> {
    for (from, digits) in plan.attributes.iter().zip(digits) {
        let cell = cell(from.column);
        if cell.is_absent(&from.absent) {
            continue;
        }
        let field = &schema.attributes[from.attribute.index()].name;
        let value = if from.numeric {
            DraftValue::Number(number_of(field, from, cell)?)
        } else {
            DraftValue::Text(required_text(field, cell, digits)?)
        };
        draft.attributes.push((from.attribute, value));
    }
    Ok(())
}

fn number_of(field: &str, from: &AttributeFrom, cell: Cell<'_>) -> Result<f64, Invalid> {
    let not_number = || Invalid::NotNumber {
        field: field.to_owned(),
        value: cell.describe(),
    };
    let value = match cell {
        Cell::Int(value) => value as f64,
        Cell::Uint(value) => value as f64,
        Cell::Float(value) => value,
        Cell::Decimal(mantissa, places) => {
            // correctly rounded, which dividing by a power of ten past 10^22 is not
            let text = format!("{mantissa}e-{places}");
            text.parse().map_err(|_| not_number())?
        }
        Cell::Text(text) | Cell::Number(text) => text.trim().parse().map_err(|_| not_number())?,
        _ => return Err(not_number()),
    };
    Ok(from.scale.apply(value))
}

fn label_of<'a>(
    from: &LabelFrom,
    event_timestamp: EventTime,
    cell: &impl Fn(usize) -> Cell<'a>,
    scratch: &mut String,
) -> Result<Option<(EventTime, Verdict)>, Invalid> {
    let label = cell(from.column);
    if label.is_absent(&[]) {
        return Ok(None);
    }
    let mut digits = itoa::Buffer::new();
    let text = required_text("label", label, &mut digits)?;
    let Some((_, verdict)) = from.values.iter().find(|(value, _)| value == text) else {
        return Err(unknown("label", text, from.values.iter().map(|it| &it.0)));
    };
    let Some(verdict) = *verdict else {
        return Ok(None);
    };
    let known_at = match &from.known {
        KnownFrom::After(delay) => event_timestamp.plus(*delay),
        KnownFrom::At(time) => {
            let known_at = time_of("label_timestamp", time.format, cell(time.column), scratch)?;
            if !known_at.is_plausible() {
                return Err(Invalid::TimeRange {
                    field: "label_timestamp".to_owned(),
                    value: known_at,
                });
            }
            known_at
        }
    };
    if known_at < event_timestamp {
        return Err(Invalid::BeforeEvent {
            field: "label_timestamp".to_owned(),
            value: known_at,
            event_timestamp,
        });
    }
    Ok(Some((known_at, verdict)))
}

/// What all readers share: the schema, and the order of rows.
pub(crate) struct Intake {
    pub schema: Schema,
    pub order: Order,
}

/// A row, or why it is none.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Read {
    Row(Row),
    Reject(Reject),
}

impl Intake {
    pub fn map<'a>(
        &mut self,
        columns: &Columns,
        scratch: &mut Scratch,
        row: u64,
        cell: impl Fn(usize) -> Cell<'a>,
    ) -> Result<Row, RowError> {
        let mut row = map(&self.schema, columns, scratch, row, cell)?;
        self.order.admit(&mut row)?;
        Ok(row)
    }

    /// One line in the canonical form.
    pub fn canonical(&mut self, text: &str, row: u64) -> Result<Row, RowError> {
        let mut row = match json::parse_line(text, &self.schema, None)? {
            Line::Event(event) => Row::Event {
                row,
                event: *event,
                label: None,
            },
            Line::Label(label) => Row::Label(label),
            Line::Outcome(outcome) => Row::Outcome(outcome),
        };
        self.order.admit(&mut row)?;
        Ok(row)
    }
}
