//! What a turn does, step by step, to tenants of a real node.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod watched;

#[path = "bench.rs"]
mod bench;

use std::time::Instant;

use engine::Lineup;
use node::tenant::documents::Author;

use super::*;
use crate::Settings;
use crate::course::ATTEMPTS_MAX;
use crate::occasion::Sign;
use bench::{
    Bench, RULES, begin, in_shadow_for, judged, put, turn_until, twin, verdict, watched_for,
};

#[test]
fn the_last_attempt_has_its_time() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let job = begin(&tenant);
    job.record_attempts(ATTEMPTS_MAX - 1).unwrap();
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    // Works until it is told to end.
    *bench.script.lock().unwrap() =
        "while [ ! -e end ]; do sleep 0.01; done; kill -9 $$".to_owned();
    for _ in 0..3 {
        round.turn(&tenant);
        assert_eq!(job.attempts().unwrap(), ATTEMPTS_MAX);
        assert_eq!(job.outcome().unwrap(), None, "{:?}", bench.told());
        assert_eq!(shared.told(&job)["status"], "training");
    }
    std::fs::write(job.folder().join("end"), "").unwrap();
    turn_until(&mut round, &tenant, || job.outcome().unwrap().is_some());
    assert_eq!(job.outcome().unwrap().unwrap().ended, Ended::Failed);
    assert_eq!(shared.told(&job)["status"], "failed");
}

fn shadows(tenant: &TenantHandle) -> Vec<[u8; 32]> {
    let lineup = bench::lineup(tenant);
    lineup.shadows().iter().map(|it| it.artifact).collect()
}

fn outcome(job: &Job) -> (Ended, String) {
    let outcome = job.outcome().unwrap().unwrap();
    (outcome.ended, outcome.says)
}

#[test]
fn a_candidate_is_in_shadow_until_its_job_ends() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let candidate = put(tenant.place(), &twin("a candidate"));
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    // Until it is refused at its second examination.
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    assert_eq!(shared.told(&job)["status"], "shadowing");
    assert_eq!(shadows(&tenant), [candidate]);
    assert!(job.shadow().unwrap().is_some());
    in_shadow_for(&shared, &job, RULES.shadow_ms);
    verdict(&job, 1, "refuse");
    round.turn(&tenant);
    assert_eq!(outcome(&job).0, Ended::Refused);
    assert!(shadows(&tenant).is_empty());

    // Until it serves.
    let champion = bench::champion(&tenant);
    let candidate = put(tenant.place(), &twin("another candidate"));
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    assert_eq!(shadows(&tenant), [candidate]);
    watched_for(&shared, &tenant, &job, 0);
    verdict(&job, 1, "pass");
    turn_until(&mut round, &tenant, || job.outcome().unwrap().is_some());
    assert_eq!(outcome(&job).0, Ended::Promoted);
    let lineup = bench::lineup(&tenant);
    assert_eq!(lineup.champion(), Some(candidate));
    assert_eq!(lineup.former_champion(), Some(champion));
    assert!(shadows(&tenant).is_empty());
}

#[test]
fn a_full_lineup_is_waited_for_and_told() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let enter = |at: usize| {
        let shadow = put(tenant.place(), &twin(&format!("shadow {at}")));
        let until = Instant::now() + bench::SOON;
        tenant
            .enter_shadow(shadow, Author::from("ann"), until)
            .unwrap();
        shadow
    };
    let others: Vec<[u8; 32]> = (0..Lineup::SHADOWS_MAX).map(enter).collect();
    let candidate = put(tenant.place(), &twin("a candidate"));
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    let told = bench.told();
    assert!(told[0].contains("64 models are shadow"), "{told:?}");
    assert_eq!(shared.told(&job)["status"], "entering_shadow");
    assert_eq!(
        (job.shadow().unwrap(), job.outcome().unwrap()),
        (None, None)
    );
    let until = Instant::now() + bench::SOON;
    tenant
        .end_shadow(others[3], Author::from("ann"), until)
        .unwrap();
    turn_until(&mut round, &tenant, || job.shadow().unwrap().is_some());
    assert!(shadows(&tenant).contains(&candidate));
}

