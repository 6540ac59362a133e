//! I4 with the real process: SIGKILL a writer at random points; whatever it acknowledged is there.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // also outside #[test] functions

mod fixture;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ringfence_log::{Log, LogOptions, verify};

const DIR: &str = "RINGFENCE_LOG_KILL_DIR";

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 20_000,
        ..fixture::small()
    }
}

/// The child: writes groups of changing size for ever and prints each acknowledged end.
#[test]
#[ignore = "the process that the kill test starts and kills"]
fn child_writer() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (mut log, _) = Log::open(Path::new(&dir), options()).unwrap();
    for round in 0.. {
        fixture::append(&mut log, 1 + round * 13 % 40);
        println!("acknowledged {}", log.commit().unwrap());
    }
}

#[test]
fn what_a_killed_writer_acknowledged_is_there() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    let mut acknowledged = 0;
    for round in 0..10_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writer", "--ignored", "--nocapture"])
            .env(DIR, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // a different number of commits each round; where within a commit, the scheduler decides
        let kill_after = 1 + round * 37 % 90;
        let mut commits = 0;
        for line in lines {
            // the harness prints its own lines; the last line may be cut by the kill
            let line = line.unwrap();
            let Some((_, end)) = line.rsplit_once("acknowledged ") else {
                continue;
            };
            let Ok(end) = end.parse::<u64>() else {
                continue;
            };
            // a cut number is a shorter one: acknowledged ends only grow
            acknowledged = acknowledged.max(end);
            commits += 1;
            if commits == kill_after {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(
            commits >= kill_after,
            "round {round}: the child ended by itself"
        );
        let (log, recovery) = Log::open(&dir, options()).unwrap();
        assert!(
            recovery.end.0 >= acknowledged,
            "round {round}: {recovery:?} < {acknowledged}"
        );
        drop(log);
        fixture::assert_holds(&dir, 0..recovery.end.0);
        assert!(verify(&dir).unwrap().is_sound());
    }
    assert!(fixture::files(&dir, "seg").len() > 3);
}
