//! The trail behind a node that serves: what its sources hold gets there once, whatever was in the way.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use casework::Actor;
use event::EventTime;
use event::record::ConfigSection;
use log::LogOptions;
use node::Node;
use node::breaker::BreakerSettings;
use node::clock::Clock;
use node::guard::GuardSettings;
use node::mailbox::{BoxLimits, Level};
use node::node::{NodeSettings, TenantHandle};
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use node::request::Request;
use node::tenant::documents::Author;
use ringfence_desk::Desk;
use serde_json::Value;
use tempfile::TempDir;
use trail::{Content, Query, Recorded, View};
use webhooks::address::Reach;
use webhooks::backoff::Retry;
use webhooks::deliverer::Host;
use webhooks::endpoint::{By, Draft, Kinds};
use webhooks::secret::Secret;
use webhooks::settings::AtOnce;
use webhooks::{Deliverer, Settings};

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const SOON: Duration = Duration::from_secs(60);

/// What the operator was told.
type Told = Arc<Mutex<Vec<String>>>;

struct Served {
    node: Arc<Node>,
    webhooks: Arc<Deliverer>,
    desk: Desk,
    told: Told,
}

fn settings() -> NodeSettings {
    let breaker = BreakerSettings {
        failures: 32,
        pause: SOON,
        probes: 1,
    };
    NodeSettings {
        keep_of: BTreeMap::default(),
        tenants_max: 4,
        quotas: Quotas {
            default: Quota {
                entities_max: 1000,
                bytes_max: 1 << 30,
            },
            tenants: BTreeMap::new(),
        },
        owner: OwnerSettings {
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
        },
    }
}

/// Delivers nothing within a test.
fn deliverer() -> Arc<Deliverer> {
    let settings = Settings {
        reach: Reach::default(),
        authorities: None,
        connect: SOON,
        attempt: SOON,
        retry: Retry {
            first: SOON,
            max: SOON,
            attempts_max: 1,
            give_up_after: SOON,
        },
        breaker: webhooks::breaker::BreakerSettings {
            failures: 1,
            pause: SOON,
            pause_max: SOON,
        },
        at_once: AtOnce {
            endpoint: 1,
            tenant: 1,
            all: 1,
        },
        endpoints_max: 10,
        data_bytes_max: 1,
        rows_max: 1,
        keep: SOON,
    };
    let host = Host {
        clock: Box::new(|| EventTime::MIN),
        tell: Box::new(|text| panic!("{text}")),
    };
    Arc::new(Deliverer::start(settings, host).unwrap())
}

fn serve(dir: &Path) -> Served {
    let node = Node::open(dir, settings()).unwrap();
    if node.tenant("acme").is_none() {
        node.create("acme", SCHEMA, |_| Ok(())).unwrap();
    }
    let (node, told) = (Arc::new(node), Told::default());
    let tell = {
        let told = told.clone();
        Box::new(move |text: &str| told.lock().unwrap().push(text.to_owned()))
    };
    let webhooks = deliverer();
    let desk = Desk::start(node.clone(), webhooks.clone(), tell).unwrap();
    let served = Served {
        node,
        webhooks,
        desk,
        told,
    };
    wait(|| served.tenant().status().is_none());
    served
}

