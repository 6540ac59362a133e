//! A small share of what the score would decline passes, so that declined traffic gets labels too.
//!
//! Labels of what was declined do not come: who learns from approved events only learns from a biased sample.
//! The share is logged as each decision's propensity, by which training weighs it. The draw is a function of
//! the event's id and a secret, so that a replay draws the same and nobody outside can tell which id passes.

use std::ops::Range;

use event::{Event, EventId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::policy::PolicyError;

#[derive(Clone, Debug, PartialEq)]
pub struct RandomApprove {
    share: f64,
    /// Major units of the base currency.
    amount_max: f32,
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RandomApproveFile {
    share: f64,
    amount_max: f64,
    secret: String,
}

/// A larger share is no probe any more but an open door.
pub const SHARE_MAX: f64 = 0.1;
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// What stands for the secret where a policy is shown to whom it is not told.
pub const HIDDEN: &str = "(hidden)";
const _: () = assert!(
    HIDDEN.len() < *SECRET_BYTES.start(),
    "no secret is taken for it"
);

/// A policy's text as everybody may see it.
pub fn hidden(policy: &str) -> String {
    match secret_of(policy) {
        None => policy.to_owned(),
        Some(at) => format!("{}{HIDDEN:?}{}", &policy[..at.start], &policy[at.end..]),
    }
}

/// A policy that was shown so and comes back, with the secret of the one in force.
pub fn revealed(policy: &str, held: &str) -> Result<String, PolicyError> {
    let Some(at) = secret_of(policy).filter(|at| is_hidden(&policy[at.clone()])) else {
        return Ok(policy.to_owned());
    };
    let Some(kept) = secret_of(held) else {
        return Err(PolicyError::RandomApprove {
            field: "random_approve.secret".to_owned(),
            must: "told: the policy in force has none that could be kept".to_owned(),
        });
    };
    let (before, after) = (&policy[..at.start], &policy[at.end..]);
    Ok(format!("{before}{}{after}", &held[kept]))
}

/// As JSON became TOML it may have other quotes.
fn is_hidden(literal: &str) -> bool {
    literal.trim_matches(['"', '\'']) == HIDDEN
}

/// Where the secret's literal stands, quotes and all. `None`: there is none, or the text is no policy.
fn secret_of(policy: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(policy).ok()?;
    let draw = field(document.get_ref(), "random_approve")?;
    let DeValue::Table(draw) = draw.get_ref() else {
        return None;
    };
    Some(field(draw, "secret")?.span())
}

fn field<'t, 'd>(table: &'t DeTable<'d>, name: &str) -> Option<&'t Spanned<DeValue<'d>>> {
    let found = table.iter().find(|(key, _)| key.get_ref() == name);
    found.map(|(_, value)| value)
}

impl RandomApprove {
    pub(crate) fn check(file: RandomApproveFile) -> Result<RandomApprove, PolicyError> {
        let refused = |field: &str, must: String| {
            let field = format!("random_approve.{field}");
            Err(PolicyError::RandomApprove { field, must })
        };
        if !(file.share > 0.0 && file.share <= SHARE_MAX) {
            let must = format!("above 0 and at most {SHARE_MAX}, got {}", file.share);
            return refused("share", must);
        }
        if !(file.amount_max > 0.0 && file.amount_max.is_finite()) {
            let must = format!(
                "an amount above 0 in base currency, got {}",
                file.amount_max
            );
            return refused("amount_max", must);
        }
        if !SECRET_BYTES.contains(&file.secret.len()) {
            let (from, to) = SECRET_BYTES.into_inner();
            let must = format!("of {from} to {to} bytes, got {}", file.secret.len());
            return refused("secret", must);
        }
        Ok(RandomApprove {
            share: file.share,
            amount_max: file.amount_max as f32,
            secret: file.secret,
        })
    }

    /// Whether an event that would be declined takes part: what it can lose at most is known and small.
    pub fn takes_part(&self, base_amount: Option<f32>) -> bool {
        base_amount.is_some_and(|amount| amount <= self.amount_max)
    }

    pub fn passes(&self, event: &Event) -> bool {
        self.draw(&event.event_id) < self.share
    }

    /// In parts per million, never 0: somebody divides by it.
    pub fn share_ppm(&self) -> u32 {
        ((self.share * 1e6).round() as u32).max(1)
    }

    /// Uniform in [0, 1).
    fn draw(&self, id: &EventId) -> f64 {
        let mut hasher = Sha256::new();
        hasher.update((self.secret.len() as u64).to_le_bytes());
        hasher.update(self.secret.as_bytes());
        hasher.update(id.as_str().as_bytes());
        let hash = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        // 53 bits, as many as a double holds exactly.
        (u64::from_le_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
