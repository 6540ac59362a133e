//! A node with a desk and a deliverer, and what is asked of them.

use std::collections::BTreeMap;
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
use trail::{Content, Query, Recorded, View};
use webhooks::address::Reach;
use webhooks::backoff::Retry;
use webhooks::deliverer::Host;
use webhooks::endpoint::{By, Draft, Kinds};
use webhooks::secret::Secret;
use webhooks::settings::AtOnce;
use webhooks::{Deliverer, Settings};

pub const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
pub const SOON: Duration = Duration::from_secs(60);

/// What the operator was told.
pub type Told = Arc<Mutex<Vec<String>>>;

pub struct Served {
    pub node: Arc<Node>,
    pub webhooks: Arc<Deliverer>,
    pub desk: Desk,
    pub told: Told,
}

pub fn settings() -> NodeSettings {
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
pub fn deliverer() -> Arc<Deliverer> {
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

pub fn serve(dir: &Path) -> Served {
    serve_with(dir, settings(), SCHEMA)
}

pub fn serve_with(dir: &Path, settings: NodeSettings, schema: &str) -> Served {
    let node = Node::open(dir, settings).unwrap();
    if node.tenant("acme").is_none() {
        node.create("acme", schema, |_| Ok(())).unwrap();
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

pub fn wait(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Served {
    pub fn tenant(&self) -> Arc<TenantHandle> {
        self.node.tenant("acme").unwrap()
    }

    pub fn ask(&self, request: Request) {
        let deadline = Instant::now() + SOON;
        let asked = self.tenant().ask(request, 100, Level::L1, deadline);
        asked.unwrap().blocking_recv().unwrap().unwrap();
    }

    /// Gives USD another rate.
    pub fn rate(&self, rate: u32) {
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
        self.ask(request);
    }

    pub fn checklist(&self, item: &str) {
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

    pub fn hooks(&self) -> Arc<webhooks::deliverer::Tenant> {
        let tenant = self.tenant();
        let opened = self.webhooks.open("acme", tenant.place().root());
        opened.unwrap()
    }

    /// An endpoint at this address.
    pub fn endpoint(&self, url: &str) -> (String, Secret) {
        let secret = Secret::generate().unwrap();
        let made = self
            .hooks()
            .store()
            .create(&draft(url), &secret, &by("new"));
        (made.unwrap().id, secret)
    }

    /// Waits until so many entries are there, and nothing more comes.
    pub fn wait_for(&self, entries: u64) {
        let seat = self.desk.seat(&self.tenant()).unwrap();
        let held = || seat.audit().and_then(|it| it.head).map_or(0, |it| it.seq);
        wait(|| held() >= entries && seat.counters.audit_behind.get() == 0);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(held(), entries);
    }

    pub fn end(self) {
        self.desk.stop();
        assert!(self.node.drain(SOON));
        self.webhooks.stop(SOON);
    }
}

pub fn draft(url: &str) -> Draft {
    Draft {
        url: url.to_owned(),
        kinds: Kinds::Every,
        description: String::new(),
        enabled: true,
    }
}

pub fn by(why: &str) -> By {
    By {
        actor: "eve".to_owned(),
        why: why.to_owned(),
        at: EventTime::from_millis(1_767_607_200_000),
    }
}

pub fn body(rate: u32) -> String {
    format!("USD = 0.{rate}\n")
}

pub fn all(dir: &Path) -> Vec<Recorded> {
    let trail = dir.join("acme/trail");
    let report = trail::verify(&trail, None).unwrap();
    assert_eq!(report.broken, None);
    let page = View::open(&trail).read(1, &Query::default(), 1000).unwrap();
    assert_eq!(page.next, None);
    page.entries
}

pub fn actions(entries: &[Recorded]) -> Vec<&str> {
    entries.iter().map(|it| it.action.as_str()).collect()
}

pub fn text(body: &str) -> Content {
    Content::Value(Value::String(body.to_owned()))
}
