//! A family: the name under which numbers are told, their kind, unit, labels, and what they mean.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// Says by its labels what there is; its value is 1.
    Info,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// As it is asked for: a counter ends in `_total`, an info in `_info`.
    pub name: &'static str,
    pub kind: Kind,
    /// A suffix of the name, `_total` aside; OpenMetrics demands it.
    pub unit: Option<&'static str>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

impl Family {
    pub const fn counter(name: &'static str, help: &'static str) -> Family {
        Family::new(Kind::Counter, name, help)
    }

    pub const fn gauge(name: &'static str, help: &'static str) -> Family {
        Family::new(Kind::Gauge, name, help)
    }

    pub const fn histogram(name: &'static str, help: &'static str) -> Family {
        Family::new(Kind::Histogram, name, help)
    }

    pub const fn info(name: &'static str, help: &'static str) -> Family {
        Family::new(Kind::Info, name, help)
    }

    const fn new(kind: Kind, name: &'static str, help: &'static str) -> Family {
        Family {
            name,
            kind,
            unit: None,
            labels: &[],
            help,
        }
    }

    pub const fn by(mut self, labels: &'static [&'static str]) -> Family {
        self.labels = labels;
        self
    }

    pub const fn seconds(mut self) -> Family {
        self.unit = Some("seconds");
        self
    }

    pub const fn bytes(mut self) -> Family {
        self.unit = Some("bytes");
        self
    }

    pub const fn records(mut self) -> Family {
        self.unit = Some("records");
        self
    }

    /// The name without what its kind adds, as OpenMetrics declares it.
    pub fn stem(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// What is wrong with how it is declared.
    pub fn fault(&self) -> Option<String> {
        let is_word = |name: &str| {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
        };
        let name = self.name;
        if !is_word(name) || !self.labels.iter().all(|label| is_word(label)) {
            return Some(format!(
                "{name}: names and labels are words of a-z, 0-9 and _"
            ));
        }
        let ends = match self.kind {
            Kind::Counter => name.ends_with("_total"),
            Kind::Info => name.ends_with("_info"),
            Kind::Gauge | Kind::Histogram => {
                let taken = ["_total", "_info", "_bucket", "_sum", "_count", "_created"];
                !taken.iter().any(|suffix| name.ends_with(suffix))
            }
        };
        if !ends {
            return Some(format!("{name}: ends otherwise than its kind says"));
        }
        if self
            .unit
            .is_some_and(|unit| !self.stem().ends_with(&format!("_{unit}")))
        {
            return Some(format!("{name}: does not end in its unit"));
        }
        if self.help.is_empty() || self.help.contains('\n') || !self.help.ends_with('.') {
            return Some(format!("{name}: help is one line that ends in a full stop"));
        }
        None
    }
}
