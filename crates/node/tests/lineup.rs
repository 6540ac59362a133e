//! A challenger beside a champion: whose decision is whose, what is said of it, and what is refused.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the shared helper knows it.
extern crate model as ringfence_model;

#[path = "support/hybrid.rs"]
mod hybrid;

use std::collections::BTreeMap;

use event::record::{Decision, DecisionSource, Levels, ModelVersion, Record, degraded};
use event::{EntityId, Event, RoleIx, Span};
use hybrid::{artifact, network, payment, schema, trees};
use log::LogOptions;
use model::artifact::{Artifact, TrainingWindow};
use model::calibration::Calibration;
use model::producer::Producer;
use ringfence_node::guard::Urgency;
use ringfence_node::mailbox::Level;
use ringfence_node::tenant::Left;
use ringfence_node::tenant::documents::Author;
use ringfence_node::tenant::lineup::{LineupError, Move};
use ringfence_node::{Champion, NodeError, Place, Tenant};
use tempfile::TempDir;

const ACCOUNTS: usize = 400;
const SHARE: u32 = 300_000;

struct Bench {
    dir: TempDir,
    tenant: Tenant,
    next: usize,
}

/// Trees alone, told apart by their calibration.
fn plain(slope: f64) -> Artifact {
    let mut artifact = artifact(network(1.0));
    artifact.network = None;
    artifact.header.calibration = Calibration {
        map: model::calibration::CalibrationMap::Platt {
            slope,
            intercept: 0.1,
        },
        prior_shift: 0.0,
    };
    artifact
}

/// The same with a producer of suspicion.
fn speaking(mut artifact: Artifact, intercept: f64) -> Artifact {
    let features = artifact.header.features.len();
    artifact.producer = Some(Producer {
        trees: trees(features),
        calibration: Calibration {
            prior_shift: intercept,
            ..Calibration::identity()
        },
        training_window: TrainingWindow { from: -9, until: 0 },
    });
    artifact
}

impl Bench {
    fn new(champion: &Artifact) -> Bench {
        let dir = TempDir::new().unwrap();
        let tenant = hybrid::tenant(dir.path(), champion);
        Bench {
            dir,
            tenant,
            next: 0,
        }
    }

    fn place(&self) -> Place {
        Place::new(self.dir.path(), "acme").unwrap()
    }

    /// Into the folder, and loaded.
    fn model(&self, artifact: &Artifact) -> Champion {
        let written = self.place().models().join("new");
        let identity = artifact.save(&written).unwrap();
        std::fs::rename(written, self.place().model(&identity.bytes())).unwrap();
        let features = self.tenant.engine().features();
        Champion::of(artifact, &identity, &schema(), features).unwrap()
    }

    fn challenge(
        &mut self,
        artifact: &Artifact,
        share_ppm: u32,
        levels: Levels,
    ) -> Result<ModelVersion, NodeError> {
        let model = Box::new(self.model(artifact));
        let version = model.version();
        let wanted = Move::Challenge {
            model,
            share_ppm,
            levels,
        };
        self.tenant.make_move(wanted, &Author::from("ann"))?;
        Ok(version)
    }

    /// A payment of this account.
    fn decide(&mut self, account: usize, level: Level) -> Decision {
        let mut event: Event = payment(self.next % 60);
        event.event_id = event::EventId::parse("event_id", &format!("n{}", self.next)).unwrap();
        self.next += 1;
        event.entities[0] = (RoleIx(0), account_id(account));
        let urgency = Urgency {
            level,
            deadline: None,
        };
        self.tenant.decide_in_time(event, urgency).unwrap().decision
    }

    /// Models that somebody else is to drop.
    fn left(&mut self) -> Vec<[u8; 32]> {
        let left = self.tenant.take_left().into_iter();
        left.filter_map(|it| match it {
            Left::Model(model) => Some(model.artifact()),
            Left::Rehearsal(_) => None,
        })
        .collect()
    }

