//! What is done with bytes from outside. `crates/gateway/tests/fuzz.rs` sends the corpus and what grows from it
//! in every test run; `make fuzz` lets libFuzzer look for what reaches new code.
//!
//! Demanded everywhere: no panic, an error with a code instead, and memory that does not grow with what was
//! refused.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use event::json::{Line, event_value, parse_line};
use event::{EventTime, Schema};
use gateway::routes::batch;
use gateway::token::{Keys, TokenSettings, Verifier};
use lists::csv::{Import, Slice, export};
use lists::{Change, Cidr, Definition, Effect, Form, Lists, ListsError, NewItem, Probe, Value};
use log::{Log, LogError, LogOptions, Reader, Repair, verify};
use rules::{Evaluation, RuleSet, SET_COST_MAX, Slot, Type, Vocabulary};
use webhooks::address::Reach;
use webhooks::endpoint::{Host, Target};

const SCHEMA: &str = include_str!("../schemas/default.toml");
/// Of the seeds, and of nothing else.
const SECRET: &[u8] = b"the secret of the corpus, 32 bytes and more";
/// RFC 8037, appendix A.2.
const JWKS: &[u8] = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig",
"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const LINES_MAX: usize = 100;

fn schema() -> &'static Schema {
    static SCHEMA_ONCE: OnceLock<Schema> = OnceLock::new();
    SCHEMA_ONCE.get_or_init(|| Schema::parse(SCHEMA).expect("the default schema"))
}

/// A line of JSON: an event, label or outcome, or a refusal by a code. What was taken in is written and read to
/// the same.
pub fn event_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let now = EventTime::from_millis(1_790_000_000_000);
    match parse_line(text, schema(), Some(now)) {
        Ok(Line::Event(event)) => {
            let written = event_value(&event, schema()).to_string();
            let again = parse_line(&written, schema(), Some(now));
            assert_eq!(again.expect("what was written"), Line::Event(event));
        }
        Ok(Line::Label(_) | Line::Outcome(_)) => {}
        Err(invalid) => {
            assert!(!invalid.code().is_empty());
            assert!(invalid.to_string().len() < 2_000, "it grows with the line");
        }
    }
}

/// The body of a batch: as many lines as are allowed, or a refusal.
pub fn ndjson(bytes: &[u8]) {
    match batch::lines(LINES_MAX, bytes) {
        Err(problem) => assert!(problem.status.is_client_error() && !problem.code.is_empty()),
        Ok(lines) => {
            assert!((1..=LINES_MAX).contains(&lines.len()));
            for line in lines {
                event_json(line.as_bytes());
                // An id is told only where one can be read.
                assert!(batch::id_in(line).is_none_or(|id| !id.as_str().is_empty()));
            }
        }
    }
}

/// A bearer token. Believed only if it is, byte for byte, one of the two seeds that are signed.
pub fn token(bytes: &[u8]) {
    static VERIFIERS: OnceLock<[Verifier; 2]> = OnceLock::new();
    let verifiers = VERIFIERS.get_or_init(|| {
        let settings = || TokenSettings {
            audience: "ringfence".to_owned(),
            leeway: Duration::from_secs(60),
        };
        let secret = Keys::secret(SECRET).expect("long enough");
        let public = Keys::jwks(JWKS).expect("a key set");
        [
            Verifier::new(settings(), secret),
            Verifier::new(settings(), public),
        ]
    });
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for verifier in verifiers {
        match verifier.verify(text) {
            Ok(_) => assert_eq!(text.trim(), SIGNED.trim(), "a forged token is believed"),
            Err(error) => assert!(!error.code().is_empty()),
        }
    }
}

/// URL of an endpoint. What is taken leads to no address that is not public, and no part of it ends a line of the
/// request.
pub fn webhook_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let reach = Reach::default();
    match Target::parse(text, &reach) {
        Err(invalid) => {
            assert!(!invalid.code().is_empty());
            assert!(invalid.to_string().len() < 2_000, "it grows with the URL");
        }
        Ok(target) => {
            assert!(target.tls && (target.port == 80 || target.port == 443 || target.port >= 1024));
            match target.host {
                Host::Address(address) => assert_eq!(reach.refuses(address), None, "{text}"),
                Host::Name(name) => assert!(!name.is_empty() && name.is_ascii(), "{text}"),
            }
            let head = target.path + &target.authority;
            assert!(!head.bytes().any(|byte| byte <= b' '), "{text}");
        }
    }
}

const SIGNED: &str = include_str!("corpus/token/signed");

const AT: i64 = 1_790_000_000_000;

fn places(code: &str) -> Option<u8> {
    event::Currency::parse(code).ok().map(|it| it.exponent())
}

