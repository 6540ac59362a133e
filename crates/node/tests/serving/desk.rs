//! A node in a temporary directory, and how tests talk to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use event::json::{Line, parse_line};
use event::{Event, Schema};
use log::LogOptions;
use ringfence_node::breaker::BreakerSettings;
use ringfence_node::clock::Clock;
use ringfence_node::guard::GuardSettings;
use ringfence_node::mailbox::{BoxLimits, Level};
use ringfence_node::node::{Node, NodeSettings, TenantHandle};
use ringfence_node::owner::{Fsync, OwnerSettings};
use ringfence_node::quota::{Quota, Quotas};
use ringfence_node::request::{Answer, Failed, Request};
use ringfence_node::{Accepted, Decided, Place, Tenant};
use tempfile::TempDir;

pub const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
/// No test waits longer for what should come at once.
pub const SOON: Duration = Duration::from_secs(20);

pub fn settings() -> NodeSettings {
    NodeSettings {
        tenants_max: 8,
        keep_of: Default::default(),
        quotas: Quotas {
            default: Quota {
                entities_max: 1 << 40,
                bytes_max: 1 << 50,
            },
            tenants: BTreeMap::new(),
        },
        owner: OwnerSettings {
            mailbox: BoxLimits {
                letters_max: 1000,
                bytes_max: 1 << 20,
            },
            fsync: Fsync::Always,
            group_letters: 16,
            snapshot_records: 1 << 30,
            tick: Duration::from_secs(3600),
            retry: Duration::from_millis(20),
            keep: None,
            guard: guard(),
            shadow: Default::default(),
            clock: Clock::default(),
            log: LogOptions::default(),
        },
    }
}

/// So much time that no test is about it by accident.
fn guard() -> GuardSettings {
    let breaker = BreakerSettings {
        failures: 32,
        pause: Duration::from_secs(1),
        probes: 1,
    };
    GuardSettings {
        deadline: SOON,
        breakers: [breaker; 3],
    }
}

pub struct Desk {
    pub dir: TempDir,
    pub settings: NodeSettings,
    pub node: Option<Node>,
}

impl Desk {
    pub fn with(settings: NodeSettings) -> Desk {
        Desk::with_schema(settings, SCHEMA)
    }

    pub fn with_schema(settings: NodeSettings, schema: &str) -> Desk {
        let dir = TempDir::new().unwrap();
        let node = Node::open(dir.path(), settings.clone()).unwrap();
        node.create("acme", schema, |_| Ok(())).unwrap();
        let desk = Desk {
            dir,
            settings,
            node: Some(node),
        };
        serving(&desk.tenant("acme"));
        desk
    }

    pub fn new() -> Desk {
        Desk::with(settings())
    }

    pub fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    pub fn tenant(&self, name: &str) -> Arc<TenantHandle> {
        self.node().tenant(name).unwrap()
    }

    /// Drains and opens again.
    pub fn restart(&mut self) {
        assert!(self.node.take().unwrap().drain(SOON));
        self.node = Some(Node::open(self.dir.path(), self.settings.clone()).unwrap());
        serving(&self.tenant("acme"));
    }
}

/// Waits until a tenant serves everything.
pub fn serving(tenant: &TenantHandle) {
    until(|| tenant.status().is_none());
}

pub fn until(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn ask(tenant: &TenantHandle, request: Request) -> Result<Answer, Failed> {
    let pending = tenant.ask(request, 200, Level::L1, Instant::now() + SOON)?;
    pending.blocking_recv().unwrap()
}

pub fn decide(tenant: &TenantHandle, event: Event) -> Result<Decided, Failed> {
    match ask(
        tenant,
        Request::Decide {
            event: Box::new(event),
            explain: false,
        },
    )? {
        Answer::Decided(decided, _) => Ok(*decided),
        other => panic!("{other:?}"),
    }
}

pub fn parse(text: &str) -> Line {
    parse_line(text, &Schema::parse(SCHEMA).unwrap(), None).unwrap()
}

/// The chargeback of a payment, which is taken.
pub fn charge_back(tenant: &TenantHandle, event_id: &str) {
    let text = format!(
        r#"{{"label":"fraud","event_id":"{event_id}","label_timestamp":"2026-02-01T00:00:00Z","source":"chargeback"}}"#
    );
    let Line::Label(label) = parse(&text) else {
        panic!("no label");
    };
    let at = label.label_timestamp;
    let taken = ask(tenant, Request::Label(label, at));
    assert!(
        matches!(taken, Ok(Answer::Accepted(Accepted::New(_)))),
        "{taken:?}"
    );
}

pub fn payment(number: u32) -> Event {
    payment_of(number, &format!("a{}", number % 7), 10 + number % 90)
}

pub fn payment_of(number: u32, account: &str, amount: u32) -> Event {
    let text = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"2026-01-{:02}T{:02}:{:02}:00Z",
        "account":"{account}","merchant":"m{}","device":"d{}","amount":"{amount}.50"}}"#,
        1 + number / 1440,
        number / 60 % 24,
        number % 60,
        number % 3,
        number % 5,
    );
    match parse(&text) {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// The state rebuilt from the log of a node that has ended.
pub fn digest(data: &Path) -> String {
    let place = Place::new(data, "acme").unwrap();
    let (tenant, recovered) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    format!("{:?}", tenant.engine().digest())
}