    fn reopen(&mut self) -> Vec<String> {
        let place = self.place();
        self.tenant.commit().unwrap();
        let other = TempDir::new().unwrap();
        let held = std::mem::replace(&mut self.tenant, hybrid::tenant(other.path(), &plain(1.0)));
        let digest = held.engine().digest();
        drop(held);
        let (tenant, recovered) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
        assert_eq!(tenant.engine().digest(), digest);
        self.tenant = tenant;
        recovered.warnings
    }
}

fn account_id(account: usize) -> EntityId {
    EntityId::parse("account", &format!("acc-{account}")).unwrap()
}

fn flags(decision: &Decision) -> Vec<&'static str> {
    degraded::names(decision.degraded).collect()
}

/// Which model decided for each account, at this level; that its score is that model's.
fn whose(
    bench: &mut Bench,
    level: Level,
    models: &mut [Champion],
) -> BTreeMap<usize, ModelVersion> {
    let accounts = (0..ACCOUNTS).map(|account| {
        let decision = bench.decide(account, level);
        let model = models.iter_mut().find(|it| it.version() == decision.model);
        let said = model.unwrap().score(bench.tenant.last_sample()).unwrap();
        assert_eq!(said.score, decision.score, "account {account}");
        (account, decision.model)
    });
    accounts.collect()
}

#[test]
fn a_challenger_decides_for_its_accounts_and_keeps_them_when_its_share_grows() {
    let (ours, theirs) = (plain(1.0), plain(2.5));
    let mut bench = Bench::new(&ours);
    let mut models = [bench.model(&ours), bench.model(&theirs)];
    let version = bench.challenge(&theirs, SHARE, Levels::BEHIND).unwrap();
    let taken = |whose: &BTreeMap<usize, ModelVersion>| -> Vec<usize> {
        let theirs = whose.iter().filter(|(_, model)| **model == version);
        theirs.map(|(account, _)| *account).collect()
    };
    // The payment path is the champion's unless somebody says so.
    assert!(taken(&whose(&mut bench, Level::L1, &mut models)).is_empty());
    let few = taken(&whose(&mut bench, Level::L2, &mut models));
    let held = *bench.tenant.engine().lineup().challenger().unwrap();
    let expected: Vec<usize> = (0..ACCOUNTS)
        .filter(|account| held.takes(&account_id(*account)))
        .collect();
    assert_eq!(few, expected);
    // 400 draws of 0.3: four standard deviations are 37.
    assert!((83..=157).contains(&few.len()), "{}", few.len());
    assert_eq!(few, taken(&whose(&mut bench, Level::L3, &mut models)));

    bench.challenge(&theirs, 2 * SHARE, Levels::ALL).unwrap();
    let many = taken(&whose(&mut bench, Level::L1, &mut models));
    assert!(few.iter().all(|account| many.contains(account)));
    assert!(many.len() > few.len() + 60, "{}", many.len());
    // After a restart too.
    assert_eq!(bench.reopen(), [""; 0]);
    assert_eq!(many, taken(&whose(&mut bench, Level::L1, &mut models)));
}

#[test]
fn the_chance_of_the_model_is_told_where_there_was_a_choice() {
    let mut bench = Bench::new(&plain(1.0));
    assert_eq!(
        bench.decide(0, Level::L2).findings.model_propensity_ppm,
        None
    );
    let version = bench.challenge(&plain(2.5), SHARE, Levels::BEHIND).unwrap();
    let mut seen = [0; 2];
    for account in 0..40 {
        let decision = bench.decide(account, Level::L2);
        let is_challenger = decision.model == version;
        seen[usize::from(is_challenger)] += 1;
        let share = if is_challenger {
            SHARE
        } else {
            1_000_000 - SHARE
        };
        assert_eq!(decision.findings.model_propensity_ppm, Some(share));
        let at_l1 = bench.decide(account, Level::L1);
        assert_eq!(at_l1.findings.model_propensity_ppm, None);
    }
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
}

