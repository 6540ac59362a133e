//! What only the oracle file holds: which event belongs to which ring, in what role, and when the evidence
//! was enough. Nothing of this module is reachable from a `Row`.

use crate::row::{EventNo, RingNo};
use crate::typology::{Part, Stage, Typology};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Secret {
    pub event: EventNo,
    pub ring: RingNo,
    pub typology: Typology,
    /// What the account that acts is in the ring.
    pub part: Part,
    pub stage: Stage,
    pub role: Role,
    /// The ring's first event after which the oracle's posterior exceeds ten times the prevalence.
    pub earliest_evidence: Option<EventNo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Fraud,
    /// An event of a ring that is no offence by itself: funding, a raised limit.
    Cover,
    /// The same shape among friends.
    HardNegative,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Fraud => "fraud",
            Role::Cover => "cover",
            Role::HardNegative => "hard_negative",
        }
    }
}

/// Signs an investigator could see on one event of a ring, with the rings' history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// A device that is not the account holder's.
    pub foreign_screen: bool,
    /// A device on which another account of the ring has acted before.
    pub shared_screen: bool,
    /// Three times the usual amount, or more.
    pub large: bool,
    /// A payee who is no contact of the payer.
    pub stranger: bool,
    /// Between 23 and 6 o'clock.
    pub night: bool,
    /// Most of what came in within the ring goes out again.
    pub passes_on: bool,
    /// The same shop as another account of the ring before.
    pub same_shop: bool,
}

/// ln of the odds factor when the sign is there and when it is not: the fixed oracle. Naive in that it
/// takes the signs as independent; it is a yardstick of what the stream gives away, not an upper bound.
const WEIGHTS: [(f64, f64); 7] = [
    (1.4, -0.5),
    (1.2, -0.1),
    (1.0, -0.3),
    (0.8, -0.7),
    (0.7, -0.1),
    (1.3, -0.1),
    (0.9, -0.1),
];

/// The oracle's running belief in one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Belief {
    gained: f64,
    pub first: Option<EventNo>,
}

impl Belief {
    pub fn see(&mut self, event: EventNo, signs: Signs, prevalence: f64) {
        let flags = [
            signs.foreign_screen,
            signs.shared_screen,
            signs.large,
            signs.stranger,
            signs.night,
            signs.passes_on,
            signs.same_shop,
        ];
        for ((present, absent), flag) in WEIGHTS.into_iter().zip(flags) {
            self.gained += if flag { present } else { absent };
        }
        let odds = prevalence / (1.0 - prevalence) * libm::exp(self.gained);
        if self.first.is_none() && odds / (1.0 + odds) > 10.0 * prevalence {
            self.first = Some(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_first_event_past_ten_times_prevalence() {
        let strong = Signs {
            foreign_screen: true,
            large: true,
            ..Signs::default()
        };
        let mut belief = Belief::default();
        for event in 0..6 {
            belief.see(EventNo(event), strong, 0.004);
        }
        // each such event gains 1.4 - 0.1 + 1.0 - 0.7 - 0.1 - 0.1 - 0.1 = 1.3; ln(10) and the odds'
        // curvature need 2.34
        assert_eq!(belief.first, Some(EventNo(1)));
        let mut calm = Belief::default();
        for event in 0..6 {
            calm.see(EventNo(event), Signs::default(), 0.004);
        }
        assert_eq!(calm.first, None);
    }
}
