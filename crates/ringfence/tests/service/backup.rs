//! A backup taken while the server decides, brought back elsewhere: all that was acknowledged before it is there.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::models::PATIENT;
use crate::server::{Server, payment};

fn run(server: &Server, args: &[&str]) -> Result<Value, String> {
    let mut all = vec!["--json"];
    all.extend(args);
    let output = server.command(&all).output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8(output.stderr).unwrap())
}

fn backup(server: &Server, to: &Path) -> Result<Value, String> {
    run(server, &["backup", "--to", to.to_str().unwrap()])
}

fn restore(server: &Server, from: &Path) -> Result<Value, String> {
    run(server, &["restore", "--from", from.to_str().unwrap()])
}

#[test]
fn what_was_acknowledged_before_a_backup_under_load_is_in_it() {
    // Snapshots come and go while files are copied.
    let server = Server::with("[snapshot]\nrecords = 200\n");
    let (stop, acknowledged) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let senders: Vec<_> = (0..3_u32)
        .map(|sender| {
            let (mut client, stop) = (server.client(), stop.clone());
            let acknowledged = acknowledged.clone();
            thread::spawn(move || {
                for number in sender * 100_000.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let told = client.post("/v1/decisions", &payment(number).to_string());
                    acknowledged.lock().unwrap().push((number, told.ok()));
                }
            })
        })
        .collect();
    let home = tempfile::TempDir::new().unwrap();
    for round in 0..3 {
        thread::sleep(Duration::from_millis(200));
        let before: Vec<(u32, Value)> = acknowledged.lock().unwrap().clone();
        assert!(before.len() > 20 * (round + 1), "{}", before.len());
        let to = home.path().join(format!("copy-{round}"));
        let taken = backup(&server, &to).unwrap();
        assert!(backup(&server, &to).unwrap_err().contains("not empty"));

        let mut other = Server::set_up(PATIENT);
        let restored = restore(&other, &to).unwrap();
        assert_eq!(restored["end"], taken["end"]);
        assert_eq!(
            restored["digest"],
            other.digest(),
            "as a replay of the restored log"
        );
        assert!(
            restore(&other, &to)
                .unwrap_err()
                .contains("already holds a tenant")
        );
        other.launch();
        let mut client = other.client();
        for (number, first) in &before {
            let again = client.post("/v1/decisions", &payment(*number).to_string());
            let again = again.ok();
            assert_eq!(again["duplicate"], true, "lost: {first}");
            for field in ["position", "decision", "score", "model_version"] {
                assert_eq!(again[field], first[field], "e{number} {field}");
            }
        }
        let new = client.post("/v1/decisions", &payment(900_000).to_string());
        assert_eq!(new.ok()["source"], "model", "its model came with it");
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap();
    }
}

#[test]
fn a_torn_or_altered_backup_is_refused_and_leaves_nothing() {
    let mut server = Server::start();
    let mut client = server.client();
    for number in 0..20 {
        client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
    }
    // A snapshot too.
    server.stop();
    let home = tempfile::TempDir::new().unwrap();
    let to = home.path().join("copy");
    let config = home.path().join("my.toml");
    fs::write(&config, "[rate]\nburst = 7\n").unwrap();
    let args = [
        "backup",
        "--to",
        to.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ];
    run(&server, &args).unwrap();
    assert_eq!(
        fs::read(to.join("config.toml")).unwrap(),
        fs::read(&config).unwrap()
    );
    let files: Vec<_> = ["log", "models"]
        .iter()
        .flat_map(|folder| fs::read_dir(to.join(folder)).unwrap())
        .map(|it| it.unwrap().path())
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    let other = Server::set_up("");
    let untouched = |said: &str| {
        let left = fs::read_dir(other.data()).unwrap().count();
        assert_eq!(left, 0, "{said}");
    };
    for path in &files {
        let whole = fs::read(path).unwrap();
        let mut altered = whole.clone();
        *altered.last_mut().unwrap() ^= 1;
        fs::write(path, altered).unwrap();
        let refused = restore(&other, &to).unwrap_err();
        assert!(refused.contains("is altered"), "{refused}");
        untouched(&refused);
        fs::write(path, &whole[..whole.len() - 1]).unwrap();
        let refused = restore(&other, &to).unwrap_err();
        assert!(refused.contains("lacks"), "{refused}");
        untouched(&refused);
        fs::write(path, whole).unwrap();
    }
    let manifest = to.join("MANIFEST");
    let whole = fs::read(&manifest).unwrap();
    for (bytes, says) in [
        (Some(&whole[..whole.len() / 2]), "check out"),
        (None, "torn"),
    ] {
        match bytes {
            Some(bytes) => fs::write(&manifest, bytes).unwrap(),
            None => fs::remove_file(&manifest).unwrap(),
        }
        let refused = restore(&other, &to).unwrap_err();
        assert!(refused.contains(says), "{refused}");
        untouched(&refused);
    }
    fs::write(&manifest, whole).unwrap();
    let restored = restore(&other, &to).unwrap();
    assert_eq!(restored["digest"], server.digest());

    // A log that is damaged where it lies gives no backup that could be taken for a good one.
    let segment = server.data().join("default/log/00000000000000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[80] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let bad = home.path().join("bad");
    assert!(backup(&server, &bad).is_err());
    assert!(
        restore(&Server::set_up(""), &bad)
            .unwrap_err()
            .contains("torn")
    );
}