/// Its share falls to the champion, and each such decision says so and is no draw.
#[test]
fn where_the_challenger_fails_the_champion_decides() {
    let ours = plain(1.0);
    let mut bench = Bench::new(&ours);
    let champion = bench.model(&ours).version();
    // Weights so large that its output is no number.
    let broken = artifact(network(1e30));
    let version = bench.challenge(&broken, 1_000_000, Levels::ALL).unwrap();
    let check = |decision: Decision| {
        assert_eq!(decision.source, DecisionSource::Model);
        assert_eq!(decision.model, champion);
        assert_eq!(flags(&decision), ["challenger_fault"]);
        assert_eq!(decision.findings.model_propensity_ppm, None);
    };
    check(bench.decide(0, Level::L1));
    // A start without its file.
    let held = bench
        .tenant
        .engine()
        .lineup()
        .challenger()
        .unwrap()
        .artifact;
    assert_eq!(version.0, held[..8]);
    std::fs::remove_file(bench.place().model(&held)).unwrap();
    let warnings = bench.reopen();
    assert!(
        warnings.concat().contains("challenger not loaded"),
        "{warnings:?}"
    );
    check(bench.decide(1, Level::L1));
}

#[test]
fn another_champion_takes_what_it_was_and_another_channel_ends_the_challenger() {
    let (ours, theirs) = (plain(1.0), plain(2.5));
    let mut bench = Bench::new(&ours);
    bench.challenge(&theirs, SHARE, Levels::ALL).unwrap();
    let challenger = bench.model(&theirs).artifact();
    bench.tenant.activate(challenger).unwrap();
    assert!(bench.tenant.challenger().is_none());
    assert_eq!(bench.tenant.engine().lineup().challenger(), None);
    // The champion before, and the challenger that is the champion now.
    let left = bench.left();
    assert_eq!(left, [bench.model(&ours).artifact(), challenger]);

    bench.challenge(&plain(0.5), SHARE, Levels::ALL).unwrap();
    let spoken = bench.model(&speaking(plain(3.0), 0.0)).artifact();
    bench.tenant.activate(spoken).unwrap();
    assert!(bench.tenant.challenger().is_none());
    // What its producer said was made with a state of its own, and that is no model.
    assert_eq!(bench.tenant.take_left().len(), 3);
}

