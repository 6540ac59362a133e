//! Gauss-Legendre rules on [0, 1]: n points integrate polynomials of degree 2n - 1 exactly.

#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub points: Vec<f64>,
    pub weights: Vec<f64>,
}

impl Rule {
    /// The points are the roots of the Legendre polynomial, found by Newton's method from
    /// Tricomi's estimate (a few steps to the last bit, for every n used here).
    pub fn gauss_legendre(n: usize) -> Self {
        let mut rule = Rule::default();
        for k in 0..n {
            let angle = std::f64::consts::PI * (k as f64 + 0.75) / (n as f64 + 0.5);
            let mut x = libm::cos(angle);
            let mut slope = 1.0;
            for _ in 0..8 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                x -= value / derivative;
            }
            rule.points.push((1.0 + x) / 2.0);
            rule.weights.push(1.0 / ((1.0 - x * x) * slope * slope));
        }
        rule
    }
}

/// The Legendre polynomial of degree n >= 1 and its derivative, by the three-term recurrence.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (
            value,
            ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
        );
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_up_to_degree_2n_minus_1_and_not_beyond() {
        for n in [1, 2, 3, 6, 20, 256] {
            let rule = Rule::gauss_legendre(n);
            let integral = |degree: usize| -> f64 {
                let terms = rule.points.iter().zip(&rule.weights);
                terms.map(|(x, w)| w * x.powi(degree as i32)).sum()
            };
            for degree in [0, n, 2 * n - 1] {
                let error = integral(degree) * (degree + 1) as f64 - 1.0;
                assert!(
                    error.abs() < 1e-11,
                    "{n} points, degree {degree}: {error:e}"
                );
            }
            if n < 6 {
                assert!(
                    (integral(2 * n) * (2 * n + 1) as f64 - 1.0).abs() > 1e-6,
                    "{n} points"
                );
            }
        }
    }
}
