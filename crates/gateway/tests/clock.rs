//! A jump of the node's clock, as clients meet it: over a socket, with a clock that is moved.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::{EventTime, Span};
use log::LogOptions;
use node::Node;
use node::breaker::BreakerSettings;
use node::clock::{Clock, Hands};
use node::guard::GuardSettings;
use node::mailbox::BoxLimits;
use node::node::NodeSettings;
use node::owner::{Fsync, OwnerSettings};
use node::quota::{Quota, Quotas};
use ringfence_gateway::app::{App, Process, Schemas, router};
use ringfence_gateway::notes::{NoteLevel, Notes};
use ringfence_gateway::settings::{GatewaySettings, Limits, Rate, Rates};
use ringfence_gateway::token::{Claims, Keys, Role, TokenSettings, Verifier, issue};
use ringfence_gateway::{routes, server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
const SOON: Duration = Duration::from_secs(20);

fn node(dir: &TempDir, clock: Clock) -> Node {
    let breaker = BreakerSettings {
        failures: 32,
        pause: SOON,
        probes: 1,
    };
    let settings = NodeSettings {
        keep_of: Default::default(),
        tenants_max: 1,
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
            clock,
            log: LogOptions::default(),
        },
    };
    let node = Node::open(dir.path(), settings).unwrap();
    node.create("acme", SCHEMA, |_| Ok(())).unwrap();
    node
}

fn app(node: Arc<Node>) -> App {
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
        loss_window: None,
        starter: None,
    };
    let schemas = Schemas {
        default: SCHEMA.to_owned(),
        furnish: |_| Ok(()),
    };
    let process = Process {
        notes: Arc::new(Notes::new(NoteLevel::Error, |_, text| panic!("{text}"))),
        allocator: || None,
    };
    let verifier = Verifier::new(tokens, Keys::secret(SECRET).unwrap());
    App::new(node, verifier, settings, schemas, process)
}

/// Status and body of a decision on an event of this time.
fn decide(address: SocketAddr, number: u32, at: EventTime) -> (u16, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = Claims {
        sub: "tester".to_owned(),
        tenant: "acme".to_owned(),
        roles: vec![Role::Decide],
        level: None,
        aud: "ringfence".to_owned(),
        exp: now.as_secs() + 600,
        nbf: None,
    };
    let token = issue(SECRET, &claims).unwrap();
    let body = format!(
        r#"{{"event_id":"e{number}","event_type":"payment","event_timestamp":"{at}","account":"a","merchant":"m","amount":"1.50"}}"#
    );
    let request = format!(
        "POST /v1/decisions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Tenant-Id: acme\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[test]
fn a_jump_ahead_is_believed_when_an_event_of_that_time_comes_and_not_before() {
    let start = EventTime::parse_iso("2026-01-10T12:00:00Z").unwrap();
    let hands = Arc::new(Hands::at(Instant::now()));
    hands.set_wall(start);
    let dir = TempDir::new().unwrap();
    let node = Arc::new(node(&dir, Clock::moved_by(hands.clone())));
    let clock = node.clock().clone();
    let app = Arc::new(app(node.clone()));
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let router = router(&app, routes::ALL);
    let serving = runtime.spawn(server::serve(listener, router, app, None, stopping, SOON));

    assert_eq!(decide(address, 1, start).0, 200);
    let resumed = start.plus(Span::days(1));
    hands.set_wall(resumed);
    // Time goes on where it was: what is of now is decided, what nobody vouches for is refused.
    assert_eq!(decide(address, 2, start).0, 200);
    assert_eq!(clock.jumps(), (1, 0, true));
    let (status, refused) = decide(address, 3, resumed.plus(Span::days(1)));
    assert_eq!(status, 400);
    assert!(refused.contains("time_in_future"), "{refused}");
    assert!(
        clock.jumps().2,
        "a time that neither clock knows vouches for nothing"
    );
    // A client whose clock says the same as this one.
    assert_eq!(decide(address, 3, resumed.minus(Span::MAX_FUTURE)).0, 200);
    assert_eq!(clock.jumps(), (1, 0, false));
    assert_eq!(decide(address, 4, resumed).0, 200);

    stop.send_replace(true);
    runtime.block_on(serving).unwrap();
    assert!(node.drain(SOON));
}