#[test]
fn what_may_not_serve_beside_the_champion_is_refused_and_changes_nothing() {
    let champion = speaking(plain(1.0), 0.0);
    let mut bench = Bench::new(&champion);
    // Trees that do not look at suspicion may, whoever speaks; and so may who has the same producer.
    bench.challenge(&plain(2.0), SHARE, Levels::ALL).unwrap();
    bench
        .challenge(&speaking(artifact(network(1.0)), 0.0), SHARE, Levels::ALL)
        .unwrap();
    let retired = plain(7.0);
    let artifact_of = |bench: &Bench, artifact: &Artifact| bench.model(artifact).artifact();
    let named = Author::from("ann");
    let gone = artifact_of(&bench, &retired);
    bench
        .tenant
        .make_move(Move::Retire { artifact: gone }, &named)
        .unwrap();
    let (next, digest) = (bench.tenant.next(), bench.tenant.engine().digest());
    let kept = bench.tenant.challenger().unwrap().artifact();

    let refused = [
        (speaking(plain(1.0), 0.5), SHARE, "other_channel"),
        // Its network would read what it was not trained on.
        (artifact(network(0.5)), SHARE, "other_channel"),
        (champion.clone(), SHARE, "model_is_champion"),
        (retired, SHARE, "model_retired"),
        (plain(3.0), 0, "share"),
        (plain(3.0), 1_000_001, "share"),
    ];
    bench.left();
    for (at, (artifact, share, code)) in refused.iter().enumerate() {
        let error = bench.challenge(artifact, *share, Levels::ALL).unwrap_err();
        assert_eq!(error.code(), *code, "case {at}: {error}");
        // The thread that decides frees none of them.
        assert_eq!(
            bench.left(),
            [bench.model(artifact).artifact()],
            "case {at}"
        );
    }
    let own = artifact_of(&bench, &champion);
    let other = artifact_of(&bench, &plain(4.0));
    let refused = [
        (Move::Retire { artifact: own }, "model_is_champion"),
        (Move::Retire { artifact: gone }, "model_in_place"),
        (Move::Withdraw { artifact: other }, "model_not_in_place"),
        (Move::Withdraw { artifact: own }, "model_not_in_place"),
        (Move::Reinstate { artifact: other }, "model_not_in_place"),
    ];
    for (wanted, code) in refused {
        let shown = format!("{wanted:?}");
        let error = bench.tenant.make_move(wanted, &named).unwrap_err();
        assert_eq!(error.code(), code, "{shown}: {error}");
    }
    let error = bench.tenant.activate(gone).unwrap_err();
    assert!(
        matches!(error, NodeError::Lineup(LineupError::Retired { .. })),
        "{error}"
    );
    let long = Author {
        why: "w".repeat(513),
        ..named
    };
    let error = bench
        .tenant
        .make_move(Move::Reinstate { artifact: gone }, &long);
    assert_eq!(error.unwrap_err().code(), "field_too_long");
    assert_eq!(bench.tenant.next(), next);
    assert_eq!(bench.tenant.engine().digest(), digest);
    assert_eq!(bench.tenant.challenger().unwrap().artifact(), kept);
}

#[test]
fn a_retired_challenger_leaves_and_comes_back_as_a_candidate() {
    let (ours, theirs) = (plain(1.0), plain(2.5));
    let mut bench = Bench::new(&ours);
    bench.challenge(&theirs, 1_000_000, Levels::ALL).unwrap();
    let (champion, artifact) = (
        bench.model(&ours).version(),
        bench.model(&theirs).artifact(),
    );
    let named = Author::from("ann");
    bench
        .tenant
        .make_move(Move::Retire { artifact }, &named)
        .unwrap();
    let decision = bench.decide(0, Level::L1);
    assert_eq!((decision.model, flags(&decision)), (champion, vec![]));
    assert_eq!(bench.tenant.take_left().len(), 1);
    assert!(bench.challenge(&theirs, SHARE, Levels::ALL).is_err());
    bench
        .tenant
        .make_move(Move::Reinstate { artifact }, &named)
        .unwrap();
    bench.challenge(&theirs, 1_000_000, Levels::ALL).unwrap();
    bench
        .tenant
        .make_move(Move::Withdraw { artifact }, &named)
        .unwrap();
    assert_eq!(bench.decide(1, Level::L1).model, champion);
    bench.tenant.activate(artifact).unwrap();
}

/// By the clock of whoever asked, as any change of who serves; a log that is ahead of it says its own time.
#[test]
fn an_activation_is_dated_by_whoever_asked_for_it() {
    let mut bench = Bench::new(&plain(1.0));
    bench.decide(0, Level::L1);
    let newest = bench.tenant.newest();
    for (slope, days, expected) in [(2.5, 3, 3), (1.0, 1, 3)] {
        let artifact = bench.model(&plain(slope)).artifact();
        let author = Author {
            at: newest.plus(Span::days(days)),
            ..Author::from("ann")
        };
        let position = bench.tenant.activate_as(artifact, None, &author).unwrap();
        bench.tenant.commit().unwrap();
        let Record::Activation(held) = bench.tenant.journal().read(position).unwrap() else {
            panic!("no activation")
        };
        assert_eq!(held.at, newest.plus(Span::days(expected)), "slope {slope}");
    }
}