/// Whatever the job waits for when it happens, and also where the child is the first to see it.
#[test]
fn a_job_is_void_when_another_model_enters_service() {
    for (verdicts, gave_up) in [(1, false), (2, false), (1, true)] {
        let bench = Bench::new();
        let tenant = bench.tenant("acme");
        let candidate = put(tenant.place(), &twin("a candidate"));
        let shared = bench.shared(Bench::settings());
        let mut round = Round::new(&shared);
        let job = judged(&tenant, &candidate, &["pass"]);
        round.turn(&tenant);
        if verdicts == 2 {
            verdict(&job, 1, "hold");
        }
        in_shadow_for(&shared, &job, RULES.shadow_ms * 3);
        let other = put(tenant.place(), &twin("another"));
        let until = Instant::now() + bench::SOON;
        tenant.activate(other, Author::from("ann"), until).unwrap();
        if gave_up {
            job.give_up().unwrap();
        }
        turn_until(&mut round, &tenant, || job.outcome().unwrap().is_some());
        let (ended, says) = outcome(&job);
        assert_eq!(ended, Ended::Abandoned, "{says}");
        assert_eq!(job.attempts().unwrap() > 0, gave_up, "no child was started");
        assert!(shadows(&tenant).is_empty());
    }
}

#[test]
fn a_stop_of_ours_costs_no_attempt() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let job = begin(&tenant);
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    *bench.script.lock().unwrap() = "exec sleep 600".to_owned();
    for _ in 0..=ATTEMPTS_MAX {
        round.turn(&tenant);
        assert_eq!(job.attempts().unwrap(), 1);
        round.keep(&[]);
        assert_eq!(job.attempts().unwrap(), 0);
        job.lock().unwrap();
    }
    // One that had ended by itself is noted, not given back.
    *bench.script.lock().unwrap() = "exit 1".to_owned();
    round.turn(&tenant);
    let running = round.running.as_mut().unwrap();
    running.worker.wait().unwrap();
    round.keep(&[]);
    assert_eq!(job.attempts().unwrap(), ATTEMPTS_MAX);
}

#[test]
fn who_orders_first_is_the_one() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let settings = Settings {
        every: Some(Duration::from_secs(1)),
        ..Bench::settings()
    };
    let shared = bench.shared(settings);
    let round = Round::new(&shared);
    let now = shared.now().unwrap();
    assert_eq!(
        round.schedule(&tenant, &Occasion::default(), now).unwrap(),
        now + 1000
    );
    // As by a person, after the schedule had found nothing open.
    let ordered = begin(&tenant);
    round
        .schedule(&tenant, &Occasion::default(), now + 1000)
        .unwrap();
    assert_eq!(job::all(tenant.place()).unwrap(), [ordered]);
}

/// Who counts waits for nobody; these are what others hold for long and for moments.
#[test]
fn counts_are_read_while_others_order() {
    let bench = Bench::new();
    let shared = bench.shared(Bench::settings());
    let _ordering = shared.alone();
    let _state = shared.state();
    assert!(shared.tallies().is_empty());
}

#[test]
fn files_are_not_read_while_nothing_can_have_changed() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let candidate = put(tenant.place(), &twin("a candidate"));
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    round.turn(&tenant);
    // It is to be watched for an hour.
    std::fs::write(job.folder().join("order.json"), "{").unwrap();
    round.turn(&tenant);
    assert!(bench.told().is_empty());
    round.wake(&tenant.name);
    round.turn(&tenant);
    let told = bench.told();
    assert!(told[0].contains("order.json"), "{told:?}");
}

#[test]
fn a_damaged_job_is_told_in_its_place() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let candidate = put(tenant.place(), &twin("a candidate"));
    let shared = bench.shared(Bench::settings());
    let jobs = ["pass", "refuse"].map(|word| judged(&tenant, &candidate, &[word]));
    std::fs::write(jobs[0].folder().join("plan.json"), "{").unwrap();
    let told = jobs.each_ref().map(|it| shared.told(it));
    assert_eq!(
        (&told[0]["id"], &told[0]["status"]),
        (&1.into(), &"damaged".into())
    );
    let says = told[0]["says"].as_str().unwrap();
    assert!(says.starts_with("plan.json is no file"), "{says}");
    assert_eq!(told[1]["status"], "refused");
}

