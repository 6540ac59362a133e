//! Nothing enters service that was not watched: it is in shadow, and scores there.

use event::{EventTime, Position};
use node::node::lineup::Leave;
use node::shadow::store::{Entry, ScoreWriter};

use super::*;

fn until() -> Instant {
    Instant::now() + bench::SOON
}

/// A tenant with a champion, and a candidate in its directory. It lives as long as the bench.
fn with_candidate() -> (Bench, Arc<TenantHandle>, [u8; 32], Shared) {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let candidate = put(tenant.place(), &twin("a candidate"));
    let shared = bench.shared(Bench::settings());
    (bench, tenant, candidate, shared)
}

/// While it waits, when it is due to be judged again, and when all that was left was to promote it.
#[test]
fn a_candidate_that_was_taken_out_of_shadow_does_not_enter_service() {
    for (verdicts, millis) in [
        (&["pass"][..], 0),
        (&["pass"], RULES.shadow_ms),
        (&["pass", "pass"], RULES.shadow_ms),
    ] {
        let (_bench, tenant, candidate, shared) = with_candidate();
        let champion = bench::champion(&tenant);
        let mut round = Round::new(&shared);
        let job = judged(&tenant, &candidate, verdicts);
        watched_for(&shared, &tenant, &job, millis);
        tenant
            .end_shadow(candidate, Author::from("ann"), until())
            .unwrap();
        round.turn(&tenant);
        let (ended, says) = outcome(&job);
        assert_eq!(ended, Ended::Abandoned, "{says}");
        assert_eq!(says, "taken out of shadow while it was watched");
        assert_eq!(bench::champion(&tenant), champion);
        assert!(round.running.is_none());
    }
}

#[test]
fn a_candidate_that_somebody_gave_a_share_is_theirs() {
    let (_bench, tenant, candidate, shared) = with_candidate();
    let job = judged(&tenant, &candidate, &["pass", "pass"]);
    watched_for(&shared, &tenant, &job, RULES.shadow_ms);
    let levels = event::record::Levels::default();
    tenant
        .challenge(candidate, 1_000, levels, Author::from("ann"), until())
        .unwrap();
    Round::new(&shared).turn(&tenant);
    let (ended, says) = outcome(&job);
    assert_eq!(
        (ended, says.as_str()),
        (Ended::Abandoned, "taken out of shadow: it is challenger")
    );
    // It stays where it was put, with its file.
    let challenger = bench::lineup(&tenant).challenger().map(|it| it.artifact);
    assert_eq!(challenger, Some(candidate));
    assert!(tenant.place().model(&candidate).exists());
    tenant
        .leave(candidate, Leave::Withdraw, Author::from("ann"), until())
        .unwrap();
}

#[test]
fn a_shadow_that_scored_nothing_is_waited_for_and_given_up_in_the_end() {
    let (bench, tenant, candidate, shared) = with_candidate();
    let champion = bench::champion(&tenant);
    let mut round = Round::new(&shared);
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    in_shadow_for(&shared, &job, RULES.shadow_ms);
    // Neither judged again nor, with a verdict, promoted; and the operator knows why.
    let why = "the candidate is not promoted unwatched: it has scored no decision";
    for passed in [false, true] {
        if passed {
            verdict(&job, 1, "pass");
        }
        round.wake("acme");
        round.turn(&tenant);
        assert!(round.running.is_none());
        assert_eq!(job.outcome().unwrap(), None);
        let tally = shared.tallies()["acme"].clone();
        assert_eq!(tally.trouble.as_deref(), Some(why));
    }
    assert!(bench.told()[0].contains(why));
    assert_eq!(bench::champion(&tenant), champion);
    in_shadow_for(&shared, &job, RULES.shadow_max_ms);
    round.wake("acme");
    round.turn(&tenant);
    let (ended, says) = outcome(&job);
    assert_eq!(
        (ended, says.as_str()),
        (
            Ended::Abandoned,
            "not watched in time: it has scored no decision"
        )
    );
    // The same, and a decision comes in the end.
    let candidate = put(tenant.place(), &twin("another"));
    let job = judged(&tenant, &candidate, &["pass", "pass"]);
    round.wake("acme");
    round.turn(&tenant);
    assert_eq!(job.outcome().unwrap(), None);
    watched_for(&shared, &tenant, &job, RULES.shadow_ms);
    turn_until(&mut round, &tenant, || job.outcome().unwrap().is_some());
    assert_eq!(bench::champion(&tenant), candidate);
}

