//! Relative links and anchors of every Markdown file lead somewhere. Links to other hosts are not fetched:
//! a gate must not depend on the network.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Headings' anchors and link targets of one document, each target with its line.
#[derive(Default)]
struct Page {
    anchors: Vec<String>,
    targets: Vec<(usize, String)>,
}

impl Page {
    fn parse(text: &str) -> Page {
        let mut page = Page::default();
        let mut fence: Option<&str> = None;
        for (ix, line) in text.lines().enumerate() {
            let start = line.trim_start();
            let mark = ["```", "~~~"].into_iter().find(|it| start.starts_with(it));
            match (fence, mark) {
                (None, Some(_)) => fence = mark,
                (Some(open), Some(close)) if open == close => fence = None,
                (None, None) => page.line(ix + 1, start),
                _ => {}
            }
        }
        page
    }

    fn line(&mut self, number: usize, line: &str) {
        let level = line.bytes().take_while(|b| *b == b'#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            self.heading(&line[level..]);
        }
        let line = without_code(line);
        if let Some((_, target)) = line.strip_prefix('[').and_then(|it| it.split_once("]: ")) {
            self.targets.push((number, first_word(target)));
        }
        for (ix, _) in line.match_indices("](") {
            let rest = &line[ix + 2..];
            let end = rest.find(')').unwrap_or(rest.len());
            self.targets.push((number, first_word(&rest[..end])));
        }
    }

    /// GitHub's anchor: lower case, spaces to hyphens, punctuation dropped, repeats numbered.
    fn heading(&mut self, title: &str) {
        let kept = title.trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let anchor = (0..)
            .map(|n| match n {
                0 => slug.clone(),
                n => format!("{slug}-{n}"),
            })
            .find(|anchor| !self.anchors.contains(anchor));
        self.anchors.extend(anchor);
    }
}

/// The target without a title, as in `[a](b "title")`.
fn first_word(target: &str) -> String {
    let target = target.trim().trim_start_matches('<');
    let end = target.find([' ', '>']).unwrap_or(target.len());
    target[..end].to_owned()
}

/// Inline code cut out: a link in it is text.
fn without_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts
        .filter(|(ix, _)| ix % 2 == 0)
        .map(|(_, part)| part)
        .collect()
}

/// `docs/./a/../b.md` to `docs/b.md`; nothing for a path that leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => normal.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// `pages` by path from the root; `exists` tells whether another file or folder is there.
fn dead_links(pages: &BTreeMap<PathBuf, Page>, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut dead = Vec::new();
    for (from, page) in pages {
        for (line, target) in &page.targets {
            let elsewhere = ["http://", "https://", "mailto:"];
            if elsewhere.iter().any(|it| target.starts_with(it)) {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match path {
                "" => Some(from.clone()),
                _ => normal(&from.parent().unwrap_or(Path::new("")).join(path)),
            };
            let found = to.filter(|to| pages.contains_key(to) || exists(to));
            let alive = found.is_some_and(|to| {
                anchor.is_empty()
                    || pages
                        .get(&to)
                        .is_some_and(|page| page.anchors.iter().any(|it| it == anchor))
            });
            if !alive {
                dead.push(format!("{}:{line}: {target}", from.display()));
            }
        }
    }
    dead
}

/// Every Markdown file below `folder`, by its path from `root`; hidden folders and build output are skipped.
fn collect(root: &Path, folder: &Path, pages: &mut BTreeMap<PathBuf, Page>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().unwrap().is_dir() {
            let skipped = ["target", "node_modules", "ringfence-data"];
            if !name.starts_with('.') && !skipped.contains(&name.as_ref()) {
                collect(root, &path, pages);
            }
        } else if name.ends_with(".md") {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_owned();
            pages.insert(path, Page::parse(&text));
        }
    }
}

#[test]
fn no_document_has_a_dead_link() {
    let root = super::root();
    let mut pages = BTreeMap::new();
    collect(&root, &root, &mut pages);
    for wanted in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        assert!(pages.contains_key(Path::new(wanted)), "{wanted}");
    }
    let dead = dead_links(&pages, |path| root.join(path).exists());
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}

#[test]
fn dead_links_are_told_from_live_ones() {
    let cases = [
        ("[a](docs/b.md)", true),
        ("[a](docs/b.md#two-words-1)", true),
        ("[a](docs/b.md#two-words-2)", false),
        ("[a](docs/b.md#in-a-fence)", false),
        ("[a](./docs/../docs/b.md \"title\")", true),
        ("[a](docs/c.md)", false),
        ("[a](../outside.md)", false),
        ("[a](/docs/b.md)", false),
        ("[a](#here-its-code)", true),
        ("[a](#there)", false),
        ("text [a](docs/b.md) and [c](gone.md)", false),
        ("`[a](gone.md)` is text", true),
        ("```\n[a](gone.md)\n```", true),
        ("[a]: gone.md", false),
        ("[a](https://example.org/gone)", true),
        ("[a](src/lib.rs)", true),
        ("[a](src/lib.rs#L1)", false),
    ];
    for (text, alive) in cases {
        let b = "## Two words\n# Two, words\n```\n# In a fence\n```\n";
        let pages = BTreeMap::from([
            (
                PathBuf::from("a.md"),
                Page::parse(&format!("# Here: it's `code`\n{text}")),
            ),
            (PathBuf::from("docs/b.md"), Page::parse(b)),
        ]);
        let dead = dead_links(&pages, |path| path == Path::new("src/lib.rs"));
        assert_eq!(dead.is_empty(), alive, "{text}: {dead:?}");
    }
}
