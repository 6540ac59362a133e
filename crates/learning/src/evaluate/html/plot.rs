//! Plots as SVG: axes with round numbers, one mark per data point.

use std::fmt::Write;

use super::page::{MARKS, PALETTE, escape};

pub struct Plot<'a> {
    pub id: &'static str,
    pub title: &'a str,
    pub description: String,
    pub x: &'a str,
    pub y: &'a str,
    pub kind: Kind,
    pub series: Vec<Series>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Both axes from 0; the diagonal is what chance gives.
    Lines { diagonal: bool },
    /// Points of probabilities, drawn in log-odds, with ranges.
    Reliability,
    /// Outlines of a histogram with bins of this width.
    Steps { width: f64 },
    /// One bar per point, named by its label.
    Bars,
}

pub struct Series {
    pub name: String,
    pub points: Vec<[f64; 2]>,
    /// Of y, per point; may be empty.
    pub ranges: Vec<[f64; 2]>,
    pub labels: Vec<String>,
}

impl Series {
    pub fn new(name: &str, points: Vec<[f64; 2]>) -> Series {
        Series {
            name: name.to_owned(),
            points,
            ranges: Vec::new(),
            labels: Vec::new(),
        }
    }
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
const COLOURS: usize = 7;
const LEGEND_LINE: f64 = 16.0;
const BAR_LINE: f64 = 20.0;
const BAR_LEFT: f64 = 250.0;
/// Log-odds of 0 and 1 have no place; both are drawn at the edge.
const EDGE: f64 = 1e-6;

struct Axis {
    from: f64,
    until: f64,
    step: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, start: Option<f64>) -> Axis {
        let (mut from, mut until) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()).chain(start) {
            from = from.min(value);
            until = until.max(value);
        }
        if from > until {
            (from, until) = (0.0, 1.0);
        }
        if until - from < 1e-9 {
            until = from + 1.0;
        }
        let step = round_step((until - from) / 5.0);
        let start = (from / step).floor() * step;
        // A value within rounding of a tick needs no further one.
        let end = (until / step - 1e-9).ceil() * step;
        Axis {
            from: start,
            until: end,
            step,
        }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.from) / (self.until - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.until - self.from) / self.step).round() as usize;
        (0..=count).map(|tick| self.from + self.step * tick as f64)
    }

    fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        // Not "-0".
        let tick = if tick.abs() < self.step / 2.0 {
            0.0
        } else {
            tick
        };
        format!("{tick:.decimals$}")
    }
}

