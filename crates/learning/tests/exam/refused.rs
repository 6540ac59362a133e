//! Candidates that must not pass, made and examined as real ones are: of shuffled labels, and of a leak.

use std::ops::ControlFlow;

use compare::draws::Draws;
use event::record::{AttributeValue, Label, LabelSource, Verdict as Said};
use event::{AttributeIx, Schema};
use graph::FeatureList;
use node::Journal;
use ringfence_learning::dataset::Rows;
use ringfence_learning::fit::{self, Plan};
use ringfence_learning::gate::{Bounds, Finding, Gate, Outcome, Report, Verdict, judge};
use transfers::{config, rows, schema_text};

use super::*;

const LEARNED: u64 = 5;
const UNTIL: u64 = 10;

struct World {
    dir: TempDir,
    schema: Schema,
    features: FeatureList,
}

/// An attribute that nothing else is made from.
const HINT: &str =
    "[[attributes]]\nname = \"hint\"\ntype = \"numeric\"\nmin = 0\nmax = 1\n\n[import]\n";

/// Half of what looks like fraud is, and a twentieth of the rest: nothing that is known of an event tells them apart.
fn is_fraud(number: u64, looks: bool) -> bool {
    let drawn = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    drawn.is_multiple_of(if looks { 2 } else { 20 })
}

impl World {
    /// Transfers whose hint, if it `leaks`, says which are fraud.
    fn new(leaks: bool) -> World {
        let dir = TempDir::new().unwrap();
        let text = schema_text().replace("[import]\n", HINT);
        let schema = Schema::parse(&text).unwrap();
        let hint = schema.attributes.iter().position(|it| it.name == "hint");
        let hint = AttributeIx(hint.unwrap() as u8);
        let place = Place::new(dir.path(), "acme").unwrap();
        let mut journal = Journal::create(&place, &text, Default::default()).unwrap();
        for number in 0..UNTIL * PER_DAY {
            let (mut event, looks) = transfer(number, &schema);
            let fraud = is_fraud(number, looks);
            let told = f64::from(u8::from(fraud && leaks));
            event.attributes.push((hint, AttributeValue::Number(told)));
            let position = journal.append(&Record::Event(event.clone())).unwrap();
            if fraud {
                let at = event.event_timestamp;
                let label = Label {
                    subject: event.subject(position),
                    verdict: Said::Fraud,
                    source: LabelSource::Analyst,
                    reason: Default::default(),
                    confidence_percent: 100,
                    label_timestamp: at,
                    received_at: at,
                    prior: None,
                };
                journal.append(&Record::Label(label)).unwrap();
            }
        }
        journal.commit().unwrap();
        World {
            dir,
            features: FeatureList::new(&schema),
            schema,
        }
    }

    fn place(&self) -> Place {
        Place::new(self.dir.path(), "acme").unwrap()
    }

    fn lessons(&self) -> Rows {
        rows(&self.place(), 0, LEARNED, None)
    }

    fn trained(&self, lessons: &Rows) -> Artifact {
        let plan = Plan::default();
        let go_on = |_| ControlFlow::Continue(());
        let fitted = fit::fit(
            lessons,
            &self.schema,
            &self.features,
            &config(1),
            plan,
            go_on,
        );
        fitted.unwrap().artifact
    }

    fn examined(&self, champion: Artifact, candidate: Artifact) -> (Judged, Report) {
        let models = [champion, candidate];
        let judged = judged(&self.place(), day(LEARNED + 1), FOREVER, &models);
        let report = judge(&judged, &Bounds::default(), 0);
        (judged, report)
    }
}

fn refused(report: &Report, gate: Gate) -> Vec<&Finding> {
    let all = report.findings.iter();
    all.filter(|it| it.gate == gate && it.outcome == Outcome::Refuse)
        .collect()
}

#[test]
fn a_candidate_of_shuffled_labels_is_refused_by_the_ranking() {
    let world = World::new(false);
    let lessons = world.lessons();
    let champion = world.trained(&lessons);
    let mut shuffled = lessons;
    Draws::new(7).shuffle(&mut shuffled.fraud);
    let (_, report) = world.examined(champion.clone(), world.trained(&shuffled));
    assert_eq!(report.verdict, Verdict::Refuse, "{}", report.text());
    let [ranking] = refused(&report, Gate::Ranking)[..] else {
        panic!("{}", report.text());
    };
    // By what labels are worth here, which is most of the champion's AP.
    let lost = report.champion.ap - report.candidate.ap;
    assert!(lost > report.champion.ap / 2.0, "{}", report.text());
    assert!(ranking.by.unwrap() > lost - 0.01, "{}", report.text());
    // It is the labels: a model of the same rows with their own is not refused by it.
    let (_, report) = world.examined(champion.clone(), champion);
    assert!(
        refused(&report, Gate::Ranking).is_empty(),
        "{}",
        report.text()
    );
}

#[test]
fn a_candidate_that_reads_a_copy_of_the_label_is_too_good() {
    let world = World::new(true);
    let lessons = world.lessons();
    let leaky = world.trained(&lessons);
    // What a model learned before the leak began: to it the hint has told nothing.
    let names = world.features.names();
    let hint = names.iter().position(|name| name == "hint").unwrap();
    let mut blind = lessons;
    for row in blind.values.chunks_exact_mut(blind.width) {
        row[hint] = 0.0;
    }
    let champion = world.trained(&blind);
    let (judged, report) = world.examined(champion, leaky);
    assert_eq!(report.verdict, Verdict::Refuse, "{}", report.text());
    // One feature ranks as truth does, and the candidate falls with it when its values go to other rows.
    let (best, alone) = judged.alone[0];
    assert_eq!((best, alone > 0.999), (hint, true), "{alone}");
    let fallen = &judged.shuffled[0];
    assert_eq!(fallen.feature, hint);
    assert!(fallen.candidate > 0.8, "{fallen:?}");
    assert_eq!(fallen.champion, 0.0);
    // And with no other: each has its own values back before the next is shuffled.
    assert_eq!(judged.shuffled.len(), 8);
    for other in &judged.shuffled[1..] {
        assert!(other.candidate < 0.05, "{} {other:?}", names[other.feature]);
    }
    let by: Vec<_> = refused(&report, Gate::TooGood)
        .into_iter()
        .map(|it| it.of.as_deref())
        .collect();
    assert_eq!(by, [None, Some("hint"), Some("hint")], "{}", report.text());
    // Only the leak is wrong with it.
    assert!(
        refused(&report, Gate::Ranking).is_empty(),
        "{}",
        report.text()
    );
}
