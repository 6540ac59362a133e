//! The edge of a node with one tenant, in this process, behind a real socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backtest::decay::Decay;
use desk::Desk;
use desk::desk::Tell;
use event::EventTime;
use log::LogOptions;
use node::Node;
use node::background::Priority;
use node::breaker::BreakerSettings;
use node::clock::Clock;
use node::guard::GuardSettings;
use node::mailbox::BoxLimits;
use node::node::NodeSettings;
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use ringfence_gateway::app::{App, Process, Schemas, router};
use ringfence_gateway::notes::{Note, NoteLevel, Notes};
use ringfence_gateway::settings::{GatewaySettings, Limits, Rate, Rates};
use ringfence_gateway::token::{Claims, Keys, Role, TokenSettings, Verifier, issue};
use ringfence_gateway::{routes, server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
pub const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
pub const SOON: Duration = Duration::from_secs(20);

pub fn node(dir: &Path, clock: Clock) -> Node {
    let breaker = BreakerSettings {
        failures: 32,
        pause: SOON,
        probes: 1,
    };
    let settings = NodeSettings {
        keep_of: Default::default(),
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
            clock,
            log: LogOptions::default(),
        },
    };
    let node = Node::open(dir, settings).unwrap();
    if node.tenant("acme").is_none() {
        node.create("acme", SCHEMA, |_| Ok(())).unwrap();
    }
    node
}

/// Nothing is sent here.
fn silent() -> webhooks::Settings {
    let second = Duration::from_secs(1);
    webhooks::Settings {
        reach: webhooks::address::Reach::default(),
        authorities: None,
        connect: second,
        attempt: second,
        retry: webhooks::backoff::Retry {
            first: second,
            max: second,
            attempts_max: 1,
            give_up_after: second,
        },
        breaker: webhooks::breaker::BreakerSettings {
            failures: 1,
            pause: second,
            pause_max: second,
        },
        at_once: webhooks::settings::AtOnce {
            endpoint: 1,
            tenant: 1,
            all: 1,
        },
        endpoints_max: 1,
        data_bytes_max: 1,
        rows_max: 1,
        keep: second,
    }
}

/// What fails inside goes to `note`.
pub fn app(node: Arc<Node>, tell: Tell, note: fn(&Note)) -> App {
    let tokens = TokenSettings {
        audience: "ringfence".to_owned(),
        leeway: Duration::from_secs(30),
    };
    let rate = Rate {
        per_second: 1000,
        burst: 1000,
    };
    let settings = GatewaySettings {
        limits: Limits {
            model_bytes_max: 1 << 20,
            models_max: 8,
            body_bytes_max: 1 << 16,
            batch_bytes_max: 1 << 20,
            batch_lines_max: 100,
            deadline: SOON,
            connections_max: 10,
            header_bytes_max: 1 << 14,
            headers_max: 50,
            header_read: SOON,
            body_read: SOON,
            h2_streams_max: 10,
        },
        rates: Rates {
            default: rate,
            tenants: BTreeMap::new(),
        },
        levels: BTreeMap::new(),
        metrics_tenants_max: 2,
        loss_window: None,
        backtests: node::background::Priority::Low,
        starter: None,
    };
    let schemas = Schemas {
        default: SCHEMA.to_owned(),
        furnish: |_| Ok(()),
    };
    let host = webhooks::deliverer::Host {
        clock: Box::new(|| EventTime::MIN),
        tell: Box::new(|text| panic!("{text}")),
    };
    let process = Process {
        webhooks: Arc::new(webhooks::Deliverer::start(silent(), host).unwrap()),
        notes: Arc::new(Notes::new(NoteLevel::Error, note)),
        steward: Arc::new(steward::Steward::new(node.clone(), off(), nobody())),
        decay: Arc::new(
            Decay::start(
                node.clone(),
                Priority::Low,
                Box::new(|text| panic!("{text}")),
            )
            .unwrap(),
        ),
        allocator: || None,
        meters: meters::Registry::default(),
        tracing: None,
        recent: Arc::new(ringfence_gateway::recent::Recent::new(None)),
    };
    let verifier = Verifier::new(tokens, Keys::secret(SECRET).unwrap());
    let desk = Desk::start(node.clone(), process.webhooks.clone(), tell).unwrap();
    App::new(node, Arc::new(desk), verifier, settings, schemas, process)
}

/// A server that answers on a socket.
pub struct Edge {
    pub address: SocketAddr,
    pub app: Arc<App>,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Edge {
    pub fn serve(app: App) -> Edge {
        let app = Arc::new(app);
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let router = router(&app, routes::ALL);
        let serving = server::serve(listener, router, app.clone(), None, stopping, SOON);
        let serving = runtime.spawn(serving);
        Edge {
            address,
            app,
            runtime,
            stop,
            serving,
        }
    }

    /// As a server stops.
    pub fn stop(self) {
        self.stop.send_replace(true);
        self.runtime.block_on(self.serving).unwrap();
        self.app.desk.stop();
        assert!(self.app.node.drain(SOON));
    }
}

pub fn token(sub: &str, tenant: &str, roles: &[Role]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = Claims {
        sub: sub.to_owned(),
        tenant: tenant.to_owned(),
        roles: roles.to_vec(),
        level: None,
        aud: "ringfence".to_owned(),
        exp: now.as_secs() + 600,
        nbf: None,
    };
    issue(SECRET, &claims).unwrap()
}

/// Status line, headers and body of an answer.
pub fn send(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let len = body.len();
    let request =
        format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// No retrains.
fn off() -> steward::Settings {
    steward::Settings {
        enabled: false,
        every: None,
        on_drift: false,
        cool_down: SOON,
        rules: steward::course::Rules {
            shadow_ms: 1,
            shadow_max_ms: 1,
            approval: true,
        },
        request: serde_json::Value::Null,
    }
}

fn nobody() -> steward::Host {
    steward::Host {
        child: Box::new(|_, _, _| Err("no retrains".to_owned())),
        tell: Box::new(|_| {}),
        stepped: Box::new(|_, _, _| {}),
    }
}