fn list(form: Form) -> Lists {
    let (name, on) = ("it".to_owned(), "field".to_owned());
    let effect = Effect::Watch;
    let create = Change::Create(Definition {
        name,
        on,
        form,
        effect,
    });
    let mut lists = Lists::new(places);
    lists.apply(&create, AT, "fuzz").expect("a new list");
    lists
}

/// Rows for a list of the form that the first byte chooses. Every row is an item or a reject with a line; slices fit
/// into changes; what was taken is written, and read to the same list.
pub fn list_csv(bytes: &[u8]) {
    let Some((form, rows)) = bytes.split_first() else {
        return;
    };
    let form = match form % 4 {
        0 => Form::Text { fold: true },
        1 => Form::Prefix { fold: false },
        2 => Form::Cidr,
        _ => Form::Amount,
    };
    let mut held = list(form);
    let lines = rows.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let mut taken = |slice: Slice| {
        assert_eq!(slice.items.len(), slice.lines.len());
        assert!(
            slice
                .rejects
                .iter()
                .all(|it| (1..=lines).contains(&it.line))
        );
        assert!(
            slice
                .rejects
                .iter()
                .all(|it| it.value.len() < 400 && it.reason.len() < 800)
        );
        take(&mut held, slice);
    };
    if import(rows, form, &mut taken).is_none() {
        return;
    }
    let mut written = Vec::new();
    let items = export(&held, "it", AT, &mut written).expect("memory");
    assert_eq!(items, Some(held.items()));
    let mut again = list(form);
    let read = import(&written, form, &mut |slice| {
        assert!(slice.rejects.is_empty() && slice.repeated == 0, "{slice:?}");
        take(&mut again, slice);
    });
    read.expect("what was written");
    let snapshot = |lists: &Lists| {
        let mut bytes = Vec::new();
        lists.write_snapshot(&mut bytes).expect("memory");
        bytes
    };
    assert_eq!(snapshot(&again), snapshot(&held));
}

fn import(rows: &[u8], form: Form, taken: &mut dyn FnMut(Slice)) -> Option<()> {
    let mut import = Import::new(rows, form, places, AT).ok()?;
    while let Some(slice) = import.next_slice().expect("memory can be read") {
        taken(slice);
    }
    Some(())
}

fn take(lists: &mut Lists, mut slice: Slice) {
    if let Err(error) = lists.check(&slice.change("it"), AT) {
        let ListsError::Items(faults) = error else {
            panic!("{error}");
        };
        slice.refuse(&faults);
    }
    if slice.items.is_empty() {
        return;
    }
    let change = slice.change("it");
    let text = change.encode().expect("a slice that fits");
    assert_eq!(Change::parse(&text).expect("what was written"), change);
    lists.apply(&change, AT, "fuzz").expect("what was checked");
}

/// A network: one text, and it holds its own addresses and no others.
pub fn cidr(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let cidr = match Cidr::parse(text) {
        Ok(cidr) => cidr,
        Err(error) => {
            assert!(!error.code().is_empty() && error.to_string().len() < 800);
            return;
        }
    };
    let written = cidr.to_string();
    assert_eq!(Cidr::parse(&written).expect("what was written"), cidr);
    let mut lists = list(Form::Cidr);
    let item = NewItem {
        value: Value::Text(written.clone()),
        expires: None,
        reason: String::new(),
    };
    let (list, items) = ("it".to_owned(), vec![item]);
    let put = Change::Put { list, items };
    lists.apply(&put, AT, "fuzz").expect("a network");
    let address = written.split('/').next().unwrap_or_default();
    let held = |address: &str| lists.contains("it", Probe::Text(address), AT);
    assert!(held(address), "{written}");
    if let Some(bit) = cidr.prefix_len().checked_sub(1) {
        let outside = match address.parse().expect("an address") {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() ^ 1 << (31 - bit)).into(),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() ^ 1 << (127 - bit))),
        };
        assert!(!held(&outside.to_string()), "{outside} in {written}");
    }
}

/// A document of rules: refused with a place for every problem, or a set that says the same twice of an event
/// that has everything and of one that has nothing.
pub fn rule_set(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let vocabulary = vocabulary();
    let set = match RuleSet::parse(text, vocabulary) {
        Ok(set) => set,
        Err(error) => {
            let lines = text.matches('\n').count() as u32 + 1;
            assert!(!error.problems.is_empty());
            for problem in &error.problems {
                assert!(!problem.cause.code().is_empty());
                assert!((1..=lines).contains(&problem.place.line), "{problem}");
                assert!(
                    problem.to_string().len() < 2_000,
                    "it grows with the document"
                );
            }
            return;
        }
    };
    assert!(set.cost() <= SET_COST_MAX);
    let full = set
        .used()
        .iter()
        .map(|ix| match vocabulary.variable(*ix).of {
            Type::Bool => Slot::Bool(true),
            Type::Number => Slot::Number(640.0),
            Type::Text { .. } => Slot::Text("web"),
            Type::Time => Slot::Time(1_790_000_000_000),
        });
    let empty = vec![Slot::Missing; set.used().len()];
    for slots in [full.collect(), empty] {
        let [mut first, mut second] = [Evaluation::default(), Evaluation::default()];
        set.evaluate(0, &slots, &mut |list, _| list.0 % 2 == 0, &mut first);
        set.evaluate(0, &slots, &mut |list, _| list.0 % 2 == 0, &mut second);
        assert_eq!(first, second);
        let told = first.matched.len() + first.missing.len() + first.errors.len();
        assert!(told <= set.order().len(), "a rule is told twice");
    }
}

