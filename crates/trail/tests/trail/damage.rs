//! Whatever is changed in the files is found, at its place.

use std::fs;

use ringfence_trail::{Fault, Head, Problem, Trail, TrailError, verify, verify_export};

use super::{SMALL, bytes, entry, home, segments, written};

fn fault(dir: &std::path::Path) -> Fault {
    verify(dir, None).unwrap().broken.expect("a fault")
}

#[test]
fn every_flipped_byte_is_found() {
    let dir = home();
    let entries: Vec<_> = (1..=5).map(|seq| entry("log", seq)).collect();
    drop(written(dir.path(), &entries));
    let paths = segments(dir.path());
    assert!(paths.len() >= 2, "{paths:?}");
    let report = verify(dir.path(), None).unwrap();
    assert!(
        report.is_sound() && report.torn == 0 && report.entries == 5,
        "{report:?}"
    );
    for path in &paths {
        let sound = fs::read(path).unwrap();
        for at in 0..sound.len() {
            for mask in [0x01, 0x20, 0x80, sound[at] ^ b'\n'] {
                let mut flipped = sound.clone();
                flipped[at] ^= mask;
                if flipped[at] == sound[at] {
                    continue;
                }
                fs::write(path, &flipped).unwrap();
                let report = verify(dir.path(), report.head).unwrap();
                assert!(
                    !report.is_sound(),
                    "{path:?} byte {at} mask {mask}: {report:?}"
                );
                // The last segment is checked by an open as well, and never cut where it is damaged.
                if path == paths.last().unwrap() {
                    let opened = Trail::open(dir.path(), "bank", SMALL);
                    assert!(
                        matches!(opened, Err(TrailError::Damaged(_))),
                        "byte {at} mask {mask}: {opened:?}"
                    );
                    assert_eq!(fs::read(path).unwrap(), flipped);
                }
            }
        }
        fs::write(path, &sound).unwrap();
    }
    assert!(verify(dir.path(), report.head).unwrap().is_sound());
}

/// Lines of one segment with ten entries, changed as a whole.
fn changed(change: impl Fn(&mut Vec<String>)) -> Fault {
    let dir = home();
    let mut trail = Trail::open(dir.path(), "bank", Default::default()).unwrap();
    let entries: Vec<_> = (1..=10).map(|seq| entry("log", seq)).collect();
    trail.append(&entries).unwrap();
    drop(trail);
    let path = segments(dir.path()).remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 11);
    change(&mut lines);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    fault(dir.path())
}

#[test]
fn lines_that_are_removed_moved_or_added_are_found_where_they_are() {
    let removed = changed(|lines| drop(lines.remove(4)));
    assert_eq!((removed.line, removed.seq), (5, 4));
    assert_eq!(removed.problem, Problem::Sequence { got: 5 });
    let swapped = changed(|lines| lines.swap(3, 7));
    assert_eq!(
        (swapped.line, swapped.problem),
        (4, Problem::Sequence { got: 7 })
    );
    let twice = changed(|lines| lines.insert(6, lines[5].clone()));
    assert_eq!(
        (twice.line, twice.problem),
        (7, Problem::Sequence { got: 5 })
    );
    // Someone adds an entry with a hash that fits: the line behind it gives it away.
    let added = changed(|lines| {
        let fits = lines[4].replace("\"seq\":4", "\"seq\":5");
        let text = fits.split(",\"hash\"").next().unwrap();
        let previous = lines[4].split("\"hash\":\"").nth(1).unwrap();
        let hash = chained(previous.trim_end_matches("\"}"), text);
        lines[5] = format!("{text},\"hash\":\"{hash}\"}}");
    });
    assert_eq!((added.line, added.seq), (6, 5));
    assert!(
        matches!(added.problem, Problem::SourceOrder { .. }),
        "{added}"
    );
    let rewritten = changed(|lines| {
        let text = lines[5]
            .split(",\"hash\"")
            .next()
            .unwrap()
            .replace("reason 5", "reason 6");
        let previous = lines[4].split("\"hash\":\"").nth(1).unwrap();
        let hash = chained(previous.trim_end_matches("\"}"), &text);
        lines[5] = format!("{text},\"hash\":\"{hash}\"}}");
    });
    assert_eq!((rewritten.line, rewritten.seq), (7, 6));
    assert!(
        matches!(rewritten.problem, Problem::Hash { .. }),
        "{rewritten}"
    );
    let header = changed(|lines| drop(lines.remove(0)));
    assert_eq!(header.line, 1);
}

