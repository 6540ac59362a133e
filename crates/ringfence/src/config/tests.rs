use std::io::Write;

use gateway::settings::Rate;
use node::mailbox::Level;

use super::*;

fn load(text: &str) -> Result<Config> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    Config::load(Some(file.path()))
}

#[test]
fn the_defaults_alone_are_a_configuration_and_a_file_changes_only_what_it_names() {
    let config = load("[rate.tenants.acme]\nper_second = 7\nburst = 9\n[levels]\nlogin = \"L2\"\n");
    let settings = config
        .and_then(|it| it.gateway(None))
        .expect("a configuration");
    assert_eq!(
        settings.rates.of("acme"),
        Rate {
            per_second: 7,
            burst: 9
        }
    );
    assert_eq!(
        settings.rates.of("other"),
        Rate {
            per_second: 100,
            burst: 200
        }
    );
    assert_eq!(settings.levels.get("login"), Some(&Level::L2));
    assert_eq!(settings.limits.body_bytes_max, 64 << 10);
    assert_eq!(settings.loss_window, None);
}

#[test]
fn the_admin_listener_is_off_and_goes_outside_only_when_that_is_said() {
    let address = |text: &str| {
        load(text)
            .and_then(|it| it.admin())
            .expect("a configuration")
    };
    assert_eq!(address(""), None);
    let local = address("[admin]\naddress = \"127.0.0.1:7879\"\n");
    assert_eq!(local.map(|it| it.port()), Some(7879));
    let open = address("[admin]\naddress = \"0.0.0.0:7879\"\nremote = true\n");
    assert!(open.is_some());
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    for (text, named) in [
        ("[listen]\nadress = \"x\"\n", "adress"),
        ("[lsten]\n", "lsten"),
        ("[requests]\ndeadline = \"2\"\n", "deadline"),
        ("[requests]\ndeadline = 2\n", "deadline"),
        ("[queue]\nbytes_max = \"1MB\"\n", "bytes_max"),
        ("[queue]\nbytes_max = \"128KiB\"\n", "queue.bytes_max"),
        ("[rate]\nburst = 0\n", "rate.burst"),
        ("[tls]\nkey = \"k.pem\"\n", "tls.certificates"),
        ("[commit]\nfsync = \"never\"\n", "fsync"),
        ("[commit]\nsegment_bytes = \"2GiB\"\n", "segment_bytes"),
        ("[retention]\nkeep = \"always\"\n", "keep"),
        ("[retention.tenants.a]\nkeep = \"0d\"\n", "keep"),
        ("[model]\ndeadline = \"0ms\"\n", "model.deadline"),
        (
            "[model.breaker]\nfailures = { L1 = 9, L2 = 0, L3 = 9 }\n",
            "model.breaker.failures",
        ),
        ("[model.breaker]\nprobes = 0\n", "model.breaker.probes"),
        ("[quota.tenants.acme]\nentities_max = 5\n", "bytes_max"),
        (
            "[admin]\naddress = \"0.0.0.0:7879\"\n",
            "admin.remote = true",
        ),
        ("[admin]\naddress = \"[::]:7879\"\n", "admin.remote = true"),
        ("[admin]\naddress = \"7879\"\n", "admin.address"),
        ("[log]\nlevel = \"loud\"\n", "log.level"),
        ("[webhooks]\nallow = [\"10.0.0.0/33\"]\n", "allow"),
        ("[webhooks]\nallow_htp = true\n", "allow_htp"),
        ("[webhooks]\nattempt = \"1s\"\n", "webhooks.connect"),
        (
            "[webhooks]\nat_once = { endpoint = 99 }\n",
            "webhooks.at_once",
        ),
        ("[webhooks]\nrows_max = 0\n", "webhooks.rows_max"),
        ("[webhooks]\npause_max = \"1s\"\n", "webhooks.first_pause"),
        ("[backtests]\npriority = \"high\"\n", "priority"),
        ("[retrain]\nevery = \"never\"\n", "every"),
        ("[retrain]\nevery = \"0s\"\n", "retrain.every"),
        ("[retrain]\nshadow = \"0s\"\n", "retrain.shadow"),
        ("[retrain]\nshadow_max = \"1h\"\n", "retrain.shadow_max"),
        ("[retrain]\npromote = \"always\"\n", "promote"),
        ("[retrain]\nmemory = \"1MiB\"\n", "at least 128 MiB"),
        ("[retrain]\nthreads = 0\n", "needs a thread"),
        ("[retrain.gate]\nfrauds_min = 0\n", "frauds_min"),
        ("[retrain.gate]\nap_los_max = 0.1\n", "ap_los_max"),
        (
            "[webhooks.breaker]\npause = \"0s\"\n",
            "webhooks.breaker.pause",
        ),
    ] {
        let error = load(text)
            .err()
            .map(|it| format!("{it:#}"))
            .unwrap_or_default();
        assert!(error.contains(named), "{text}: {error:?}");
    }
    let level = load("[levels]\nlogin = \"L9\"\n").and_then(|it| it.gateway(None));
    assert!(level.is_err_and(|it| it.to_string().contains("levels.login")));
}

/// Retrains without a server have the same bounds, and the documented ones.
#[test]
fn the_gate_of_the_defaults_is_that_of_the_code() {
    let request = load("").expect("the defaults").retrain.request();
    assert_eq!(request.bounds, learning::gate::Bounds::default());
    let wish = learning::gate::window::Wish::default();
    assert_eq!(request.wish(wish.after), wish);
}
