//! A node in a temporary directory whose tenants a starter model serves, and rounds that a test turns by hand.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::json::{Line, parse_line};
use event::{Schema, hex};
use log::LogOptions;
use model::artifact::Artifact;
use node::breaker::BreakerSettings;
use node::clock::Clock;
use node::guard::GuardSettings;
use node::mailbox::{BoxLimits, Level};
use node::node::{NodeSettings, TenantHandle};
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use node::request::{Answer, Request};
use node::tenant::activation::Serving;
use node::tenant::documents::Author;
use node::{Node, Place, Tenant};
use serde_json::Value;
use tempfile::TempDir;

use super::Round;
use super::service::serving;
use crate::course::Rules;
use crate::job::{self, Job, Order, Plan, Shadow, Trained, Trigger, Verdict, Window};
use crate::shared::Shared;
use crate::stepped::Stepped;
use crate::{Host, Settings, Steward};

const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
const STARTER: &[u8] = include_bytes!("../../../ringfence/starter.model");
pub const SOON: Duration = Duration::from_secs(20);

pub struct Bench {
    _dir: TempDir,
    pub node: Arc<Node>,
    /// What a child runs.
    pub script: Arc<Mutex<String>>,
    /// What the operator was told.
    pub told: Arc<Mutex<Vec<String>>>,
    /// Steps that were over.
    pub stepped: Arc<Mutex<Vec<Stepped>>>,
}

pub const RULES: Rules = Rules {
    shadow_ms: 3_600_000,
    shadow_max_ms: 36_000_000,
    approval: false,
};

fn owner() -> OwnerSettings {
    let breaker = BreakerSettings {
        failures: 32,
        pause: SOON,
        probes: 1,
    };
    OwnerSettings {
        keep: None,
        mailbox: BoxLimits {
            letters_max: 100,
            bytes_max: 1 << 20,
        },
        fsync: Fsync::Always,
        group_letters: 16,
        snapshot_records: 1 << 30,
        tick: Duration::from_secs(3600),
        retry: SOON,
        guard: GuardSettings {
            deadline: SOON,
            breakers: [breaker; 3],
        },
        shadow: Default::default(),
        clock: Clock::default(),
        log: LogOptions::default(),
    }
}

/// The starter model under another hash.
pub fn twin(name: &str) -> Artifact {
    let (mut artifact, _) = Artifact::decode(STARTER).unwrap();
    artifact.header.created_by = name.to_owned();
    artifact
}

/// Into a tenant's folder; its SHA-256.
pub fn put(place: &Place, artifact: &Artifact) -> [u8; 32] {
    fs::create_dir_all(place.models()).unwrap();
    let written = place.models().join("new");
    let identity = artifact.save(&written).unwrap().bytes();
    fs::rename(written, place.model(&identity)).unwrap();
    identity
}

impl Bench {
    pub fn new() -> Bench {
        let dir = TempDir::new().unwrap();
        let settings = NodeSettings {
            keep_of: Default::default(),
            tenants_max: 4,
            quotas: Quotas {
                default: Quota {
                    entities_max: 1000,
                    bytes_max: 1 << 30,
                },
                tenants: Default::default(),
            },
            owner: owner(),
        };
        Bench {
            node: Arc::new(Node::open(dir.path(), settings).unwrap()),
            _dir: dir,
            script: Arc::new(Mutex::new("exit 1".to_owned())),
            told: Arc::default(),
            stepped: Arc::default(),
        }
    }

    /// With a champion.
    pub fn tenant(&self, name: &str) -> Arc<TenantHandle> {
        let furnished = self.node.create(name, SCHEMA, |place| {
            let champion = put(place, &twin("the champion"));
            let (mut tenant, _) = Tenant::open(place, LogOptions::default(), |_, _| {})?;
            tenant.activate(champion)?;
            tenant.commit().map(drop)
        });
        furnished.unwrap()
    }

    pub fn settings() -> Settings {
        Settings {
            enabled: true,
            every: None,
            on_drift: true,
            cool_down: Duration::from_secs(3600),
            rules: RULES,
            request: Value::Null,
        }
    }

    /// The schedule is due at once, and again at once.
    pub fn impatient() -> Settings {
        Settings {
            every: Some(Duration::from_millis(1)),
            cool_down: Duration::ZERO,
            ..Bench::settings()
        }
    }

    pub fn shared(&self, settings: Settings) -> Shared {
        Shared::new(self.node.clone(), settings, self.host())
    }