fn wait(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Served {
    fn tenant(&self) -> Arc<TenantHandle> {
        self.node.tenant("acme").unwrap()
    }

    /// Gives USD another rate.
    fn rate(&self, rate: u32) {
        let request = Request::SetDocument {
            section: ConfigSection::Rates,
            body: body(rate),
            author: Author {
                name: "ann".to_owned(),
                at: self.node.clock().now().unwrap(),
                why: format!("it is {rate}"),
            },
            expected: None,
        };
        let deadline = Instant::now() + SOON;
        let asked = self.tenant().ask(request, 100, Level::L1, deadline);
        asked.unwrap().blocking_recv().unwrap().unwrap();
    }

    fn checklist(&self, item: &str) {
        let seat = self.desk.seat(&self.tenant()).unwrap();
        let (item, now) = (item.to_owned(), self.node.clock().now().unwrap());
        wait(|| seat.trouble().is_none() && seat.counters.behind.get() == 0);
        seat.ask(seat.enter().unwrap(), |casework, schema| {
            let mut settings = casework.settings()?;
            let version = settings.version;
            settings.checklist = vec![item];
            let actor = Actor {
                name: "bob".to_owned(),
                is_admin: true,
            };
            casework.set_settings(&actor, version, settings, "why not", schema, now)
        })
        .unwrap();
    }

    fn hooks(&self) -> Arc<webhooks::deliverer::Tenant> {
        let tenant = self.tenant();
        let opened = self.webhooks.open("acme", tenant.place().root());
        opened.unwrap()
    }

    /// An endpoint at this address.
    fn endpoint(&self, url: &str) -> (String, Secret) {
        let secret = Secret::generate().unwrap();
        let made = self
            .hooks()
            .store()
            .create(&draft(url), &secret, &by("new"));
        (made.unwrap().id, secret)
    }

    /// Waits until so many entries are there, and nothing more comes.
    fn wait_for(&self, entries: u64) {
        let seat = self.desk.seat(&self.tenant()).unwrap();
        let held = || seat.audit().and_then(|it| it.head).map_or(0, |it| it.seq);
        wait(|| held() >= entries && seat.counters.audit_behind.get() == 0);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(held(), entries);
    }

    fn end(self) {
        self.desk.stop();
        assert!(self.node.drain(SOON));
        self.webhooks.stop(SOON);
    }
}

fn draft(url: &str) -> Draft {
    Draft {
        url: url.to_owned(),
        kinds: Kinds::Every,
        description: String::new(),
        enabled: true,
    }
}

fn by(why: &str) -> By {
    By {
        actor: "eve".to_owned(),
        why: why.to_owned(),
        at: EventTime::from_millis(1_767_607_200_000),
    }
}

fn body(rate: u32) -> String {
    format!("USD = 0.{rate}\n")
}

fn all(dir: &Path) -> Vec<Recorded> {
    let trail = dir.join("acme/trail");
    let report = trail::verify(&trail, None).unwrap();
    assert_eq!(report.broken, None);
    let page = View::open(&trail).read(1, &Query::default(), 1000).unwrap();
    assert_eq!(page.next, None);
    page.entries
}

fn actions(entries: &[Recorded]) -> Vec<&str> {
    entries.iter().map(|it| it.action.as_str()).collect()
}

fn text(body: &str) -> Content {
    Content::Value(Value::String(body.to_owned()))
}

#[test]
fn what_came_while_the_trail_could_not_be_written_is_made_up_for() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.wait_for(1);
    served.end();
    let (trail, away) = (dir.path().join("acme/trail"), dir.path().join("away"));
    fs::rename(&trail, &away).unwrap();
    fs::write(&trail, "no directory").unwrap();

    // Casework and decisions go on, the trail falls behind and says so.
    let served = serve(dir.path());
    served.rate(91);
    served.checklist("call");
    served.rate(92);
    let seat = served.desk.seat(&served.tenant()).unwrap();
    wait(|| seat.counters.behind.get() == 0 && seat.counters.audit_behind.get() >= 2);
    assert!(seat.counters.audit_failures.get() > 0);
    assert_eq!(seat.trouble(), None);
    let told = served.told.lock().unwrap().join("\n");
    assert!(told.contains("audit trail of tenant acme"), "{told}");
    fs::remove_file(&trail).unwrap();
    fs::rename(&away, &trail).unwrap();
    served.wait_for(4);
    served.end();
    let entries = all(dir.path());
    let mut held = actions(&entries);
    assert_eq!(held[0], "schema.set");
    held.sort_unstable();
    let wanted = ["rates.set", "rates.set", "schema.set", "settings.changed"];
    assert_eq!(held, wanted);
    let rates: Vec<&Recorded> = entries
        .iter()
        .filter(|it| it.action == "rates.set")
        .collect();
    assert_eq!(
        (&rates[0].before, &rates[0].after),
        (&Content::Nothing, &text(&body(91)))
    );
    assert_eq!(
        (&rates[1].before, &rates[1].after),
        (&text(&body(91)), &text(&body(92)))
    );
    assert_eq!(
        (rates[1].actor.as_str(), rates[1].why.as_str()),
        ("ann", "it is 92")
    );
}