/// 1, 2 or 5 times a power of ten.
fn round_step(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.log10().floor());
    let factor = match wanted / power {
        f if f <= 1.0 => 1.0,
        f if f <= 2.0 => 2.0,
        f if f <= 5.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

fn log_odds(p: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    (p / (1.0 - p)).ln()
}

impl Plot<'_> {
    pub fn column_x(&self) -> &str {
        match self.kind {
            Kind::Reliability => "probability said",
            Kind::Bars => "rank",
            _ => self.x,
        }
    }

    pub fn column_y(&self) -> &str {
        match self.kind {
            Kind::Reliability => "share that came",
            Kind::Bars => self.x,
            _ => self.y,
        }
    }

    /// `number` keeps ids of a page apart; the description is told under the drawing, too.
    pub fn svg(&self, number: usize) -> String {
        let drawing = self.drawing(number, "");
        format!("{drawing}<p>{}</p>\n", escape(&self.description))
    }

    /// The drawing as a file of its own.
    pub fn picture(&self) -> String {
        let ground = "svg { background: var(--ground); }\n";
        self.drawing(1, &format!("<style>{PALETTE}{MARKS}{ground}</style>"))
    }

    fn drawing(&self, number: usize, style: &str) -> String {
        let mut out = String::new();
        let legend = if self.series.len() > 1 {
            LEGEND_LINE * self.series.len() as f64 + 6.0
        } else {
            0.0
        };
        let height = match self.kind {
            Kind::Bars => {
                let bars = self.series.first().map_or(0, |it| it.points.len());
                BAR_LINE * bars as f64 + 8.0
            }
            _ => HEIGHT + legend,
        };
        let (title, description) = (escape(self.title), escape(&self.description));
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"t{number} d{number}\"><title id=\"t{number}\">{title}</title>\
             <desc id=\"d{number}\">{description}</desc>{style}"
        );
        match self.kind {
            Kind::Bars => self.bars(&mut out),
            _ => self.curves(&mut out),
        }
        out.push_str("</svg>\n");
        out
    }

    fn drawn(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Reliability => log_odds(value),
            _ => value,
        }
    }

    fn curves(&self, out: &mut String) {
        let start = (self.kind != Kind::Reliability).then_some(0.0);
        let points = || self.series.iter().flat_map(|it| &it.points);
        let ends = || self.series.iter().flat_map(|it| &it.ranges).flatten();
        let last = match self.kind {
            Kind::Steps { width } => points().map(|it| it[0] + width).reduce(f64::max),
            _ => None,
        };
        let x = Axis::new(points().map(|it| self.drawn(it[0])).chain(last), start);
        let heights = points().map(|it| it[1]).chain(ends().copied());
        // A share of 0 would stretch an axis of log-odds to the edge.
        let shown = heights.filter(|y| start.is_some() || (*y > EDGE && *y < 1.0 - EDGE));
        let y = Axis::new(shown.map(|y| self.drawn(y)), start);
        let place = |point: [f64; 2]| {
            let (right, down) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
            let up = y.share(point[1]).clamp(0.0, 1.0);
            (LEFT + right * x.share(point[0]), TOP + down * (1.0 - up))
        };
        self.frame(out, &x, &y, &place);
        self.guide(out, &x, &y, &place);
        for (number, series) in self.series.iter().enumerate() {
            self.series(out, number, series, &place);
        }
    }

    fn frame(&self, out: &mut String, x: &Axis, y: &Axis, place: &dyn Fn([f64; 2]) -> (f64, f64)) {
        for tick in x.ticks() {
            let (at, bottom) = place([tick, y.from]);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 15.0,
                x.label(tick)
            );
        }
        for tick in y.ticks() {
            let (left, at) = place([x.from, tick]);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                left - 6.0,
                at + 4.0,
                y.label(tick)
            );
        }
        let _ = writeln!(
            out,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"soft\" transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            escape(self.x),
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escape(self.y)
        );
    }

    /// Where chance, or a perfect calibration, lies.
    fn guide(&self, out: &mut String, x: &Axis, y: &Axis, place: &dyn Fn([f64; 2]) -> (f64, f64)) {
        if !matches!(
            self.kind,
            Kind::Lines { diagonal: true } | Kind::Reliability
        ) {
            return;
        }
        let (from, until) = (x.from.max(y.from), x.until.min(y.until));
        let ((x1, y1), (x2, y2)) = (place([from, from]), place([until, until]));
        let _ = writeln!(
            out,
            "<line class=\"guide\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn series(
        &self,
        out: &mut String,
        number: usize,
        series: &Series,
        place: &dyn Fn([f64; 2]) -> (f64, f64),
    ) {
        let colour = number % COLOURS;
        let at = |point: &[f64; 2]| place([self.drawn(point[0]), self.drawn(point[1])]);
        if self.kind == Kind::Reliability {
            for (point, range) in series.points.iter().zip(&series.ranges) {
                let ((x, y), (_, low)) = (at(point), at(&[point[0], range[0]]));
                let (_, high) = at(&[point[0], range[1]]);
                let _ = writeln!(
                    out,
                    "<line class=\"range\" style=\"stroke: var(--c{colour})\" x1=\"{x:.1}\" x2=\"{x:.1}\" \
                     y1=\"{low:.1}\" y2=\"{high:.1}\"/>\
                     <circle class=\"point\" style=\"fill: var(--c{colour})\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
                );
            }
            return;
        }
        let mut line = String::new();
        for point in &series.points {
            let (x, y) = at(point);
            let _ = write!(line, "{x:.1},{y:.1} ");
            if let Kind::Steps { width } = self.kind {
                let (x, y) = at(&[point[0] + width, point[1]]);
                let _ = write!(line, "{x:.1},{y:.1} ");
            }
        }
        // Dashes tell series apart where colours do not.
        let dash = match number {
            0 => "none".to_owned(),
            n => format!("{} {}", 2 + 3 * n, 1 + n),
        };
        let style = format!("stroke: var(--c{colour}); stroke-dasharray: {dash}");
        let _ = writeln!(
            out,
            "<polyline class=\"curve\" style=\"{style}\" points=\"{}\"/>",
            line.trim_end()
        );
        if self.series.len() > 1 {
            let y = HEIGHT + LEGEND_LINE * number as f64 + 6.0;
            let _ = writeln!(
                out,
                "<line class=\"curve\" style=\"{style}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT + 36.0,
                LEFT + 44.0,
                y + 4.0,
                escape(&series.name)
            );
        }
    }

    fn bars(&self, out: &mut String) {
        let Some(series) = self.series.first() else {
            return;
        };
        let most = series
            .points
            .iter()
            .map(|it| it[1])
            .fold(f64::MIN_POSITIVE, f64::max);
        let room = WIDTH - BAR_LEFT - 54.0;
        for (number, (point, label)) in series.points.iter().zip(&series.labels).enumerate() {
            let y = 4.0 + BAR_LINE * number as f64;
            let width = room * point[1] / most;
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"bar\" style=\"fill: var(--c0)\" x=\"{BAR_LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"13\"/>\
                 <text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{:.1} %</text>",
                BAR_LEFT - 6.0,
                y + 11.0,
                escape(&shortened(label)),
                y,
                BAR_LEFT + width + 5.0,
                y + 11.0,
                point[1] * 100.0
            );
        }
    }
}

/// What fits beside a bar.
fn shortened(label: &str) -> String {
    const MOST: usize = 38;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    let kept: String = label.chars().take(MOST - 1).collect();
    format!("{kept}…")
}
