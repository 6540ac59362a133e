//! Words of an expression: CEL's, and `_` between the digits of a number.

use crate::problem::{Cause, Fault, shown};

pub(crate) const KEYWORDS: [&str; 4] = ["true", "false", "null", "in"];
/// Words that CEL keeps for languages it is embedded in.
pub(crate) const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: [&str; 25] = [
    "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":", "!", "-",
    "+", "*", "/", "%", "<", ">", "=",
];
/// Above it not every integer is a double.
const INTEGER_MAX: u64 = 1 << 53;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Number(f64),
    Text(String),
    Operator(&'static str),
    End,
}

impl Token {
    pub fn describe(&self) -> String {
        match self {
            Token::Word(word) => format!("`{}`", shown(word)),
            Token::Number(number) => format!("the number {number}"),
            Token::Text(text) => format!("the text {:?}", shown(text)),
            Token::Operator(operator) => format!("`{operator}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lexed {
    pub at: usize,
    pub token: Token,
}

/// All of them, `End` last.
pub(crate) fn lex(source: &str) -> Result<Vec<Lexed>, Fault> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push(Lexed { at, token });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn byte(&self, ahead: usize) -> u8 {
        // No byte of an expression is 0 that the lexer would take.
        self.source
            .as_bytes()
            .get(self.at + ahead)
            .copied()
            .unwrap_or(0)
    }

    fn skip_blank(&mut self) {
        loop {
            match self.byte(0) {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b'/' if self.byte(1) == b'/' => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let first = self.byte(0);
        let digit_follows = first == b'.' && self.byte(1).is_ascii_digit();
        if self.at == self.source.len() {
            Ok(Token::End)
        } else if first.is_ascii_digit() || digit_follows {
            self.number()
        } else if let Some(text) = self.text()? {
            Ok(Token::Text(text))
        } else if first == b'_' || first.is_ascii_alphabetic() {
            let word = |it: char| it == '_' || it.is_ascii_alphanumeric();
            let len = self
                .rest()
                .find(|it| !word(it))
                .unwrap_or(self.rest().len());
            let word = self.rest()[..len].to_owned();
            self.at += len;
            Ok(Token::Word(word))
        } else {
            let operator = OPERATORS.iter().find(|it| self.rest().starts_with(**it));
            let operator = operator.ok_or_else(|| {
                let odd = self.rest().chars().next().unwrap_or(' ');
                syntax(self.at, "a value or an operator", format!("{odd:?}"))
            })?;
            self.at += operator.len();
            Ok(Token::Operator(operator))
        }
    }

    /// Digits, and `_` between two of them.
    fn digits(&mut self, is_digit: fn(&u8) -> bool) -> String {
        let mut digits = String::new();
        loop {
            let byte = self.byte(0);
            if is_digit(&byte) {
                digits.push(char::from(byte));
            } else if byte != b'_' || digits.is_empty() || !is_digit(&self.byte(1)) {
                return digits;
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let value = if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            self.at += 2;
            let digits = self.digits(u8::is_ascii_hexdigit);
            integer(&digits, 16)
        } else {
            self.decimal()
        };
        let literal = &self.source[start..self.at];
        let bad = |reason: &str| {
            let literal = shown(literal);
            let reason = reason.to_owned();
            Err(Fault::new(start, Cause::BadLiteral { literal, reason }))
        };
        let next = self.byte(0);
        if matches!(next, b'u' | b'U') {
            return bad("all numbers are doubles here, leave out the u");
        }
        if next == b'_' || next.is_ascii_alphanumeric() || literal.ends_with(['x', 'X']) {
            return bad("a number ends in a digit, with `_` between digits only");
        }
        match value {
            None => bad("integers are exact up to 2^53 = 9007199254740992 only"),
            Some(value) if value.is_infinite() => bad("it is larger than every double"),
            Some(value) => Ok(Token::Number(value)),
        }
    }

    /// None of an integer that no double is.
    fn decimal(&mut self) -> Option<f64> {
        let mut text = self.digits(u8::is_ascii_digit);
        let mut whole = true;
        if self.byte(0) == b'.' && self.byte(1).is_ascii_digit() {
            self.at += 1;
            whole = false;
            text = format!("{text}.{}", self.digits(u8::is_ascii_digit));
        }
        let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
        if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
            text.push_str(&self.rest()[..1 + sign]);
            self.at += 1 + sign;
            whole = false;
            text.push_str(&self.digits(u8::is_ascii_digit));
        }
        match whole {
            true => integer(&text, 10),
            false => text.parse().ok(),
        }
    }

    /// A literal in quotes, if one begins here.
    fn text(&mut self) -> Result<Option<String>, Fault> {
        let start = self.at;
        let prefix = self.rest().bytes().take(2);
        let prefix = prefix
            .take_while(|it| matches!(it, b'r' | b'R' | b'b' | b'B'))
            .count();
        if !matches!(self.byte(prefix), b'"' | b'\'') {
            return Ok(None);
        }
        let prefix = self.rest()[..prefix].to_ascii_lowercase();
        if prefix.contains('b') {
            let construct = "a literal of bytes".to_owned();
            let instead = "texts only, without the b";
            return Err(Fault::new(start, Cause::Unsupported { construct, instead }));
        }
        if prefix == "rr" {
            return Err(syntax(start, "one r before the quotes", "`rr`".to_owned()));
        }
        self.at += prefix.len();
        let quote = &self.rest()[..1];
        let triple = self.rest().starts_with(&quote.repeat(3));
        let quote = quote.repeat(if triple { 3 } else { 1 });
        self.at += quote.len();
        let mut text = String::new();
        loop {
            let Some(next) = self.rest().chars().next() else {
                return Err(syntax(start, "closing quotes", "the end".to_owned()));
            };
            if self.rest().starts_with(&quote) {
                self.at += quote.len();
                return Ok(Some(text));
            }
            if !triple && matches!(next, '\n' | '\r') {
                return Err(syntax(
                    start,
                    "closing quotes",
                    "the end of the line".to_owned(),
                ));
            }
            if next == '\\' && prefix.is_empty() {
                text.push(self.escape()?);
            } else {
                text.push(next);
                self.at += next.len_utf8();
            }
        }
    }

    /// `\n`, `\x41`, `\u00e9`, `\U0001f600`, `\101`.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        let kind = self.byte(1);
        let (skip, digits, radix) = match kind {
            b'x' | b'X' => (2, 2, 16),
            b'u' => (2, 4, 16),
            b'U' => (2, 8, 16),
            b'0'..=b'3' => (1, 3, 8),
            _ => (2, 0, 10),
        };
        self.at += skip;
        if digits == 0 {
            return match kind {
                b'a' => Ok('\x07'),
                b'b' => Ok('\x08'),
                b'f' => Ok('\x0c'),
                b'n' => Ok('\n'),
                b'r' => Ok('\r'),
                b't' => Ok('\t'),
                b'v' => Ok('\x0b'),
                b'\\' | b'?' | b'"' | b'\'' | b'`' => Ok(char::from(kind)),
                _ => Err(syntax(start, "an escape of CEL", "another".to_owned())),
            };
        }
        let code = self.rest().get(..digits);
        let code = code.filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        let code = code.and_then(|it| u32::from_str_radix(it, radix).ok());
        let code = code.and_then(char::from_u32).ok_or_else(|| {
            let expected = format!("{digits} digits of a character's code");
            syntax(start, &expected, "something else".to_owned())
        })?;
        self.at += digits;
        Ok(code)
    }
}

/// None past what doubles hold exactly.
fn integer(digits: &str, radix: u32) -> Option<f64> {
    let digits = digits.trim_start_matches('0');
    let value = match digits {
        "" => Some(0),
        _ => u64::from_str_radix(digits, radix).ok(),
    };
    let exact = value.filter(|it| *it <= INTEGER_MAX);
    exact.map(|it| it as f64)
}

pub(crate) fn syntax(at: usize, expected: &str, found: String) -> Fault {
    let expected = expected.to_owned();
    Fault::new(at, Cause::Syntax { expected, found })
}
