//! A deliverer with one tenant, and settings that do not keep a test waiting.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::EventTime;
use ringfence_webhooks::address::Reach;
use ringfence_webhooks::backoff::Retry;
use ringfence_webhooks::breaker::BreakerSettings;
use ringfence_webhooks::deliverer::{Host, Tenant};
use ringfence_webhooks::endpoint::{By, Draft, Endpoint, Kinds};
use ringfence_webhooks::secret::Secret;
use ringfence_webhooks::settings::{AtOnce, Settings};
use ringfence_webhooks::store::deliveries::{Delivery, Filter, State};
use ringfence_webhooks::{Deliverer, Kind, Notice};
use serde_json::json;
use tempfile::TempDir;

use crate::receiver::until;

pub struct Sender {
    pub folder: TempDir,
    pub deliverer: Deliverer,
    pub tenant: Arc<Tenant>,
}

/// Speaks to this machine, and tries again at once.
pub fn settings() -> Settings {
    Settings {
        reach: Reach {
            http: true,
            allow: vec!["127.0.0.0/8".parse().unwrap()],
        },
        authorities: None,
        connect: Duration::from_secs(10),
        attempt: Duration::from_secs(10),
        retry: Retry {
            first: Duration::from_millis(20),
            max: Duration::from_millis(80),
            attempts_max: 5,
            give_up_after: Duration::from_secs(600),
        },
        breaker: BreakerSettings {
            failures: 1000,
            pause: Duration::from_millis(300),
            pause_max: Duration::from_secs(2),
        },
        at_once: AtOnce {
            endpoint: 4,
            tenant: 16,
            all: 64,
        },
        endpoints_max: 8,
        data_bytes_max: 64 * 1024,
        rows_max: 1000,
        keep: Duration::from_secs(3600),
    }
}

pub fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    EventTime::from_millis(since.as_millis() as i64)
}

pub fn by() -> By {
    By {
        actor: "ann".to_owned(),
        why: "a test".to_owned(),
        at: now(),
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

/// Notices of a source, numbered from 1.
pub fn notices(range: std::ops::RangeInclusive<u64>) -> Vec<Notice> {
    let notice = |number: u64| {
        let data = json!({ "number": number });
        Notice::new(format!("log:{number}"), Kind::DecisionCreated, now(), &data).unwrap()
    };
    range.map(notice).collect()
}

pub fn deliverer(settings: Settings) -> Deliverer {
    let host = Host {
        clock: Box::new(now),
        tell: Box::new(|text| println!("{text}")),
    };
    Deliverer::start(settings, host).unwrap()
}

impl Sender {
    pub fn start(settings: Settings) -> Sender {
        Sender::over(TempDir::new().unwrap(), settings)
    }

    /// Over what an earlier one has left.
    pub fn over(folder: TempDir, settings: Settings) -> Sender {
        let deliverer = deliverer(settings);
        let tenant = deliverer.open("acme", folder.path()).unwrap();
        Sender {
            folder,
            deliverer,
            tenant,
        }
    }

    pub fn endpoint(&self, url: &str) -> (Endpoint, Secret) {
        let secret = Secret::generate().unwrap();
        let store = self.tenant.store();
        let made = store.create(&draft(url), &secret, &by()).unwrap();
        (made, secret)
    }

    /// Takes in notices up to a number, of a log that has one each.
    pub fn tell(&self, from: u64, upto: u64) {
        let notices = notices(from..=upto);
        self.tenant.take_in("log", upto, &notices, now()).unwrap();
    }

    pub fn deliveries(&self, state: State) -> Vec<Delivery> {
        let filter = Filter {
            state: Some(state),
            ..Filter::default()
        };
        self.tenant.store().deliveries(&filter, 1000).unwrap()
    }

    /// Waits until so many deliveries are in a state.
    pub fn wait_for(&self, state: State, count: usize) -> Vec<Delivery> {
        until(|| {
            let found = self.deliveries(state);
            (found.len() == count).then_some(found)
        })
    }

    /// As a process that dies: nobody says goodbye.
    pub fn crash(self) -> TempDir {
        let Sender {
            folder, deliverer, ..
        } = self;
        drop(deliverer);
        folder
    }
}

/// What is in a file that the machine's other users could read.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}
