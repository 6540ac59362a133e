//! From raw log-odds to a probability, in doubles: a beta map takes logarithms near 0 and 1.

use model::calibration::{Calibration, CalibrationMap};

use super::build::{Builder, Value};
use super::proto::data_type;

pub fn probability(calibration: &Calibration, raw: &Value, b: &mut Builder) -> Value {
    let raw = b.cast(raw, data_type::DOUBLE);
    let mapped = match &calibration.map {
        CalibrationMap::Identity => raw,
        CalibrationMap::Platt { slope, intercept } => {
            let scaled = times(&raw, *slope, b);
            plus(&scaled, *intercept, b)
        }
        CalibrationMap::Beta { a, b: other, c } => {
            // ln q = -softplus(-raw), ln (1 - q) = -softplus(raw) with q = sigmoid(raw).
            let negative = b.node("Neg", &[&raw], Vec::new());
            let (of_negative, of_raw) = (softplus(&negative, b), softplus(&raw, b));
            let (low, high) = (times(&of_negative, -a, b), times(&of_raw, *other, b));
            let sum = b.node("Add", &[&low, &high], Vec::new());
            plus(&sum, *c, b)
        }
        CalibrationMap::Isotonic {
            raw: points,
            log_odds,
        } => isotonic(&raw, points, log_odds, b),
    };
    let log_odds = plus(&mapped, calibration.prior_shift, b);
    let probability = b.node("Sigmoid", &[&log_odds], Vec::new());
    b.cast(&probability, data_type::FLOAT)
}

fn times(x: &Value, factor: f64, b: &mut Builder) -> Value {
    let factor = b.doubles(&[], &[factor]);
    b.node("Mul", &[x, &factor], Vec::new())
}

fn plus(x: &Value, term: f64, b: &mut Builder) -> Value {
    let term = b.doubles(&[], &[term]);
    b.node("Add", &[x, &term], Vec::new())
}

/// `max(x, 0) + ln(1 + e^-|x|)`: nothing overflows.
fn softplus(x: &Value, b: &mut Builder) -> Value {
    let zero = b.doubles(&[], &[0.0]);
    let positive = b.node("Max", &[x, &zero], Vec::new());
    let size = b.node("Abs", &[x], Vec::new());
    let size = b.node("Neg", &[&size], Vec::new());
    let power = b.node("Exp", &[&size], Vec::new());
    let rest = plus(&power, 1.0, b);
    let rest = b.node("Log", &[&rest], Vec::new());
    b.node("Add", &[&positive, &rest], Vec::new())
}

/// Straight lines between the points: how far each piece is passed, times what it rises.
fn isotonic(raw: &Value, points: &[f64], log_odds: &[f64], b: &mut Builder) -> Value {
    let last = points.len() - 1;
    if last == 0 {
        let nothing = times(raw, 0.0, b);
        return plus(&nothing, log_odds[0], b);
    }
    let pairs =
        |values: &[f64]| -> Vec<f64> { values.windows(2).map(|it| it[1] - it[0]).collect() };
    let (low, span) = (
        b.doubles(&[last], &points[..last]),
        b.doubles(&[last], &pairs(points)),
    );
    let column = b.reshape(raw, &[-1, 1]);
    let beyond = b.node("Sub", &[&column, &low], Vec::new());
    let passed = b.node("Div", &[&beyond, &span], Vec::new());
    let (zero, one) = (b.doubles(&[], &[0.0]), b.doubles(&[], &[1.0]));
    let passed = b.node("Clip", &[&passed, &zero, &one], Vec::new());
    let rise = b.doubles(&[last, 1], &pairs(log_odds));
    let risen = b.node("MatMul", &[&passed, &rise], Vec::new());
    let risen = b.reshape(&risen, &[-1]);
    plus(&risen, log_odds[0], b)
}
