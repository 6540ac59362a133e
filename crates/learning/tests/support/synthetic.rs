//! Seeded data with what fraud tables have: skewed amounts, a rule in the far tail, interactions,
//! integer counts, missing values, and many columns that mean nothing.

pub struct Synthetic {
    /// Row-major.
    pub values: Vec<f32>,
    pub labels: Vec<bool>,
    pub rows: usize,
    pub features: usize,
}

impl Synthetic {
    /// As `NAME.f32` and `NAME.u8`, for other programs.
    #[allow(dead_code, reason = "not every test compares with another program")]
    pub fn write(&self, dir: &std::path::Path, name: &str) {
        let values: Vec<u8> = self.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let labels: Vec<u8> = self.labels.iter().map(|&l| u8::from(l)).collect();
        std::fs::write(dir.join(format!("{name}.f32")), values).unwrap();
        std::fs::write(dir.join(format!("{name}.u8")), labels).unwrap();
    }
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn bits(&mut self) -> u64 {
        // xorshift64* (Vigna 2016); any nonzero state
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// At least 8 features.
pub fn synthetic(rows: usize, features: usize, base: f64, seed: u64) -> Synthetic {
    let mut random = Random::new(seed);
    let mut values = Vec::with_capacity(rows * features);
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let start = values.len();
        for feature in 0..features {
            let x = match feature % 4 {
                0 => (random.normal() * 1.2 + 3.0).exp(),
                1 => random.normal(),
                2 => (random.uniform() * random.uniform() * 40.0).floor(),
                _ => random.uniform(),
            };
            let missing = feature % 5 == 3 && random.uniform() < 0.15;
            values.push(if missing { f32::NAN } else { x as f32 });
        }
        let row = &values[start..];
        let present = |f: usize| {
            if row[f].is_nan() {
                0.2
            } else {
                f64::from(row[f])
            }
        };
        // exp(3 + 1.2 * 3.09): the 99.9th percentile of the amount
        let tail_rule = if row[0] > 820.0 { 6.0 } else { 0.0 };
        let logit = base + tail_rule + 1.4 * present(1) + 1.1 * present(1) * present(5)
            - 0.12 * present(2)
            + 2.0 * (6.0 * present(7)).sin()
            + if row[3].is_nan() {
                1.0
            } else {
                1.5 * present(3) * present(6) / 10.0
            };
        labels.push(random.uniform() < 1.0 / (1.0 + (-logit).exp()));
    }
    Synthetic {
        values,
        labels,
        rows,
        features,
    }
}

/// Area under the ROC curve, ties counted half.
#[allow(dead_code, reason = "not every test measures it")]
pub fn auc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut negatives_below, mut sum) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positives = tied.iter().filter(|&&i| labels[i]).count() as f64;
        let negatives = tied.len() as f64 - positives;
        sum += positives * (negatives_below + negatives / 2.0);
        negatives_below += negatives;
    }
    let positives = labels.iter().filter(|&&l| l).count() as f64;
    sum / (positives * negatives_below)
}
