//! Logistic regression with a handful of coefficients, by damped Newton steps.

/// Minimises weighted log-loss + sum of `ridge / 2 * (coefficient - prior)^2`.
pub struct Logistic<const N: usize> {
    pub ridge: [f64; N],
    pub prior: [f64; N],
}

const STEPS_MAX: usize = 100;
const HALVINGS_MAX: usize = 40;

impl<const N: usize> Logistic<N> {
    pub fn solve(&self, rows: &[[f64; N]], labels: &[bool], weights: &[f64]) -> [f64; N] {
        self.solve_beside(&[], rows, labels, weights)
    }

    /// With a fixed offset per row (none when empty) beside what is fitted.
    pub fn solve_beside(
        &self,
        offsets: &[f64],
        rows: &[[f64; N]],
        labels: &[bool],
        weights: &[f64],
    ) -> [f64; N] {
        let data = Data {
            offsets,
            rows,
            labels,
            weights,
        };
        let mut at = self.prior;
        let mut loss = self.loss(&data, &at);
        for _ in 0..STEPS_MAX {
            let step = self.newton_step(&data, &at);
            // The loss is convex: some part of a Newton step always lowers it, until nothing does.
            let mut share = 1.0;
            let better = (0..HALVINGS_MAX).find_map(|_| {
                let next: [f64; N] = std::array::from_fn(|i| at[i] - share * step[i]);
                share /= 2.0;
                let next_loss = self.loss(&data, &next);
                (next_loss < loss).then_some((next, next_loss))
            });
            let Some((next, next_loss)) = better else {
                break;
            };
            let gained = loss - next_loss;
            (at, loss) = (next, next_loss);
            if gained <= 1e-14 * loss.abs() {
                break;
            }
        }
        at
    }

    fn loss(&self, data: &Data<'_, N>, at: &[f64; N]) -> f64 {
        let fit: f64 = (0..data.rows.len())
            .map(|row| {
                let log_odds = data.log_odds(row, at);
                let margin = if data.labels[row] {
                    log_odds
                } else {
                    -log_odds
                };
                data.weights[row] * ((-margin).max(0.0) + libm::log1p(libm::exp(-margin.abs())))
            })
            .sum();
        let penalty = |i: usize| self.ridge[i] / 2.0 * (at[i] - self.prior[i]).powi(2);
        fit + (0..N).map(penalty).sum::<f64>()
    }

    /// Hessian^-1 * gradient.
    fn newton_step(&self, data: &Data<'_, N>, at: &[f64; N]) -> [f64; N] {
        let mut gradient: [f64; N] =
            std::array::from_fn(|i| self.ridge[i] * (at[i] - self.prior[i]));
        let mut hessian = [[0.0; N]; N];
        for (i, row) in hessian.iter_mut().enumerate() {
            // a trace, against a singular matrix when a column is constant
            row[i] = self.ridge[i] + 1e-9;
        }
        for (row, x) in data.rows.iter().enumerate() {
            let p = model::score::sigmoid(data.log_odds(row, at));
            let y = if data.labels[row] { 1.0 } else { 0.0 };
            let weight = data.weights[row];
            for i in 0..N {
                gradient[i] += weight * (p - y) * x[i];
                for j in 0..N {
                    hessian[i][j] += weight * p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        eliminate(hessian, gradient)
    }
}

struct Data<'a, const N: usize> {
    offsets: &'a [f64],
    rows: &'a [[f64; N]],
    labels: &'a [bool],
    weights: &'a [f64],
}

impl<const N: usize> Data<'_, N> {
    fn log_odds(&self, row: usize, at: &[f64; N]) -> f64 {
        let fitted: f64 = self.rows[row].iter().zip(at).map(|(x, c)| x * c).sum();
        fitted + self.offsets.get(row).copied().unwrap_or(0.0)
    }
}

/// Solves a positive definite system; no pivoting is needed for one.
fn eliminate<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for below in i + 1..N {
            let factor = a[below][i] / a[i][i];
            let pivot = a[i];
            for (value, top) in a[below].iter_mut().zip(pivot) {
                *value -= factor * top;
            }
            b[below] -= factor * b[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}
