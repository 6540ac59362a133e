//! A regular expression as one table of states: a byte of text is one step, whatever the pattern. One that would need
//! a large table is refused.
//!
//! The syntax is that of RE2, as CEL asks: `\d`, `\w`, `\s` and `\b` are ASCII's.

use std::mem;

use regex_automata::dfa::dense::{BuildError, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::ast::{
    AssertionKind, Ast, ClassAscii, ClassAsciiKind, ClassBracketed, ClassPerl, ClassPerlKind,
    ClassSet, ClassSetItem, Flag, Flags, FlagsItem, FlagsItemKind, Group, GroupKind, Span, parse,
};
use regex_syntax::hir::translate::TranslatorBuilder;

pub const PATTERN_BYTES_MAX: usize = 256;
/// Of the table, and of what it is made from.
pub const TABLE_BYTES_MAX: usize = 128 << 10;
const NFA_BYTES_MAX: usize = 64 << 10;
const MAKING_BYTES_MAX: usize = 512 << 10;
const NESTING_MAX: u32 = 16;

pub(crate) struct Pattern {
    source: Box<str>,
    table: DFA<Vec<u32>>,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pattern").field(&self.source).finish()
    }
}

impl Pattern {
    pub fn new(source: &str) -> Result<Pattern, String> {
        if source.len() > PATTERN_BYTES_MAX {
            let len = source.len();
            return Err(format!("at most {PATTERN_BYTES_MAX} bytes, got {len}"));
        }
        let mut parser = parse::ParserBuilder::new();
        let ast = parser.nest_limit(NESTING_MAX).build().parse(source);
        let mut ast = ast.map_err(|error| error.kind().to_string())?;
        ascii(&mut ast)?;
        // Whether there is a match is asked for only, so that matches within a character do no harm.
        let mut translator = TranslatorBuilder::new().utf8(false).build();
        let hir = translator.translate(source, &ast);
        let hir = hir.map_err(|error| error.kind().to_string())?;
        let too_large = || {
            format!(
                "it needs more than {TABLE_BYTES_MAX} bytes of states: repeat less, or anchor it by ^"
            )
        };
        let settings = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(NFA_BYTES_MAX))
            .which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(settings)
            .build_from_hir(&hir)
            .map_err(|_| too_large())?;
        let settings = Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(TABLE_BYTES_MAX))
            .determinize_size_limit(Some(MAKING_BYTES_MAX));
        let table = DFA::builder().configure(settings).build_from_nfa(&nfa);
        let table = table.map_err(|error: BuildError| {
            if error.is_size_limit_exceeded() {
                too_large()
            } else {
                error.to_string()
            }
        })?;
        Ok(Pattern {
            source: source.into(),
            table,
        })
    }

    /// Whether it matches anywhere in the text.
    pub fn is_in(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // The one error of such a table is a byte that ends a search, and none is set to.
        matches!(self.table.try_search_fwd(&input), Ok(Some(_)))
    }
}

/// Makes the classes of Perl those of ASCII.
fn ascii(ast: &mut Ast) -> Result<(), String> {
    match ast {
        Ast::ClassPerl(class) => {
            *ast = Ast::class_bracketed(ClassBracketed {
                span: class.span,
                negated: false,
                kind: ClassSet::Item(ClassSetItem::Ascii(of_ascii(class))),
            });
        }
        Ast::ClassUnicode(_) => return Err(no_unicode()),
        Ast::ClassBracketed(class) => ascii_set(&mut class.kind)?,
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine
            | AssertionKind::EndLine
            | AssertionKind::StartText
            | AssertionKind::EndText => {}
            _ => {
                let span = assertion.span;
                let inner = mem::replace(ast, Ast::empty(span));
                *ast = without_unicode(span, inner);
            }
        },
        Ast::Repetition(repetition) => ascii(&mut repetition.ast)?,
        Ast::Group(group) => ascii(&mut group.ast)?,
        Ast::Alternation(row) => row.asts.iter_mut().try_for_each(ascii)?,
        Ast::Concat(row) => row.asts.iter_mut().try_for_each(ascii)?,
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) => {}
    }
    Ok(())
}

fn ascii_set(set: &mut ClassSet) -> Result<(), String> {
    match set {
        ClassSet::Item(item) => ascii_item(item),
        ClassSet::BinaryOp(operation) => {
            ascii_set(&mut operation.lhs)?;
            ascii_set(&mut operation.rhs)
        }
    }
}

fn ascii_item(item: &mut ClassSetItem) -> Result<(), String> {
    match item {
        ClassSetItem::Perl(class) => *item = ClassSetItem::Ascii(of_ascii(class)),
        ClassSetItem::Unicode(_) => return Err(no_unicode()),
        ClassSetItem::Bracketed(class) => ascii_set(&mut class.kind)?,
        ClassSetItem::Union(union) => union.items.iter_mut().try_for_each(ascii_item)?,
        _ => {}
    }
    Ok(())
}

fn of_ascii(class: &ClassPerl) -> ClassAscii {
    ClassAscii {
        span: class.span,
        kind: match class.kind {
            ClassPerlKind::Digit => ClassAsciiKind::Digit,
            ClassPerlKind::Space => ClassAsciiKind::Space,
            ClassPerlKind::Word => ClassAsciiKind::Word,
        },
        negated: class.negated,
    }
}

/// `(?-u:...)`.
fn without_unicode(span: Span, inner: Ast) -> Ast {
    let item = |kind| FlagsItem { span, kind };
    let items = vec![
        item(FlagsItemKind::Negation),
        item(FlagsItemKind::Flag(Flag::Unicode)),
    ];
    Ast::group(Group {
        span,
        kind: GroupKind::NonCapturing(Flags { span, items }),
        ast: Box::new(inner),
    })
}

fn no_unicode() -> String {
    "classes of Unicode are too large for a table of states: name the characters, as in [a-zäöü]"
        .to_owned()
}
