//! The watch of a running tenant is a function of its log: uninterrupted, killed and started again from any snapshot, or
//! replayed elsewhere, it knows the same to the bit.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/transfers.rs"]
mod transfers;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use drift::{Kind, Monitor, Reference};
use event::record::ConfigSection;
use event::{EventTime, Record, Span};
use log::LogOptions;
use model::artifact::Artifact;
use node::watch::{Helper, Told, Watched};
use node::{History, Journal, NodeError, Place, Tenant, backup};
use ringfence_learning::reference::{self, ReferenceFault, ReferencePlan};
use ringfence_learning::watched::watch;
use tempfile::TempDir;
use transfers::{PER_DAY, day, decide, import, model, open, producer, time_of};

const FROM: u64 = 4;
const UNTIL: u64 = 33;

/// A tenant whose model, of a log up to `UNTIL`, has a reference.
fn tenant(dir: &TempDir) -> (Place, Artifact) {
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, UNTIL * PER_DAY);
    let speaker = producer(&place, FROM, 9);
    let identity = model(&place, FROM, UNTIL, Some(speaker), 1);
    let (mut artifact, _) = Artifact::load(&place.model(&identity)).unwrap();
    let plan = ReferencePlan {
        from: day(FROM),
        until: day(UNTIL),
        scores_from: day(UNTIL - 10),
        rows_max: 200_000,
    };
    let go_on = |_, _| ControlFlow::Continue(());
    let history = node::History::open(&place).unwrap();
    let made = reference::build(&history, &artifact, plan, go_on).unwrap();
    artifact.reference = Some(made.encode().unwrap());
    let draft = place.models().join("draft");
    let identity = artifact.save(&draft).unwrap().bytes();
    fs::rename(draft, place.model(&identity)).unwrap();
    let mut tenant = open(&place);
    tenant.activate(identity).unwrap();
    tenant.commit().unwrap();
    (place, artifact)
}

fn copied(place: &Place, dir: &TempDir) -> Place {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let to = Place::new(dir.path(), "acme").unwrap();
    copy(place.root(), to.root());
    to
}

fn known(tenant: &Tenant) -> Vec<u8> {
    tenant
        .watch()
        .unwrap()
        .read(|monitor| monitor.save().unwrap())
}

const FIRST: u64 = UNTIL * PER_DAY;

/// Decides some hours, with a tick at their end.
fn go_on(tenant: &mut Tenant, from: u64, until: u64) {
    decide(tenant, FIRST + from, FIRST + until, |_, _| {});
    tenant
        .tick(time_of(FIRST + until).plus(Span::minutes(1)))
        .unwrap();
    tenant.commit().unwrap();
}

