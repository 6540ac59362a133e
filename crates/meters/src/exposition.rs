//! The text that a scrape gets: Prometheus' format 0.0.4, or OpenMetrics 1.0 with units and exemplars
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt::Write;

use crate::histogram::{Exemplar, Histogram, Scale, Told};
use crate::{Family, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header asks for; OpenMetrics only when it is named and not liked less.
    pub fn wanted(accept: Option<&str>) -> Format {
        let (mut text, mut open) = (0.0_f32, 0.0_f32);
        for range in accept.unwrap_or("").split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or("").to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            // RFC 9110, 12.4.2: none is 1.
            let weight = weight.map_or(1.0, |text| text.parse().unwrap_or(0.0));
            match &*media {
                "application/openmetrics-text" => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => text = text.max(weight),
                _ => {}
            }
        }
        match open > 0.0 && open >= text {
            true => Format::OpenMetrics,
            false => Format::Text,
        }
    }

    pub fn media(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub struct Exposition {
    out: String,
    format: Format,
}

/// Values of one family.
pub struct Series<'a> {
    out: &'a mut String,
    format: Format,
    family: &'static Family,
}

// Writing to a string cannot fail: results of `write!` are dropped here.
impl Exposition {
    pub fn new(format: Format) -> Exposition {
        Exposition {
            out: String::with_capacity(32 << 10),
            format,
        }
    }

    pub fn family(&mut self, family: &'static Family) -> Series<'_> {
        let Family { name, help, .. } = *family;
        let kind = match (family.kind, self.format) {
            // The older format has no such kind.
            (Kind::Info, Format::Text) => Kind::Gauge.name(),
            (kind, _) => kind.name(),
        };
        let name = match self.format {
            Format::Text => name,
            Format::OpenMetrics => family.stem(),
        };
        let _ = writeln!(self.out, "# HELP {name} {}", escaped(help));
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        if let (Some(unit), Format::OpenMetrics) = (family.unit, self.format) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        Series {
            out: &mut self.out,
            format: self.format,
            family,
        }
    }

    pub fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

impl Series<'_> {
    /// Labels in the order in which the family has them.
    pub fn value(&mut self, labels: &[&str], value: u64) {
        self.line("", labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    pub fn float(&mut self, labels: &[&str], value: f64) {
        self.line("", labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// One histogram of all that is in several.
    pub fn histogram<'h, S: Scale>(
        &mut self,
        labels: &[&str],
        members: impl IntoIterator<Item = &'h Histogram<S>>,
    ) {
        let mut all = Told::default();
        for member in members {
            all.join(&member.told());
        }
        let mut so_far = 0;
        let bounds = S::BOUNDS
            .iter()
            .map(|bound| float(*bound as f64 / S::PER_UNIT));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (at, bound) in bounds.enumerate() {
            so_far += all.buckets[at];
            self.line("_bucket", labels, Some(&bound));
            let _ = write!(self.out, " {so_far}");
            if let (Some(exemplar), Format::OpenMetrics) = (all.exemplars[at], self.format) {
                self.exemplar(exemplar, S::PER_UNIT);
            }
            self.out.push('\n');
        }
        self.line("_sum", labels, None);
        let _ = writeln!(self.out, " {}", all.sum as f64 / S::PER_UNIT);
        self.line("_count", labels, None);
        let _ = writeln!(self.out, " {so_far}");
    }

    fn exemplar(&mut self, it: Exemplar, per_unit: f64) {
        let Exemplar {
            trace,
            value,
            at_ms,
        } = it;
        let (value, at) = (value as f64 / per_unit, at_ms as f64 / 1e3);
        let _ = write!(self.out, " # {{trace_id=\"{trace:032x}\"}} {value} {at:.3}");
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<&str>) {
        debug_assert_eq!(
            values.len(),
            self.family.labels.len(),
            "{}",
            self.family.name
        );
        let _ = write!(self.out, "{}{suffix}", self.family.name);
        let labels = self.family.labels.iter().zip(values);
        let bound = bound.map(|bound| (&"le", bound));
        let mut before = '{';
        for (label, value) in labels.map(|(label, value)| (label, *value)).chain(bound) {
            let _ = write!(self.out, "{before}{label}=\"{}\"", escaped(value));
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
    }
}

/// OpenMetrics wants a bound as a float; the other format gets the same, so that both tell the same series.
fn float(value: f64) -> String {
    let text = value.to_string();
    match text.contains('.') {
        true => text,
        false => text + ".0",
    }
}

fn escaped(text: &str) -> String {
    if !text.contains(['\\', '"', '\n']) {
        return text.to_owned();
    }
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