/// Whoever would begin or answer one is told which job is in the way.
#[test]
fn beside_a_damaged_job_nothing_begins_and_its_number_is_told() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let candidate = put(tenant.place(), &twin("a candidate"));
    let steward = bench.steward(Bench::settings());
    let jobs = ["pass", "pass"].map(|word| judged(&tenant, &candidate, &[word]));
    end_at(&jobs[1], 0);
    std::fs::write(jobs[1].folder().join("outcome.json"), "{").unwrap();
    let damaged = |refused: Refused| match refused {
        Refused::Failed(StewardError::Damaged { retrain, .. }) => retrain,
        other => panic!("{other}"),
    };
    let order = steward.order(&tenant, "ann", "");
    assert_eq!(damaged(order.unwrap_err()), 2);
    let answer = steward.answer(&tenant, 2, (true, "ann", ""));
    assert_eq!(damaged(answer.unwrap_err()), 2);
    std::fs::remove_dir_all(jobs[1].folder()).unwrap();
    end_at(&jobs[0], 0);
    assert_eq!(steward.order(&tenant, "ann", "").unwrap().id, 2);
}

#[test]
fn the_file_of_a_candidate_that_is_not_taken_goes_unless_somebody_names_it() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let place = tenant.place();
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let mut ended = |name: &str| {
        let candidate = put(place, &twin(name));
        let job = judged(&tenant, &candidate, &["refuse"]);
        round.wake(&tenant.name);
        round.turn(&tenant);
        assert_eq!(outcome(&job).0, Ended::Refused);
        place.model(&candidate).exists()
    };
    assert!(!ended("one that nobody else names"));
    // Made anew by a later job: that an earlier one was refused with it keeps it no more.
    assert!(!ended("one that nobody else names"));
    // Of a job of the command line.
    let named = put(place, &twin("one of two jobs"));
    let other = judged(&tenant, &named, &["pass"]);
    let over = job::Outcome {
        ended: Ended::Judged,
        says: String::new(),
        at: 0,
    };
    other.record_outcome(&over).unwrap();
    assert!(ended("one of two jobs"));
    // The champion before this one, to which a way back leads.
    let next = put(place, &twin("the next champion"));
    let until = Instant::now() + bench::SOON;
    tenant.activate(next, Author::from("ann"), until).unwrap();
    assert!(ended("the champion"));
}

fn sign(rule: &str, position: u64) -> Sign {
    Sign {
        alert: position,
        rule: rule.to_owned(),
        feature: "amount".to_owned(),
        segment: "all".to_owned(),
        position,
    }
}

fn drifting(position: u64) -> Occasion {
    Occasion {
        drift: vec![sign("spread", position), sign("shape", 0)],
        ..Occasion::default()
    }
}

fn end_at(job: &Job, at: i64) {
    let says = String::new();
    let ended = Ended::Refused;
    job.record_outcome(&job::Outcome { ended, says, at })
        .unwrap();
}

#[test]
fn an_alert_of_drift_begins_one_candidate() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let jobs = || job::all(tenant.place()).unwrap();
    round.turn_on(&tenant, &Occasion::default());
    assert!(jobs().is_empty());
    round.turn_on(&tenant, &drifting(0));
    let first = jobs().pop().unwrap();
    let order = first.order().unwrap();
    let begun = Trigger::Drift {
        sign: sign("spread", 0),
        others: 1,
    };
    assert_eq!((order.trigger, order.by.as_str()), (begun, "retrain"));
    assert_eq!(order.seen, tenant.committed().0);
    // It is answered by that, however long ago.
    end_at(&first, 0);
    round.turn_on(&tenant, &drifting(order.seen - 1));
    assert_eq!(jobs().len(), 1);
    // A later one is not, once the last retrain has cooled down.
    let now = shared.now().unwrap();
    end_at(&first, now);
    round.turn_on(&tenant, &drifting(order.seen));
    assert_eq!(jobs().len(), 1);
    assert!(round.rests["acme"] > now);
    end_at(&first, now - 3_600_000);
    round.wake("acme");
    round.turn_on(&tenant, &drifting(order.seen));
    assert_eq!(jobs().len(), 2);
    assert_eq!(shared.tallies()["acme"].begun["drift"], 2);
}

