//! The process that follows is killed at random points: the file is that of one which was not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use event::record::{ConfigSection, LabelSource, Verdict};

use crate::bench::{Desk, Log, Transfer, at, dump, open, transfer};

const FILE: &str = "RINGFENCE_CASEWORK_KILL_FILE";

/// A few hundred alerts of accounts that share devices, labels among them, events without decisions.
pub fn long_log() -> Log {
    let mut log = Log::new();
    log.config(ConfigSection::Rates, "USD = 0.5\n");
    let mut alerts = Vec::new();
    for step in 0..300_usize {
        let (account, payee) = (
            format!("a{}", step * 7 % 90),
            format!("p{}", step * 11 % 70),
        );
        let device = format!("d{}", step * 13 % 60);
        let transfer = Transfer {
            device: Some(&device),
            at: step as i64,
            currency: if step % 4 == 0 { "USD" } else { "EUR" },
            ..transfer(&account, &payee)
        };
        if step % 5 == 0 {
            log.history(&transfer);
        } else {
            alerts.push(log.decided(&transfer));
        }
        if step % 9 == 8 {
            let event = alerts[step / 2 % alerts.len()];
            log.labelled(
                event,
                Verdict::Fraud,
                LabelSource::Chargeback,
                at(step as i64),
            );
        }
    }
    log
}

/// The child: follows in small batches from where the file stands, and says how far it is.
#[test]
#[ignore = "the process that the kill test starts and kills"]
fn child_follower() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let log = long_log();
    let mut casework = open(Path::new(&file));
    loop {
        let from = casework.cursor().unwrap().0 as usize;
        let to = (from + 3).min(log.records.len());
        casework
            .follow(&log.schema, &log.records[from..to])
            .unwrap();
        println!("followed {to}");
        if to == log.records.len() {
            // Until it is killed: the parent decides when it ends.
            std::thread::park();
        }
    }
}

#[test]
fn a_follower_killed_anywhere_goes_on_without_losing_or_doubling_an_alert() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("casework.db");
    let end = long_log().records.len();
    let (mut followed, mut kills) = (0, 0_usize);
    while followed < end {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::child_follower",
                "--ignored",
                "--nocapture",
            ])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kill_after = 10 + kills * 17 % 60;
        let mut batches = 0;
        for line in lines {
            let line = line.unwrap();
            let Some((_, to)) = line.rsplit_once("followed ") else {
                continue;
            };
            // A cut number is a shorter one.
            followed = followed.max(to.parse().unwrap_or(0));
            batches += 1;
            if batches == kill_after || followed == end {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        kills += 1;
        let at = open(&file).cursor().unwrap().0 as usize;
        assert!(
            at >= followed,
            "{at} < {followed}, which was said after the commit"
        );
    }
    assert!(kills > 3, "{kills}");
    open(&file).verify().unwrap();
    assert!(dump(&file) == Desk::of(&long_log()).dump());
}
