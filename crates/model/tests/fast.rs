//! The fast predictors return the bits of the plain walk.

#[path = "support/random_trees.rs"]
#[allow(clippy::unwrap_used, reason = "helpers of tests")]
mod random_trees;

use random_trees::{Random, random_row, random_trees};
use ringfence_model::fast::{FastTrees, Scratch};

/// Rows hold NaN, infinities, zeros of both signs, tiny values and values equal to thresholds; the
/// leaf counts reach each word size, its edge, and the walk.
#[test]
fn same_bits_as_the_plain_walk() {
    let mut scratch = Scratch::default();
    for (seed, leaves) in (0..).zip([1, 2, 12, 16, 17, 32, 33, 63, 64, 65, 200]) {
        for features in [1, 5, 40] {
            let trees = random_trees(seed * 100 + features as u64, features, 37, leaves);
            let fast = FastTrees::new(&trees);
            let mut random = Random(seed);
            for row in 0..300 {
                let x = random_row(&mut random, features);
                let (expected, got) = (trees.predict_raw(&x), fast.predict_raw(&x, &mut scratch));
                assert_eq!(
                    expected.to_bits(),
                    got.to_bits(),
                    "{leaves} leaves, {features} features, row {row}: {x:?}"
                );
            }
        }
    }
}

#[test]
fn a_batch_is_its_rows() {
    let trees = random_trees(5, 6, 21, 30);
    let mut random = Random(6);
    let rows: Vec<f32> = (0..150).flat_map(|_| random_row(&mut random, 6)).collect();
    let mut out = vec![0.0; 150];
    trees.predict_raw_batch(&rows, &mut out);
    for (row, out) in rows.chunks(6).zip(out) {
        assert_eq!(trees.predict_raw(row).to_bits(), out.to_bits());
    }
}