#[test]
fn drift_begins_none_where_it_may_not() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let settings = Settings {
        on_drift: false,
        ..Bench::settings()
    };
    let shared = bench.shared(settings);
    Round::new(&shared).turn_on(&tenant, &drifting(1));
    assert!(job::all(tenant.place()).unwrap().is_empty());
}

#[test]
fn faulty_data_hold_up_whatever_nobody_has_said_yes_to() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let shared = bench.shared(Bench::impatient());
    let mut round = Round::new(&shared);
    let faulty = Occasion {
        faults: vec![sign("unit", 5)],
        ..drifting(5)
    };
    let now = shared.now().unwrap();
    job::waiting_since(tenant.place(), now - 1000).unwrap();
    // Neither by drift nor by the schedule, and the operator knows why.
    round.turn_on(&tenant, &faulty);
    assert!(job::all(tenant.place()).unwrap().is_empty());
    let told = bench.told();
    let why = "data are at fault: unit of amount (all); a candidate would learn that";
    assert!(told[0].contains(why), "{told:?}");
    let tally = shared.tallies()["acme"].clone();
    assert_eq!(
        (tally.is_blocked, tally.trouble.as_deref()),
        (true, Some(why))
    );
    // An open one makes no child, and is not promoted.
    let open = begin(&tenant);
    round.wake("acme");
    round.turn_on(&tenant, &faulty);
    assert!(round.running.is_none());
    end_at(&open, 0);
    let candidate = put(tenant.place(), &twin("a candidate"));
    let passed = judged(&tenant, &candidate, &["pass", "pass"]);
    watched_for(&shared, &tenant, &passed, RULES.shadow_ms);
    round.wake("acme");
    round.turn_on(&tenant, &faulty);
    assert_ne!(bench::champion(&tenant), candidate);
    // When they are over it goes on at once.
    round.turn_on(&tenant, &Occasion::default());
    assert_eq!(bench::champion(&tenant), candidate);
    let tally = shared.tallies()["acme"].clone();
    assert_eq!((tally.is_blocked, tally.trouble), (false, None));
}

/// As behind a change of what the watch goes by: whatever it knew of faults is gone.
#[test]
fn a_watch_that_has_begun_anew_says_nothing_yet() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let shared = bench.shared(Bench::impatient());
    let mut round = Round::new(&shared);
    let blind = Occasion {
        is_blind: true,
        ..Occasion::default()
    };
    let now = shared.now().unwrap();
    job::waiting_since(tenant.place(), now - 1000).unwrap();
    round.turn_on(&tenant, &blind);
    assert!(job::all(tenant.place()).unwrap().is_empty());
    let trouble = shared.tallies()["acme"].trouble.clone().unwrap();
    assert!(trouble.contains("judged no window yet"), "{trouble}");
    // Nor does one that had passed before enter service.
    let candidate = put(tenant.place(), &twin("a candidate"));
    let passed = judged(&tenant, &candidate, &["pass", "pass"]);
    watched_for(&shared, &tenant, &passed, RULES.shadow_ms);
    round.wake("acme");
    round.turn_on(&tenant, &blind);
    assert_ne!(bench::champion(&tenant), candidate);
    round.turn_on(&tenant, &Occasion::default());
    assert_eq!(bench::champion(&tenant), candidate);
}

#[test]
fn who_says_yes_has_seen_the_fault() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let candidate = put(tenant.place(), &twin("a candidate"));
    let job = judged(&tenant, &candidate, &["pass", "pass"]);
    watched_for(&shared, &tenant, &job, RULES.shadow_ms);
    let answer = job::Answer {
        approved: true,
        by: "ann".to_owned(),
        why: String::new(),
        at: 0,
    };
    job.record_answer(&answer).unwrap();
    let faulty = Occasion {
        faults: vec![sign("missing", 5)],
        ..Occasion::default()
    };
    round.turn_on(&tenant, &faulty);
    assert_eq!(bench::champion(&tenant), candidate);
}