    /// Whose thread is not started.
    pub fn steward(&self, settings: Settings) -> Steward {
        Steward::new(self.node.clone(), settings, self.host())
    }

    fn host(&self) -> Host {
        let (script, told) = (self.script.clone(), self.told.clone());
        let stepped = self.stepped.clone();
        Host {
            child: Box::new(move |_, job, _| {
                let mut command = Command::new("sh");
                let script = script.lock().unwrap().clone();
                command.arg("-c").arg(script).current_dir(job.folder());
                Ok(command)
            }),
            tell: Box::new(move |text| told.lock().unwrap().push(text.to_owned())),
            stepped: Box::new(move |_, _, steps| {
                stepped.lock().unwrap().extend(steps.iter().cloned())
            }),
        }
    }

    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

pub fn begin(tenant: &TenantHandle) -> Job {
    let order = Order {
        at: 0,
        by: "ann".to_owned(),
        why: String::new(),
        trigger: Trigger::Command,
        seen: 0,
        attended: true,
        request: Value::Null,
    };
    job::begin(tenant.place(), &order).unwrap()
}

pub fn champion(tenant: &TenantHandle) -> [u8; 32] {
    asked(tenant).artifact.unwrap()
}

fn asked(tenant: &TenantHandle) -> Serving {
    serving(tenant, Instant::now() + SOON).unwrap()
}

/// A job whose candidate was made and judged so, once or more often.
pub fn judged(tenant: &TenantHandle, candidate: &[u8; 32], verdicts: &[&str]) -> Job {
    let job = begin(tenant);
    let window = Window { from: 0, until: 1 };
    job.record_plan(&Plan {
        log_end: 9,
        train: window,
        exam: window,
        train_frauds: 60,
        exam_frauds: 20,
        champion: hex(&champion(tenant)),
        seed: 1,
        code: "ringfence".to_owned(),
    })
    .unwrap();
    job.record_trained(&Trained {
        model: hex(candidate),
        data_digest: "00".repeat(32),
        rows: 9,
        frauds: 3,
    })
    .unwrap();
    for (exam, word) in verdicts.iter().enumerate() {
        verdict(&job, exam, word);
    }
    job
}

pub fn verdict(job: &Job, exam: usize, word: &str) {
    let verdict = Verdict {
        verdict: word.to_owned(),
        reasons: vec![format!("because of {word}")],
        log_end: 9,
        report: Value::Null,
    };
    job.record_verdict(exam, &verdict).unwrap();
}

pub fn lineup(tenant: &TenantHandle) -> engine::Lineup {
    asked(tenant).lineup
}

/// As one that entered shadow so long ago.
pub fn in_shadow_for(shared: &Shared, job: &Job, millis: i64) {
    let since = shared.now().unwrap() - millis;
    job.record_shadow(&Shadow { since }).unwrap();
}

/// The same of one that scores: a payment is decided beside it.
pub fn watched_for(shared: &Shared, tenant: &TenantHandle, job: &Job, millis: i64) {
    let candidate = hex::digest(&job.trained().unwrap().unwrap().model).unwrap();
    let until = Instant::now() + SOON;
    let author = Author::from("ann");
    tenant.enter_shadow(candidate, author, until).unwrap();
    in_shadow_for(shared, job, millis);
    let scored = || tenant.shadows().lane(&candidate).map(|it| it.scored.get());
    decide(tenant, &format!("beside-{}", job.id));
    while scored().is_none_or(|scored| scored == 0) {
        assert!(Instant::now() < until, "it scores nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn decide(tenant: &TenantHandle, id: &str) {
    let line = format!(
        r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"2026-01-01T00:00:00Z","account":"ann","merchant":"shop","amount":"9.00"}}"#
    );
    let schema = Schema::parse(SCHEMA).unwrap();
    let Line::Event(event) = parse_line(&line, &schema, None).unwrap() else {
        panic!("{line}");
    };
    let decide = Request::Decide {
        event,
        explain: false,
    };
    let pending = tenant.ask(decide, line.len(), Level::L1, Instant::now() + SOON);
    let answer = pending.unwrap().blocking_recv().unwrap();
    assert!(matches!(answer, Ok(Answer::Decided(..))), "{answer:?}");
}

/// Turns until it is so.
pub fn turn_until(round: &mut Round<'_>, tenant: &Arc<TenantHandle>, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < end, "turned for {SOON:?} in vain");
        round.wake(&tenant.name);
        round.turn(tenant);
        std::thread::sleep(Duration::from_millis(1));
    }
}
