//! The event itself, without any history of its entities.

use event::record::AttributeValue;
use event::schema::{Attribute, Domain, Meaning};
use event::time::TimeUnit;

use super::{Describe, FeatureGroup, MISSING, Moment, NEVER, ratio};

const GROUP: FeatureGroup = FeatureGroup::Transaction;

/// An amount from this share of a reporting threshold up to it is "just under".
const JUST_UNDER: f32 = 0.8;

pub fn describe(list: &mut Describe<'_>) {
    list.add(
        GROUP,
        "amount".into(),
        "amount in base currency",
        "major units",
        "no amount or rate",
    );
    list.add(
        GROUP,
        "event_type".into(),
        "index of the event type in the schema",
        "index",
        NEVER,
    );
    if list.schema.time.unit == TimeUnit::Second {
        list.add(
            GROUP,
            "hour_of_day".into(),
            "hour of the event in UTC",
            "hours 0-24",
            NEVER,
        );
        list.add(
            GROUP,
            "day_of_week".into(),
            "0 is Monday",
            "days 0-6",
            NEVER,
        );
    }
    if !list.schema.report_thresholds.is_empty() {
        let meaning = "amount as a share of the reporting threshold it is just under (0.8 to 1)";
        list.add(
            GROUP,
            "just_under".into(),
            meaning,
            "share",
            "not just under any",
        );
    }
    for attribute in &list.schema.attributes.clone() {
        describe_attribute(list, attribute);
    }
    let types = "amount over the clipped mean of its event type";
    list.add(
        FeatureGroup::History,
        "amount_vs_type".into(),
        types,
        "ratio",
        "no history",
    );
    if list
        .schema
        .attributes
        .iter()
        .any(|it| it.meaning == Meaning::Cohort)
    {
        let cohort = "standard score of the amount within its cohort";
        list.add(
            FeatureGroup::History,
            "amount_z_cohort".into(),
            cohort,
            "sd",
            "no history",
        );
    }
}

fn describe_attribute(list: &mut Describe<'_>, attribute: &Attribute) {
    let name = &attribute.name;
    match (&attribute.domain, attribute.meaning) {
        (_, Meaning::Stored | Meaning::Latitude | Meaning::Longitude) => {}
        (Domain::Text { .. }, _) => {}
        (Domain::Numeric { .. }, _) => {
            list.add(
                GROUP,
                name.clone(),
                format!("attribute {name}"),
                "as given",
                "not given",
            );
        }
        (Domain::Categorical { .. }, _) => {
            let code = format!("{name}, numbered by first appearance");
            list.add(
                GROUP,
                format!("{name}_code"),
                code,
                "index",
                "not given or never seen",
            );
            let share = format!("share of events so far with this {name}");
            list.add(GROUP, format!("{name}_share"), share, "share", "not given");
            let rate = format!("known-fraud rate of this {name}, smoothed");
            let labels = FeatureGroup::Labels;
            list.add(
                labels,
                format!("{name}_fraud_rate"),
                rate,
                "share",
                "not given",
            );
        }
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let schema = moment.graph.schema();
    out.push(moment.amount.unwrap_or(MISSING));
    out.push(f32::from(moment.event.event_type.0));
    if schema.time.unit == TimeUnit::Second {
        let ms = moment.now.millis();
        out.push(ms.rem_euclid(86_400_000) as f32 / 3_600_000.0);
        // 1970-01-01 was a Thursday.
        out.push((ms.div_euclid(86_400_000) + 3).rem_euclid(7) as f32);
    }
    if !schema.report_thresholds.is_empty() {
        out.push(just_under(moment));
    }
    for (ix, attribute) in schema.attributes.iter().enumerate() {
        fill_attribute(moment, ix, attribute, out);
    }
    let cohorts = moment.graph.cohort_slots(moment.event);
    let stats = |slot: Option<usize>| {
        moment
            .graph
            .cohorts
            .get(slot?)
            .filter(|amounts| amounts.count > 0)
    };
    let amount = moment.amount.unwrap_or(MISSING);
    out.push(stats(cohorts[0]).map_or(MISSING, |amounts| ratio(amount, amounts.mean)));
    if moment.graph.plan.cohort.is_some() {
        let z = stats(cohorts[1]).and_then(|amounts| amounts.z(amount));
        out.push(z.unwrap_or(MISSING));
    }
}

fn just_under(moment: &Moment<'_>) -> f32 {
    let schema = moment.graph.schema();
    let per_major = schema.base_currency.minor_per_major() as f32;
    let Some(amount) = moment.amount else {
        return MISSING;
    };
    let shares = schema
        .report_thresholds
        .iter()
        .map(|minor| amount * per_major / *minor as f32);
    shares
        .filter(|share| (JUST_UNDER..1.0).contains(share))
        .fold(MISSING, f32::max)
}

fn fill_attribute(moment: &Moment<'_>, ix: usize, attribute: &Attribute, out: &mut Vec<f32>) {
    let held = moment.event.attribute(event::AttributeIx(ix as u8));
    match (&attribute.domain, attribute.meaning) {
        (_, Meaning::Stored | Meaning::Latitude | Meaning::Longitude) => {}
        (Domain::Text { .. }, _) => {}
        (Domain::Numeric { .. }, _) => out.push(match held {
            Some(AttributeValue::Number(number)) => *number as f32,
            _ => MISSING,
        }),
        (Domain::Categorical { .. }, _) => {
            let categories = moment.graph.categories[ix].as_ref();
            let (Some(AttributeValue::Category(name)), Some(categories)) = (held, categories)
            else {
                out.extend_from_slice(&[MISSING; 3]);
                return;
            };
            let prior = moment.graph.base_rate();
            let Some(code) = categories.code(name) else {
                out.extend_from_slice(&[MISSING, 0.0, prior]);
                return;
            };
            let entry = categories.get(code);
            let events = moment.graph.counts.events.max(1) as f32;
            out.push(code as f32);
            out.push(entry.seen as f32 / events);
            let known = super::entity::label_base(
                moment,
                entry.fraud as f32,
                entry.legitimate as f32,
                entry.seen as f32,
            );
            out.push(super::entity::smoothed(entry.fraud as f32, known, prior));
        }
    }
}