#[test]
fn interrupted_or_not_or_replayed_it_knows_the_same() {
    let dirs = [(); 3].map(|()| TempDir::new().unwrap());
    let (place, artifact) = tenant(&dirs[0]);
    let other = copied(&place, &dirs[1]);
    let late = copied(&place, &dirs[2]);

    let mut whole = open(&place);
    for part in 0..4 {
        go_on(&mut whole, part * 200, (part + 1) * 200);
    }
    let rows = whole.watch().unwrap().read(Monitor::rows);
    assert_eq!(rows, 800);

    // The same, ended four times: with a snapshot, without one, and with what was not committed lost.
    let mut cut = open(&other);
    go_on(&mut cut, 0, 200);
    cut.snapshot().unwrap();
    drop(cut);
    let mut cut = open(&other);
    go_on(&mut cut, 200, 400);
    drop(cut);
    let mut cut = open(&other);
    go_on(&mut cut, 400, 600);
    cut.snapshot().unwrap();
    drop(cut);
    go_on(&mut open(&other), 600, 800);
    let cut = open(&other);
    assert_eq!(known(&cut), known(&whole));

    // A state that is older than the snapshot: what lies between was never sampled, and is told.
    let mut gap = open(&late);
    go_on(&mut gap, 0, 200);
    gap.snapshot().unwrap();
    let state = fs::read(late.watch()).unwrap();
    go_on(&mut gap, 200, 300);
    gap.snapshot().unwrap();
    drop(gap);
    fs::write(late.watch(), state).unwrap();
    let (gap, recovered) = Tenant::open(&late, Default::default(), |_, _| {}).unwrap();
    assert_eq!(gap.watch().unwrap().read(Monitor::missed), 100);
    let told = "100 decided events are in no window of the watch over drift";
    assert_eq!(recovered.warnings, [told]);
    drop(gap);
    // A snapshot without one.
    let state = fs::read(late.watch()).unwrap();
    fs::remove_file(late.watch()).unwrap();
    let (anew, recovered) = Tenant::open(&late, Default::default(), |_, _| {}).unwrap();
    let rows = anew.watch().unwrap().read(Monitor::rows);
    let warning = recovered.warnings.join("\n");
    assert!(
        rows == 0 && warning.contains("begins anew"),
        "{rows} {warning}"
    );
    drop(anew);
    fs::write(late.watch(), state).unwrap();
    // A damaged one is not believed.
    let mut damaged = fs::read(late.watch()).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(late.watch(), damaged).unwrap();
    let (_, recovered) = Tenant::open(&late, Default::default(), |_, _| {}).unwrap();
    let warning = recovered.warnings.join("\n");
    assert!(warning.contains("watch.state is damaged"), "{warning}");

    // Elsewhere, from the log alone.
    let reference = Reference::decode(artifact.reference.as_ref().unwrap()).unwrap();
    let next = whole.watch().unwrap().read(Monitor::next);
    let mut replayed = Monitor::by_default(Arc::new(reference), 0);
    let range = (day(UNTIL), EventTime::END);
    watch(&place, &artifact, &mut replayed, range, |_, _, _| {
        ControlFlow::Continue(())
    })
    .unwrap();
    replayed.go_on_from(next);
    assert_eq!(replayed.save().unwrap(), known(&whole));
}

/// Features are functions of all that came before: of a part of a log they would look like others.
#[test]
fn a_history_without_its_beginning_is_refused() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let (_, artifact) = tenant(&dirs[0]);
    let place = forgetful(&dirs[1]);
    let history = History::open(&place).unwrap();
    assert!(history.first().0 > 0);
    let reference = Reference::decode(artifact.reference.as_ref().unwrap()).unwrap();
    let mut monitor = Monitor::by_default(Arc::new(reference), 0);
    let range = (EventTime::MIN, EventTime::END);
    let refused = watch(&place, &artifact, &mut monitor, range, |_, _, _| {
        ControlFlow::Continue(())
    });
    let is_removed =
        |it: &ReferenceFault| matches!(it, ReferenceFault::Node(NodeError::HistoryRemoved { .. }));
    assert!(refused.as_ref().is_err_and(is_removed), "{refused:?}");
    let plan = ReferencePlan {
        from: range.0,
        until: range.1,
        scores_from: range.0,
        rows_max: 200_000,
    };
    let refused = reference::build(&history, &artifact, plan, |_, _| ControlFlow::Continue(()));
    assert!(refused.as_ref().is_err_and(is_removed), "{refused:?}");
}

/// A tenant that has let go of the first of its days.
fn forgetful(dir: &TempDir) -> Place {
    let place = Place::new(dir.path(), "acme").unwrap();
    let options = LogOptions {
        segment_bytes: 8 << 10,
        ..LogOptions::default()
    };
    let text = transfers::schema_text()
        .replace("horizon = \"180d\"", "horizon = \"1d\"")
        .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
    let mut journal = Journal::create(&place, &text, options.clone()).unwrap();
    let schema = event::Schema::parse(&text).unwrap();
    for number in 0..3 * PER_DAY {
        let event = transfers::transfer(number, &schema).0;
        journal.append(&Record::Event(event)).unwrap();
        // A segment ends between commits.
        if number.is_multiple_of(50) {
            journal.commit().unwrap();
        }
    }
    journal.commit().unwrap();
    drop(journal);
    let (mut tenant, _) = Tenant::open(&place, options, |_, _| {}).unwrap();
    tenant.snapshot().unwrap();
    tenant.tick(time_of(3 * PER_DAY)).unwrap();
    tenant.snapshot().unwrap();
    let covered = tenant.coverage().run().unwrap().unwrap();
    let day = Span::days(1);
    let retirement = tenant.retire(covered, day, EventTime::END).unwrap();
    retirement.unwrap().run().unwrap();
    place
}