#[test]
fn a_shadow_in_trouble_is_not_promoted() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let champion = bench::champion(&tenant);
    let candidate = put(tenant.place(), &twin("a candidate"));
    // Where its scores should go there is something else.
    std::fs::write(tenant.place().shadow(), "").unwrap();
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let job = judged(&tenant, &candidate, &["pass"]);
    round.turn(&tenant);
    in_shadow_for(&shared, &job, RULES.shadow_ms);
    verdict(&job, 1, "pass");
    let lane = || tenant.shadows().lane(&candidate);
    let end = until();
    while lane().and_then(|it| it.trouble()).is_none() {
        assert!(Instant::now() < end, "it is in no trouble");
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.told();
    round.wake("acme");
    round.turn(&tenant);
    let told = bench.told();
    assert!(
        told[0].contains("unwatched: cannot make its scores"),
        "{told:?}"
    );
    assert_eq!(job.outcome().unwrap(), None);
    assert_eq!(bench::champion(&tenant), champion);
}

/// A process that goes on with a job has counted none of what the shadow said to the one before.
#[test]
fn scores_of_before_this_process_count_and_those_of_before_the_shadow_do_not() {
    for (position, promoted) in [(Position(0), false), (Position(1 << 20), true)] {
        let bench = Bench::new();
        let tenant = bench.tenant("acme");
        let candidate = put(tenant.place(), &twin("a candidate"));
        let (mut writer, _) = ScoreWriter::open(tenant.place(), candidate, 1 << 20).unwrap();
        let entry = Entry {
            position,
            at: EventTime::from_millis(1_700_000_000_000),
            check: 0,
            score: 1,
            probability_ppm: 1,
            nanos: 1,
            deciding_nanos: 1,
        };
        writer.push(&entry).unwrap();
        writer.flush().unwrap();
        let shared = bench.shared(Bench::settings());
        let mut round = Round::new(&shared);
        let job = judged(&tenant, &candidate, &["pass"]);
        round.turn(&tenant);
        in_shadow_for(&shared, &job, RULES.shadow_ms);
        verdict(&job, 1, "pass");
        round.wake("acme");
        round.turn(&tenant);
        assert_eq!(bench::champion(&tenant) == candidate, promoted);
    }
}

/// A process that died when the candidate had entered service, and before its outcome was written.
#[test]
fn a_candidate_that_serves_already_is_promoted_by_whoever_goes_on() {
    let (bench, tenant, candidate, shared) = with_candidate();
    let champion = bench::champion(&tenant);
    let job = judged(&tenant, &candidate, &["pass", "pass"]);
    watched_for(&shared, &tenant, &job, RULES.shadow_ms);
    tenant
        .activate(candidate, Author::from("retrain 1"), until())
        .unwrap();
    // Nothing of the process before is known here but files and log.
    let shared = bench.shared(Bench::settings());
    Round::new(&shared).turn(&tenant);
    assert_eq!(outcome(&job).0, Ended::Promoted);
    let lineup = bench::lineup(&tenant);
    assert_eq!(lineup.champion(), Some(candidate));
    assert_eq!(lineup.former_champion(), Some(champion));
    let names: Vec<_> = bench
        .stepped
        .lock()
        .unwrap()
        .iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["shadow", "promote", "job"]);
}

/// What a child said is when its steps began; a line that a kill cut short is none.
#[test]
fn steps_of_a_child_that_was_killed_are_told_up_to_there() {
    let bench = Bench::new();
    let tenant = bench.tenant("acme");
    let job = begin(&tenant);
    let shared = bench.shared(Bench::settings());
    let mut round = Round::new(&shared);
    let said = r#"echo '{"step":"plan","at":1000}'; echo '{"step":"train","at":3000}'; printf '{"step":"ju'"#;
    *bench.script.lock().unwrap() = format!("{said}; exit 1");
    turn_until(&mut round, &tenant, || job.outcome().unwrap().is_some());
    let told = bench.stepped.lock().unwrap().clone();
    let names: Vec<_> = told.iter().map(|it| it.name).collect();
    assert_eq!(names, ["plan", "train", "fail", "job"]);
    assert_eq!(
        (told[0].from, told[0].until, told[1].from),
        (1000, 3000, 3000)
    );
    assert!(told[1].until > 3000);
    assert_eq!((told[2].ended, told[3].from), (Some(Ended::Failed), 0));
}