/// Of the rules.
pub fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    VOCABULARY.get_or_init(|| {
        let mut vocabulary = Vocabulary::new();
        for (name, of) in [
            ("amount", Type::Number),
            ("score", Type::Number),
            ("device.accounts_72h", Type::Number),
            ("channel", Type::Text { bytes_max: 128 }),
            ("device.id", Type::Text { bytes_max: 128 }),
            ("recurring", Type::Bool),
            ("event_timestamp", Type::Time),
        ] {
            vocabulary.add(name, of, true).expect("a good name");
        }
        vocabulary
    })
}

/// A segment file as it may lie on a disk. With an even first byte its checksums are made right first, so that what
/// stands behind them is reached.
pub fn log_segment(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if mode % 2 == 0 {
        heal(&mut bytes);
    }
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    };
    let home = tempfile::tempdir_in(parent).expect("a directory");
    let dir = home.path();
    fs::write(dir.join("00000000000000000000.seg"), &bytes).expect("a file");
    read(dir);
    if let Ok(Some(repair)) = Repair::plan(dir) {
        let lost = repair.lost(|_, _, _| {}).expect("a file that can be read");
        assert!(lost.end >= repair.end);
    }
    match Log::open(dir, LogOptions::default()) {
        Err(error) => assert!(!matches!(error, LogError::Io { .. }), "{error}"),
        Ok((mut log, _)) => {
            let at = log.append(b"one more", 7, Some(7)).expect("an empty group");
            log.commit().expect("a disk");
            assert!(log.find(7, i64::MIN).expect("an index").contains(&at));
            drop(log);
            let report = verify(dir).expect("a directory");
            assert!(report.is_sound() && report.end.0 == at.0 + 1, "{report:?}");
            let reader = Reader::open(dir).expect("a sound log");
            let mut records = reader.iter_from(reader.first()).expect("its start");
            while records.next_record().expect("a sound record").is_some() {}
        }
    }
}

fn read(dir: &Path) {
    // Damage is in the report, or the error; neither is a panic.
    let report = verify(dir);
    assert!(!matches!(report, Err(LogError::Io { .. })), "{report:?}");
    if let Ok(reader) = Reader::open(dir)
        && let Ok(mut records) = reader.iter_from(reader.first())
    {
        while let Ok(Some(_)) = records.next_record() {}
    }
}

/// Writes every checksum that docs/log-format.md asks for, frame by frame as their lengths say.
fn heal(bytes: &mut [u8]) {
    const HEADER: usize = 64;
    if bytes.len() < HEADER {
        return;
    }
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let seed = crc32c::crc32c(&bytes[16..32]);
    bytes[40..44].copy_from_slice(&seed.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    let (mut at, mut group, mut position, mut chain) = (HEADER, None, 0_u64, seed);
    while at + 8 <= bytes.len() {
        let kind = word(bytes, at + 4) >> 24;
        let end = at + 8 + (word(bytes, at + 4) & 0x00ff_ffff) as usize;
        if end > bytes.len() || end < at + 16 {
            break;
        }
        let from = if kind < 3 {
            seed ^ position as u32
        } else {
            seed
        };
        if kind >= 3 {
            close(bytes, group.take(), chain, seed);
            bytes[at + 16..at + 20].copy_from_slice(&(at as u32).to_le_bytes());
            group = (kind == 3 && end == at + 32).then_some(at);
            if kind == 4 && end == at + 24 {
                bytes[at + 20..at + 24].copy_from_slice(&chain.to_le_bytes());
            }
        }
        let crc = crc32c::crc32c_append(from, &bytes[at + 4..end]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        if kind < 3 {
            chain = crc32c::crc32c_append(chain, &crc.to_le_bytes());
            position += 1;
        }
        at = end;
    }
    close(bytes, group, chain, seed);
}

/// A group's frame holds the chain behind its records.
fn close(bytes: &mut [u8], group: Option<usize>, chain: u32, seed: u32) {
    if let Some(at) = group {
        bytes[at + 28..at + 32].copy_from_slice(&chain.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[at + 4..at + 32]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
}
