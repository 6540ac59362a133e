//! An endpoint as a tenant describes it, and the URLs that are taken.

use std::net::IpAddr;

use event::EventTime;
use hyper::Uri;

use crate::address::Reach;
use crate::error::Invalid;
use crate::notice::Kind;

/// What a person sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub url: String,
    pub kinds: Kinds,
    pub description: String,
    pub enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: String,
    pub draft: Draft,
    pub created_at: EventTime,
    pub secrets: Vec<SecretNote>,
    /// Deliveries by state.
    pub pending: u64,
    pub dead: u64,
    /// Dead deliveries that were removed, by their age or to make room: nobody can send them again.
    pub lost: u64,
}

/// All of a secret that is ever told after its making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretNote {
    pub id: String,
    pub created_at: EventTime,
    /// `None`: until it is given an end.
    pub expires_at: Option<EventTime>,
}

/// Who changes something, and why; kept with the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub actor: String,
    pub why: String,
    pub at: EventTime,
}

/// What an endpoint is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Also kinds that a later version adds.
    Every,
    /// Ascending, each once.
    These(Vec<Kind>),
}

const URL_MAX: usize = 2048;
const TEXT_MAX: usize = 256;
const WHY_MAX: usize = 512;

impl Kinds {
    pub fn parse(names: &[impl AsRef<str>]) -> Result<Kinds, Invalid> {
        let known = || Kind::ALL.map(Kind::name).join(", ");
        if names.is_empty() {
            return Err(Invalid::NoKinds { known: known() });
        }
        if let [name] = names
            && name.as_ref() == "*"
        {
            return Ok(Kinds::Every);
        }
        let mut kinds = Vec::new();
        for name in names {
            let name = name.as_ref();
            let kind = Kind::parse(name).filter(|kind| *kind != Kind::Ping);
            kinds.push(kind.ok_or_else(|| Invalid::Kind {
                got: shortened(name),
                known: known(),
            })?);
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Kinds::These(kinds))
    }

    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Kinds::Every => vec!["*"],
            Kinds::These(kinds) => kinds.iter().map(|kind| kind.name()).collect(),
        }
    }

    pub fn has(&self, kind: Kind) -> bool {
        match self {
            Kinds::Every => true,
            Kinds::These(kinds) => kinds.contains(&kind),
        }
    }
}

impl Draft {
    pub fn check(&self, reach: &Reach) -> Result<(), Invalid> {
        Target::parse(&self.url, reach)?;
        check_length("description", &self.description, TEXT_MAX)
    }
}

impl By {
    pub fn check(&self) -> Result<(), Invalid> {
        check_length("why", &self.why, WHY_MAX)
    }
}

fn check_length(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    match text.chars().count() {
        got if got > max => Err(Invalid::TooLong { field, max, got }),
        _ => Ok(()),
    }
}

/// A URL in the parts that a connection needs. Whether its name leads somewhere allowed is seen at every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub tls: bool,
    pub host: Host,
    pub port: u16,
    /// Path and query, as they go into the request's first line.
    pub path: String,
    /// What goes into the Host header.
    pub authority: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Address(IpAddr),
    Name(String),
}

impl Target {
    pub fn parse(text: &str, reach: &Reach) -> Result<Target, Invalid> {
        let wrong = |expected: &str| Invalid::Url {
            expected: expected.to_owned(),
            got: shortened(text),
        };
        if text.len() > URL_MAX {
            return Err(wrong("at most 2048 bytes"));
        }
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err(wrong("without a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if reach.http => false,
            _ if reach.http => return Err(wrong("an https:// or http:// URL")),
            _ => return Err(wrong("an https:// URL (webhooks.allow_http is false)")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("a URL with a host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("without a user name"));
        }
        let host = Host::parse(authority.host()).ok_or_else(|| {
            wrong("a URL whose host is a name, or an address in its usual form: 192.0.2.7, [2001:db8::7]")
        })?;
        if let Host::Address(address) = host
            && let Some(range) = reach.refuses(address)
        {
            let address = address.to_string();
            return Err(Invalid::Address { address, range });
        }
        let port = match authority.port() {
            // `port` has no word for one that is empty or above 65535.
            None if authority.host() != authority.as_str() => {
                return Err(wrong("a URL with a port from 1 to 65535, or none"));
            }
            None if tls => 443,
            None => 80,
            Some(port) => port.as_u16(),
        };
        // Nothing that speaks another protocol than HTTP on its well-known port is spoken to.
        if port < 1024 && port != 443 && port != 80 {
            return Err(wrong("on port 443, 80, or 1024 and above"));
        }
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        Ok(Target {
            tls,
            host,
            port,
            path: path.to_owned(),
            authority: authority.as_str().to_owned(),
        })
    }
}

impl Host {
    /// A resolver takes `2130706433`, `0x7f.1` and `127.1` for 127.0.0.1. No name of the Internet ends in a number
    /// (RFC 3696, 2), so what does and is no address in its usual form is refused.
    fn parse(text: &str) -> Option<Host> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            return inner.parse().ok().map(|it| Host::Address(IpAddr::V6(it)));
        }
        if let Ok(address) = text.parse() {
            return Some(Host::Address(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(plain)
        };
        let last = name.rsplit('.').next().unwrap_or("");
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.starts_with("0x")
            || last.starts_with("0X");
        let holds = name.len() <= 253 && name.split('.').all(is_label) && !is_number;
        holds.then(|| Host::Name(name.to_ascii_lowercase()))
    }
}

/// What came, for a message: at most 80 characters of it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
