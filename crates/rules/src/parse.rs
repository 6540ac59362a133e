//! From words to a tree. Its height, and with it every recursion over it, is bounded by [`DEPTH_MAX`].

use crate::lex::{KEYWORDS, Lexed, RESERVED, Token, lex, syntax};
use crate::problem::{Cause, Fault};

/// Of an expression.
pub const SOURCE_BYTES_MAX: usize = 4096;
/// Levels of brackets, operators in a row and branches. CEL asks for 12 levels and 24 operators in a row.
pub const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it begins, in bytes.
    pub at: usize,
    height: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool(bool),
    Number(f64),
    Text(String),
    /// With all its dots.
    Name(String),
    /// Of something that is no name.
    Field(Box<Node>, String),
    Call {
        target: Option<Box<Node>>,
        function: String,
        arguments: Vec<Node>,
    },
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Operator, Box<[Node; 2]>),
    All(Vec<Node>),
    Any(Vec<Node>),
    If(Box<[Node; 3]>),
    List(Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub fn sign(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

/// What joins two operands, and how closely.
#[derive(Clone, Copy)]
enum Joint {
    Any,
    All,
    Plain(Operator),
}

fn joint(token: &Token) -> Option<(Joint, u8)> {
    use Operator::{
        Add, Divide, Equal, Greater, GreaterEqual, In, Less, LessEqual, Multiply, NotEqual,
        Remainder, Subtract,
    };
    let sign = match token {
        Token::Operator(sign) => sign,
        Token::Word(word) if word == "in" => "in",
        _ => return None,
    };
    let plain = |operator, closeness| Some((Joint::Plain(operator), closeness));
    match sign {
        "||" => Some((Joint::Any, 1)),
        "&&" => Some((Joint::All, 2)),
        "==" => plain(Equal, 3),
        "!=" => plain(NotEqual, 3),
        "<" => plain(Less, 3),
        "<=" => plain(LessEqual, 3),
        ">" => plain(Greater, 3),
        ">=" => plain(GreaterEqual, 3),
        "in" => plain(In, 3),
        "+" => plain(Add, 4),
        "-" => plain(Subtract, 4),
        "*" => plain(Multiply, 5),
        "/" => plain(Divide, 5),
        "%" => plain(Remainder, 5),
        _ => None,
    }
}

pub(crate) fn parse(source: &str) -> Result<Node, Fault> {
    if source.len() > SOURCE_BYTES_MAX {
        let cause = Cause::TooMany {
            what: "bytes of an expression",
            max: SOURCE_BYTES_MAX,
            found: source.len(),
        };
        return Err(Fault::new(SOURCE_BYTES_MAX, cause));
    }
    let tokens = lex(source)?;
    let mut parser = Parser { tokens, next: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<Lexed>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        // `End` is never passed.
        if token != Token::End {
            self.next += 1;
        }
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Token::Operator(it) if *it == sign);
        if there {
            self.next += 1;
        }
        there
    }

    fn expect(&mut self, sign: &str, expected: &str) -> Result<(), Fault> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        let expected = match self.peek() {
            Token::Operator("=") => "`==` to compare",
            _ => expected,
        };
        syntax(self.at(), expected, self.peek().describe())
    }

    /// `condition ? this : that`, or what binds closer.
    fn expression(&mut self, level: usize) -> Result<Node, Fault> {
        if level > DEPTH_MAX {
            return Err(too_deep(self.at()));
        }
        let at = self.at();
        let condition = self.joined(1, level)?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let then = self.joined(1, level + 1)?;
        self.expect(":", "`:` and the other branch")?;
        let other = self.expression(level + 1)?;
        node(at, Kind::If(Box::new([condition, then, other])))
    }

    /// Operands joined by operators of at least this closeness.
    fn joined(&mut self, closeness_min: u8, level: usize) -> Result<Node, Fault> {
        let at = self.at();
        let mut left = self.signed(level)?;
        while let Some((joint, closeness)) = joint(self.peek()) {
            if closeness < closeness_min {
                break;
            }
            self.advance();
            let right = self.joined(closeness + 1, level)?;
            left = match (joint, left.kind) {
                // A row of one operator is one node: two hundred alternatives are not two hundred levels.
                (Joint::All, Kind::All(mut row)) => {
                    row.push(right);
                    node(at, Kind::All(row))?
                }
                (Joint::Any, Kind::Any(mut row)) => {
                    row.push(right);
                    node(at, Kind::Any(row))?
                }
                (joint, kind) => {
                    let left = Node { kind, ..left };
                    node(
                        at,
                        match joint {
                            Joint::All => Kind::All(vec![left, right]),
                            Joint::Any => Kind::Any(vec![left, right]),
                            Joint::Plain(operator) => {
                                Kind::Binary(operator, Box::new([left, right]))
                            }
                        },
                    )?
                }
            };
        }
        Ok(left)
    }

    /// Signs before a value: `!` or `-`, several of one kind.
    fn signed(&mut self, level: usize) -> Result<Node, Fault> {
        let at = self.at();
        let sign = match self.peek() {
            Token::Operator(sign @ ("!" | "-")) => *sign,
            _ => return self.member(level),
        };
        let mut places = Vec::new();
        while matches!(self.peek(), Token::Operator(it) if *it == sign) {
            places.push(self.at());
            self.next += 1;
        }
        if places.len() > DEPTH_MAX {
            return Err(too_deep(at));
        }
        let mut value = self.member(level)?;
        for at in places.into_iter().rev() {
            value = match (sign, value.kind) {
                ("-", Kind::Number(number)) => node(at, Kind::Number(-number))?,
                (sign, kind) => {
                    let value = Box::new(Node { kind, ..value });
                    node(
                        at,
                        match sign {
                            "!" => Kind::Not(value),
                            _ => Kind::Minus(value),
                        },
                    )?
                }
            };
        }
        Ok(value)
    }

    /// A value with its fields and methods.
    fn member(&mut self, level: usize) -> Result<Node, Fault> {
        let at = self.at();
        let mut value = self.value(level)?;
        loop {
            let place = self.at();
            if self.takes(".") {
                let word = self.word("a name after the dot")?;
                value = if self.takes("(") {
                    let arguments = self.row(")", level)?;
                    let target = Some(Box::new(value));
                    node(
                        at,
                        Kind::Call {
                            target,
                            function: word,
                            arguments,
                        },
                    )?
                } else if let Kind::Name(name) = value.kind {
                    node(at, Kind::Name(format!("{name}.{word}")))?
                } else {
                    node(at, Kind::Field(Box::new(value), word))?
                };
            } else if matches!(self.peek(), Token::Operator("[")) {
                let instead = "there are no lists or maps to take from";
                return Err(unsupported(place, "an index", instead));
            } else if matches!(self.peek(), Token::Operator("{")) {
                let instead = "there are no messages";
                return Err(unsupported(place, "a message", instead));
            } else {
                return Ok(value);
            }
        }
    }

    fn value(&mut self, level: usize) -> Result<Node, Fault> {
        const EXPECTED: &str = "a value";
        let at = self.at();
        match self.peek() {
            Token::End => return Err(self.unexpected(EXPECTED)),
            Token::Operator("." | "{") | Token::Word(_) | Token::Number(_) | Token::Text(_) => {}
            Token::Operator("(" | "[") => {}
            Token::Operator(_) => return Err(self.unexpected(EXPECTED)),
        }
        match self.advance() {
            Token::Number(number) => node(at, Kind::Number(number)),
            Token::Text(text) => node(at, Kind::Text(text)),
            Token::Operator("(") => {
                let inner = self.expression(level + 1)?;
                self.expect(")", "`)` or an operator")?;
                Ok(inner)
            }
            Token::Operator("[") => {
                let elements = self.row("]", level)?;
                node(at, Kind::List(elements))
            }
            Token::Operator("{") => Err(unsupported(at, "a map", "there are no maps")),
            Token::Word(word) => self.named(at, word, level),
            _ => Err(unsupported(
                at,
                "a leading dot",
                "names have no packages to be sought in",
            )),
        }
    }

    fn named(&mut self, at: usize, word: String, level: usize) -> Result<Node, Fault> {
        match word.as_str() {
            "true" => return node(at, Kind::Bool(true)),
            "false" => return node(at, Kind::Bool(false)),
            "null" => {
                let instead = "ask has(name) for what may be missing";
                return Err(unsupported(at, "null", instead));
            }
            "in" => return Err(syntax(at, "a value", "`in`".to_owned())),
            _ => {}
        }
        if RESERVED.contains(&word.as_str()) {
            let found = format!("`{word}`, which is reserved");
            return Err(syntax(at, "a name", found));
        }
        if !self.takes("(") {
            return node(at, Kind::Name(word));
        }
        let arguments = self.row(")", level)?;
        node(
            at,
            Kind::Call {
                target: None,
                function: word,
                arguments,
            },
        )
    }

    fn word(&mut self, expected: &str) -> Result<String, Fault> {
        match self.peek() {
            Token::Word(word) if !KEYWORDS.contains(&word.as_str()) => {
                let word = word.clone();
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Values between commas, up to the closing bracket. A list may end in a comma.
    fn row(&mut self, close: &str, level: usize) -> Result<Vec<Node>, Fault> {
        let mut row = Vec::new();
        loop {
            let may_close = row.is_empty() || close == "]";
            if may_close && self.takes(close) {
                return Ok(row);
            }
            row.push(self.expression(level + 1)?);
            if self.takes(close) {
                return Ok(row);
            }
            self.expect(",", &format!("`,` or `{close}`"))?;
        }
    }
}

fn node(at: usize, kind: Kind) -> Result<Node, Fault> {
    let highest = |nodes: &[Node]| nodes.iter().map(|it| it.height).max().unwrap_or(0);
    let below = match &kind {
        Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Name(_) => 0,
        Kind::Field(inner, _) | Kind::Not(inner) | Kind::Minus(inner) => inner.height,
        Kind::Call {
            target, arguments, ..
        } => {
            let target = target.as_ref().map_or(0, |it| it.height);
            highest(arguments).max(target)
        }
        Kind::Binary(_, two) => highest(two.as_slice()),
        Kind::If(three) => highest(three.as_slice()),
        Kind::All(row) | Kind::Any(row) | Kind::List(row) => highest(row),
    };
    let height = below + 1;
    if height > DEPTH_MAX {
        return Err(too_deep(at));
    }
    Ok(Node { at, height, kind })
}

fn too_deep(at: usize) -> Fault {
    let cause = Cause::TooMany {
        what: "levels of an expression",
        max: DEPTH_MAX,
        found: DEPTH_MAX + 1,
    };
    Fault::new(at, cause)
}

fn unsupported(at: usize, construct: &str, instead: &'static str) -> Fault {
    let construct = construct.to_owned();
    Fault::new(at, Cause::Unsupported { construct, instead })
}