/// What the watch goes by is a document of the log: a change begins it anew, and a start goes on under it.
#[test]
fn a_change_of_settings_begins_the_watch_anew_and_outlives_restarts() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    let set = |tenant: &mut Tenant, text: &str| {
        tenant.set_document(ConfigSection::Drift, text, &"test".into(), None)
    };
    let rows = |tenant: &Tenant| tenant.watch().unwrap().read(Monitor::rows);
    go_on(&mut running, 0, 100);
    for (text, code) in [
        ("[rules.colour]\nspread = 0.3", "drift_feature_unknown"),
        ("window = \"0s\"", "drift_window_invalid"),
    ] {
        assert_eq!(set(&mut running, text).unwrap_err().code(), code);
    }
    assert_eq!(running.document(ConfigSection::Drift).version, 0);
    assert_eq!(rows(&running), 100);

    set(&mut running, "windows = 5\n[rules.amount]\nwatch = false\n").unwrap();
    assert_eq!(rows(&running), 0);
    go_on(&mut running, 100, 200);
    assert_eq!(rows(&running), 100);
    let whole = known(&running);
    drop(running);
    let mut again = open(&place);
    assert_eq!(known(&again), whole, "replayed from before the change");
    again.snapshot().unwrap();
    drop(again);
    let again = open(&place);
    assert_eq!(known(&again), whole, "read from behind it");
    let settings = again.watch().unwrap().read(|it| it.settings().clone());
    assert_eq!(settings.windows, 5);
    assert_eq!(settings.rules["amount"].watch, Some(false));
    drop(again);

    // Without the state the document is that of the snapshot.
    fs::remove_file(place.watch()).unwrap();
    let (mut anew, recovered) = Tenant::open(&place, Default::default(), |_, _| {}).unwrap();
    assert_eq!(recovered.warnings.len(), 1, "{:?}", recovered.warnings);
    let windows = |tenant: &Tenant| tenant.watch().unwrap().read(|it| it.settings().windows);
    assert_eq!((rows(&anew), windows(&anew)), (0, 5));
    // Another model goes by it as well.
    let champion = anew.engine().champion().unwrap();
    anew.activate(champion).unwrap();
    assert_eq!(windows(&anew), 5);
}

/// What the model before it left says nothing of a model without a reference.
#[test]
fn after_a_restart_nothing_is_watched_for_a_model_that_has_left() {
    let dir = TempDir::new().unwrap();
    let (place, mut artifact) = tenant(&dir);
    let mut running = open(&place);
    go_on(&mut running, 0, 50);
    running.snapshot().unwrap();
    artifact.reference = None;
    let draft = place.models().join("draft");
    let identity = artifact.save(&draft).unwrap().bytes();
    fs::rename(draft, place.model(&identity)).unwrap();
    running.activate(identity).unwrap();
    running.snapshot().unwrap();
    assert!(running.watch().is_none());
    drop(running);
    assert!(place.watch().exists(), "it is there to be believed");
    let again = open(&place);
    assert_eq!(again.engine().champion(), Some(identity));
    assert!(again.watch().is_none());
}

#[test]
fn what_is_not_committed_is_in_no_statistic() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    let schema = running.schema().clone();
    for number in FIRST..FIRST + 30 {
        running
            .decide(transfers::transfer(number, &schema).0)
            .unwrap();
    }
    let rows = |tenant: &Tenant| tenant.watch().unwrap().read(Monitor::rows);
    assert_eq!(rows(&running), 0);
    running.commit().unwrap();
    assert_eq!(rows(&running), 30);
}

