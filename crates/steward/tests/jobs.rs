//! A job's files, and the child of one.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::fs;
use std::process::Command;
use std::thread;

use node::Place;
use ringfence_steward::StewardError;
use ringfence_steward::child::Worker;
use ringfence_steward::course::{ATTEMPTS_MAX, Facts, Rules, Step};
use ringfence_steward::job::{self, Ended, Job, Order, Outcome, Trained, Trigger};
use serde_json::{Value, json};
use tempfile::TempDir;

const RULES: Rules = Rules {
    shadow_ms: 1,
    shadow_max_ms: 1,
    approval: false,
};

fn order(attended: bool) -> Order {
    Order {
        at: 7,
        by: "ann".to_owned(),
        why: String::new(),
        trigger: Trigger::Command,
        seen: 0,
        attended,
        request: Value::Null,
    }
}

fn place(dir: &TempDir) -> Place {
    Place::new(dir.path(), "default").unwrap()
}

fn end(job: &Job) {
    job.record_outcome(&Outcome {
        ended: Ended::Judged,
        says: String::new(),
        at: 8,
    })
    .unwrap();
}

#[test]
fn the_newest_jobs_are_kept_and_open_ones_always() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let open = job::begin(&place, &order(true)).unwrap();
    for _ in 0..40 {
        end(&job::begin(&place, &order(false)).unwrap());
    }
    let ids: Vec<u64> = job::all(&place).unwrap().iter().map(|it| it.id).collect();
    let mut wanted: Vec<u64> = (10..=41).collect();
    wanted.insert(0, open.id);
    assert_eq!(ids, wanted);
    assert_eq!(job::newest(&place, true).unwrap(), Some(open));
    assert_eq!(job::newest(&place, false).unwrap().unwrap().id, 41);
    // What a crash left of a job that never was is none, keeps its number, and goes in the end.
    let left = place.root().join("retrain/000042");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("order.json.draft"), "{").unwrap();
    assert_eq!(job::all(&place).unwrap().len(), 33);
    assert_eq!(job::begin(&place, &order(true)).unwrap().id, 43);
    for _ in 0..30 {
        end(&job::begin(&place, &order(false)).unwrap());
    }
    assert!(left.exists());
    end(&job::begin(&place, &order(false)).unwrap());
    assert!(!left.exists());
}

/// A server and a command line at once.
#[test]
fn no_two_jobs_have_one_number() {
    let dir = TempDir::new().unwrap();
    let place = place(&dir);
    let begun = || -> Vec<u64> {
        let one = |_| job::begin(&place, &order(false)).unwrap().id;
        (0..8).map(one).collect()
    };
    let mut ids: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(begun)).collect();
        let all = threads.into_iter().map(|it| it.join().unwrap());
        all.flatten().collect()
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 32);
}

#[test]
fn one_process_works_on_a_job() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    let held = job.lock().unwrap();
    assert!(matches!(job.lock(), Err(StewardError::Busy(1))));
    drop(held);
    job.lock().unwrap();
}

#[test]
fn a_file_of_another_kind_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    fs::write(job.folder().join("plan.json"), "{\"log_end\": 3").unwrap();
    let error = job.plan().unwrap_err().to_string();
    assert!(error.contains("plan.json"), "{error}");
}

/// By a program that does not do its work.
fn attempt(job: &Job, script: &str) -> Step {
    let mut worker = Worker::start(job, Command::new("sh").args(["-c", script])).unwrap();
    let status = worker.wait().unwrap();
    job.attempted(false, status).unwrap();
    Facts::of(job).unwrap().next(RULES, 0)
}

#[test]
fn a_child_that_is_killed_is_tried_three_times_and_the_last_word_is_told() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    assert_eq!(attempt(&job, "kill -9 $$"), Step::Work { exam: 0 });
    assert_eq!(attempt(&job, "kill -9 $$"), Step::Work { exam: 0 });
    let Step::End { ended, says } = attempt(&job, "kill -9 $$") else {
        panic!("tried a fourth time");
    };
    assert_eq!(ended, Ended::Failed);
    assert!(says.contains("signal: 9"), "{says}");

    let other = job::begin(&place(&dir), &order(true)).unwrap();
    let script =
        "echo '{\"step\":\"plan\"}'; echo first >&2; echo 'error: no disk at /srv' >&2; exit 1";
    assert_eq!(attempt(&other, script), Step::Work { exam: 0 });
    other.give_up().unwrap();
    let Step::End { ended, says } = Facts::of(&other).unwrap().next(RULES, 0) else {
        panic!("tried again");
    };
    // What a child prints may name paths: it stays on the machine.
    assert_eq!(ended, Ended::Failed);
    assert!(says.contains("exit status: 1; errors.txt"), "{says}");
    assert!(!other.value().unwrap().to_string().contains("/srv"));
    assert_eq!(other.last_words().unwrap(), "no disk at /srv");
    let progress = fs::read_to_string(other.progress()).unwrap();
    assert_eq!(progress, "{\"step\":\"plan\"}\n");
}

/// Whenever it is cut off: its parent may go with it.
#[test]
fn whoever_comes_further_has_all_attempts_again() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    for _ in 1..ATTEMPTS_MAX {
        attempt(&job, "kill -9 $$");
    }
    let trained = Trained {
        model: "ab".to_owned(),
        data_digest: "cd".to_owned(),
        rows: 9,
        frauds: 3,
    };
    job.record_trained(&trained).unwrap();
    assert_eq!(job.attempts().unwrap(), 0);
    for _ in 1..ATTEMPTS_MAX {
        assert_eq!(attempt(&job, "kill -9 $$"), Step::Work { exam: 0 });
    }
    assert!(matches!(attempt(&job, "kill -9 $$"), Step::End { .. }));
}

/// A reason that the child wrote down for others goes before how it ended, and not into the next attempt.
#[test]
fn a_child_that_says_why_is_quoted() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    let path = job.folder().join("failure.json");
    let script = format!(
        "echo '{{\"code\":\"few_frauds\",\"says\":\"3 frauds\"}}' > {}; exit 1",
        path.display()
    );
    attempt(&job, &script);
    let told = job.value().unwrap()["failure"].clone();
    assert_eq!(told, json!({ "code": "few_frauds", "says": "3 frauds" }));
    attempt(&job, "kill -9 $$");
    assert_eq!(job.value().unwrap()["failure"]["code"], "child_ended");
}

#[test]
fn a_worker_that_is_let_go_ends_its_child() {
    let dir = TempDir::new().unwrap();
    let job = job::begin(&place(&dir), &order(true)).unwrap();
    let script = "echo $$; exec sleep 600";
    let worker = Worker::start(&job, Command::new("sh").args(["-c", script])).unwrap();
    let pid = loop {
        let said = fs::read_to_string(job.progress()).unwrap();
        if said.ends_with('\n') {
            break said.trim().to_owned();
        }
    };
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok());
    drop(worker);
    assert!(fs::metadata(format!("/proc/{pid}")).is_err());
}
