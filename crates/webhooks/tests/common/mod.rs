//! A store with one endpoint that wants everything.

use std::path::Path;
use std::time::Duration;

use event::EventTime;
use ringfence_webhooks::address::Reach;
use ringfence_webhooks::backoff::Retry;
use ringfence_webhooks::breaker::BreakerSettings;
use ringfence_webhooks::endpoint::{By, Draft, Kinds};
use ringfence_webhooks::secret::Secret;
use ringfence_webhooks::settings::AtOnce;
use ringfence_webhooks::{Settings, Store};

pub fn store(folder: &Path) -> Store {
    let second = Duration::from_secs(1);
    let settings = Settings {
        reach: Reach::default(),
        authorities: None,
        connect: second,
        attempt: second,
        retry: Retry {
            first: second,
            max: second,
            attempts_max: 1,
            give_up_after: second,
        },
        breaker: BreakerSettings {
            failures: 1,
            pause: second,
            pause_max: second,
        },
        at_once: AtOnce {
            endpoint: 1,
            tenant: 1,
            all: 1,
        },
        endpoints_max: 1,
        data_bytes_max: 1 << 20,
        rows_max: 1000,
        keep: second,
    };
    let store = Store::open(folder, settings).unwrap();
    let draft = Draft {
        url: "https://hooks.example.org/".to_owned(),
        kinds: Kinds::Every,
        description: String::new(),
        enabled: true,
    };
    let by = By {
        actor: "ann".to_owned(),
        why: String::new(),
        at: EventTime::MIN,
    };
    let secret = Secret::generate().unwrap();
    store.create(&draft, &secret, &by).unwrap();
    store
}