#[test]
fn a_start_goes_on_behind_what_is_there_with_and_without_its_cursor() {
    let dir = TempDir::new().unwrap();
    let followed = dir.path().join("acme/trail/followed");
    let mut entries = 1;
    for round in 0..4 {
        let served = serve(dir.path());
        served.wait_for(entries);
        served.rate(round * 10 + 11);
        served.checklist(&format!("item {round}"));
        entries += 2;
        served.wait_for(entries);
        if round == 1 {
            // It is saved now and then.
            wait(|| followed.exists());
        }
        served.end();
        if round == 2 {
            fs::remove_file(&followed).unwrap();
        }
    }
    let entries = all(dir.path());
    let sources: BTreeSet<String> = entries.iter().map(|it| it.source.to_string()).collect();
    assert_eq!(sources.len(), entries.len(), "none is there twice");
    let rates: Vec<&Recorded> = entries
        .iter()
        .filter(|it| it.action == "rates.set")
        .collect();
    for (round, pair) in rates.windows(2).enumerate() {
        assert_eq!(pair[1].before, pair[0].after, "after round {round}");
    }
}

#[test]
fn casework_that_was_removed_is_told_and_followed_from_its_beginning() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.checklist("one");
    served.checklist("two");
    served.wait_for(3);
    served.end();
    for name in ["casework.db", "casework.db-wal", "casework.db-shm"] {
        let file = dir.path().join("acme").join(name);
        assert!(fs::remove_file(&file).is_ok() || name != "casework.db");
    }
    let served = serve(dir.path());
    served.wait_for(4);
    served.rate(50);
    served.checklist("three");
    served.wait_for(6);
    served.end();
    let entries = all(dir.path());
    assert_eq!(
        actions(&entries)[..4],
        [
            "schema.set",
            "settings.changed",
            "settings.changed",
            "casework.anew"
        ]
    );
    let rest: BTreeSet<&str> = actions(&entries)[4..].iter().copied().collect();
    assert_eq!(rest, BTreeSet::from(["rates.set", "settings.changed"]));
}

#[test]
fn changes_of_webhooks_are_told_once_each_over_restarts_and_without_their_secrets() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    let (id, first) = served.endpoint("https://a.example.org/in");
    served.wait_for(2);
    served.end();

    // Made, but not told of before the end.
    let served = serve(dir.path());
    let store = served.hooks();
    let store = store.store();
    store
        .change(&id, &draft("https://b.example.org/in"), &by("moved"))
        .unwrap();
    let second = Secret::generate().unwrap();
    let made = store.add_secret(&id, &second, &by("rotation")).unwrap();
    served.end();

    let served = serve(dir.path());
    served.wait_for(4);
    served.hooks().store().remove(&id, &by("gone")).unwrap();
    served.wait_for(5);
    served.end();

    let entries = all(dir.path());
    let told: Vec<_> = entries[1..]
        .iter()
        .map(|it| {
            (
                it.action.as_str(),
                it.target.as_str(),
                it.why.as_str(),
                it.actor.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("webhook.endpoint.created", id.as_str(), "new", "eve"),
            ("webhook.endpoint.changed", id.as_str(), "moved", "eve"),
            ("webhook.secret.added", made.id.as_str(), "rotation", "eve"),
            ("webhook.endpoint.removed", id.as_str(), "gone", "eve"),
        ]
    );
    let url = |content: &Content| match content {
        Content::Value(value) => value["url"].as_str().map(str::to_owned),
        _ => None,
    };
    let changed = &entries[2];
    assert_eq!(
        url(&changed.before).as_deref(),
        Some("https://a.example.org/in")
    );
    assert_eq!(
        url(&changed.after).as_deref(),
        Some("https://b.example.org/in")
    );
    assert_eq!(changed.at, by("").at.millis());
    let trail = fs::read_to_string(dir.path().join("acme/trail/00000000000000000001.jsonl"));
    let trail = trail.unwrap();
    for secret in [first, second] {
        assert!(!trail.contains(secret.reveal().trim_start_matches("whsec_")));
    }
}

#[test]
fn webhooks_whose_file_was_removed_are_told_as_new_ones() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.endpoint("https://a.example.org/in");
    served.endpoint("https://b.example.org/in");
    served.wait_for(3);
    served.end();
    fs::remove_file(dir.path().join("acme/webhooks.db")).unwrap();

    let served = serve(dir.path());
    served.wait_for(4);
    served.endpoint("https://c.example.org/in");
    served.wait_for(5);
    served.end();
    let entries = all(dir.path());
    assert_eq!(
        actions(&entries)[3..],
        ["webhooks.anew", "webhook.endpoint.created"]
    );
}
