//! How surprising a statistic is, and which of many surprises may be believed.

/// Upper tail of the standard normal distribution.
pub fn normal_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Upper tail of Student's t, by Wallace's (1959) normal approximation.
pub fn student_tail(t: f64, df: f64) -> f64 {
    let shrink = (8.0 * df + 1.0) / (8.0 * df + 3.0);
    let z = shrink * libm::sqrt(df * libm::log1p(t * t / df));
    normal_tail(if t < 0.0 { -z } else { z })
}

/// Upper tail of chi-squared, by Wilson and Hilferty (1931).
pub fn chi_squared_tail(x: f64, df: f64) -> f64 {
    let spread = 2.0 / (9.0 * df);
    let z = (libm::cbrt((x / df).max(0.0)) - (1.0 - spread)) / libm::sqrt(spread);
    normal_tail(z)
}

/// Benjamini and Hochberg (1995): the largest p that may be believed at false discovery rate `level` among `tests`
/// tests, of which those not given have p = 1. `None`: none.
pub fn threshold(p: &mut [f64], tests: usize, level: f64) -> Option<f64> {
    p.sort_by(f64::total_cmp);
    let holds = |rank: usize| p[rank] <= level * (rank + 1) as f64 / tests as f64;
    (0..p.len()).rev().find(|rank| holds(*rank)).map(|it| p[it])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 0.1, "{got} {want}");
        near(normal_tail(1.959_964), 0.025);
        near(normal_tail(5.0), 2.866_5e-7);
        near(student_tail(2.055_5, 26.0), 0.025);
        near(student_tail(3.706_6, 26.0), 0.0005);
        near(chi_squared_tail(19.675, 11.0), 0.05);
        near(chi_squared_tail(31.264, 11.0), 0.001);
    }

    #[test]
    fn a_small_p_among_many_tests_is_believed_only_below_its_share() {
        assert_eq!(threshold(&mut [0.01, 0.9], 10, 0.05), None);
        assert_eq!(threshold(&mut [0.004, 0.9], 10, 0.05), Some(0.004));
        // The second is carried by its rank.
        assert_eq!(threshold(&mut [0.004, 0.009], 10, 0.05), Some(0.009));
    }
}