/// What is watched is in a copy as it is in the tenant.
#[test]
fn a_restored_copy_knows_what_the_tenant_knew() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    go_on(&mut running, 0, 100);
    running.snapshot().unwrap();
    go_on(&mut running, 100, 150);
    let (copy, data) = (dir.path().join("copy"), dir.path().join("elsewhere"));
    backup::take(&place, "acme", &copy, Default::default(), |_, _| {}).unwrap();
    let restored = backup::restore(&copy, &data, "acme", Default::default(), |_, _| {}).unwrap();
    assert_eq!(restored.recovered.warnings, [""; 0]);
    let other = open(&Place::new(&data, "acme").unwrap());
    assert_eq!(known(&other), known(&running));
}

/// A thread that never comes.
fn without_help(running: &mut Tenant) -> Receiver<Arc<Watched>> {
    let (thread, woken) = channel();
    let told = Arc::default();
    running.watch_with(Helper { thread, told });
    woken
}

/// Somebody looks at it, or its thread has been stopped in the middle of a batch.
#[test]
fn a_watch_that_is_busy_holds_no_commit_up() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    let _woken = without_help(&mut running);
    let watch = running.watch().unwrap().clone();
    let (has_it, is_held) = channel();
    let (lets_go, done) = channel();
    let busy = thread::spawn(move || {
        watch.read(|_| {
            has_it.send(()).unwrap();
            done.recv_timeout(Duration::from_secs(60)).is_ok()
        })
    });
    is_held.recv().unwrap();
    let schema = running.schema().clone();
    for number in FIRST..FIRST + 100 {
        let (event, _) = transfers::transfer(number, &schema);
        running.decide(event).unwrap();
        running.commit().unwrap();
    }
    let waits = running.watch().unwrap().lag();
    lets_go.send(()).unwrap();
    assert!(busy.join().unwrap(), "a commit waited for it");
    assert_eq!(waits, 100);
    assert_eq!(running.watch().unwrap().read(Monitor::rows), 100);
}

#[test]
fn what_waits_for_a_watch_is_bounded_and_nothing_is_left_out() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    let _woken = without_help(&mut running);
    let mut most = 0;
    for number in 0..20_000 {
        let at = time_of(FIRST).plus(Span::from_millis(number));
        running.tick(at).unwrap();
        if number % 200 == 0 {
            running.commit().unwrap();
            most = most.max(running.watch().unwrap().lag());
        }
    }
    running.commit().unwrap();
    assert!((8_000..=8_192).contains(&most), "{most}");
    let next = running.next().0;
    assert_eq!(running.watch().unwrap().read(Monitor::next), next);
}

/// Amounts in another unit: an alert, and it is counted as one of its kind, with the time that it took.
#[test]
fn an_alert_is_counted_where_the_owner_says() {
    let dir = TempDir::new().unwrap();
    let (place, _) = tenant(&dir);
    let mut running = open(&place);
    let told = Arc::new(Told::default());
    let (thread, _woken) = channel();
    running.watch_with(Helper {
        thread,
        told: told.clone(),
    });
    let schema = running.schema().clone();
    for number in FIRST..FIRST + PER_DAY {
        let (mut event, _) = transfers::transfer(number, &schema);
        event.amount.as_mut().unwrap().minor *= 100;
        running.decide(event).unwrap();
        if number.is_multiple_of(50) {
            running.commit().unwrap();
        }
    }
    let kinds = running.watch().unwrap().read(|monitor| {
        let alerts = monitor.alerts();
        alerts.map(|it| it.reading.kind).collect::<Vec<_>>()
    });
    assert!(kinds.contains(&Kind::Unit), "{kinds:?}");
    for (kind, counted) in Kind::ALL.iter().zip(&told.alerts) {
        let alerts = kinds.iter().filter(|it| *it == kind).count();
        assert_eq!(counted.get(), alerts as u64, "{kind:?}");
    }
    assert_eq!(told.response.count(), kinds.len() as u64);
}