/// By the rule of docs/audit-trail.md.
fn chained(previous: &str, text: &str) -> String {
    use sha2::{Digest, Sha256};
    let pairs = (0..32).map(|at| u8::from_str_radix(&previous[2 * at..2 * at + 2], 16).unwrap());
    let mut all: Vec<u8> = pairs.collect();
    all.extend_from_slice(text.as_bytes());
    Sha256::digest(&all)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn segments_that_are_gone_renamed_or_of_another_trail_are_found() {
    let dir = home();
    let entries: Vec<_> = (1..=9).map(|seq| entry("log", seq)).collect();
    drop(written(dir.path(), &entries));
    let paths = segments(dir.path());
    assert!(paths.len() >= 4, "{paths:?}");
    let second = fs::read(&paths[1]).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let gone = fault(dir.path());
    assert_eq!(gone.file, paths[2].file_name().unwrap().to_str().unwrap());
    assert!(matches!(gone.problem, Problem::FileName { .. }), "{gone}");
    let other = home();
    let mut trail = Trail::open(other.path(), "shop", SMALL).unwrap();
    entries
        .iter()
        .for_each(|it| trail.append(std::slice::from_ref(it)).unwrap());
    drop(trail);
    fs::copy(&segments(other.path())[1], &paths[1]).unwrap();
    let foreign = fault(dir.path());
    assert_eq!(
        (foreign.line, foreign.problem),
        (1, Problem::Header { what: "tenant" })
    );
    fs::write(&paths[1], second).unwrap();
    fs::rename(
        &paths[3],
        paths[3].with_file_name("00000000000000000099.jsonl"),
    )
    .unwrap();
    assert!(matches!(
        fault(dir.path()).problem,
        Problem::FileName { .. }
    ));
    let opened = Trail::open(dir.path(), "bank", SMALL);
    assert!(matches!(opened, Err(TrailError::Damaged(it)) if it.line == 1));
    let opened = Trail::open(other.path(), "bank", SMALL);
    assert!(matches!(opened, Err(TrailError::OtherTenant { held, .. }) if held == "shop"));
}

/// A trail that is cut, or written anew, is a good trail: only a head that was published tells.
#[test]
fn a_published_head_shows_a_cut_or_rewritten_trail() {
    let dir = home();
    let entries: Vec<_> = (1..=6).map(|seq| entry("log", seq)).collect();
    let trail = written(dir.path(), &entries);
    let head: Head = trail.head().unwrap().to_string().parse().unwrap();
    assert_eq!(Some(head), trail.head());
    drop(trail);
    let early = home();
    let middle = written(early.path(), &entries[..4]).head().unwrap();
    assert!(
        verify(dir.path(), Some(middle)).unwrap().is_sound(),
        "it holds that entry"
    );

    let report = verify(early.path(), Some(head)).unwrap();
    let problem = report.broken.unwrap().problem;
    assert_eq!(problem, Problem::Truncated { end: 4, head });
    let anew = home();
    let mut others = entries.clone();
    others[1].why = "another one".to_owned();
    drop(written(anew.path(), &others));
    assert!(verify(anew.path(), None).unwrap().is_sound());
    let fault = verify(anew.path(), Some(head)).unwrap().broken.unwrap();
    assert_eq!(fault.seq, 6);
    assert!(
        matches!(fault.problem, Problem::OtherHead { .. }),
        "{fault}"
    );
}

#[test]
fn an_export_is_checked_like_the_files() {
    let dir = home();
    let entries: Vec<_> = (1..=7).map(|seq| entry("log", seq)).collect();
    let trail = written(dir.path(), &entries);
    let mut out = Vec::new();
    assert_eq!(trail.view().export(&mut out).unwrap(), 7);
    let joined: Vec<u8> = bytes(dir.path()).into_iter().flat_map(|it| it.1).collect();
    assert_eq!(out, joined);
    let name = std::path::Path::new("export.jsonl");
    let report = verify_export(out.as_slice(), name, trail.head()).unwrap();
    assert!(report.is_sound() && report.entries == 7, "{report:?}");
    assert_eq!(report.tenant.as_deref(), Some("bank"));
    for cut in [out.len() - 1, out.len() - 200] {
        let report = verify_export(&out[..cut], name, trail.head()).unwrap();
        assert!(!report.is_sound(), "cut at {cut}");
    }
    let at = out.len() / 2;
    out[at] ^= 1;
    let report = verify_export(out.as_slice(), name, None).unwrap();
    assert_eq!(report.broken.unwrap().file, "export.jsonl");
}
