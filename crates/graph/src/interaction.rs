//! An event as one of its entities remembers it: 32 bytes.

use event::{EventTime, EventTypeIx, Position, RoleIx};

use crate::slab::NONE;

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Interaction {
    pub time: EventTime,
    /// The node on the other end: the counterparty for the subject, the subject for everybody else.
    pub peer: u32,
    /// The device of the event, wherever this interaction is kept.
    pub device: u32,
    /// Base currency, major units; NaN without an amount or a rate.
    pub amount: f32,
    pub position_low: u32,
    /// Calibrated suspicion of the event; 0 stands for none.
    pub suspicion: u16,
    pub position_high: u8,
    /// Event type in the low nibble, role in the high one.
    pub type_and_role: u8,
    pub state: u8,
    pub signs: u8,
    /// Amount against the subject's own history, in eighths of a standard deviation.
    pub z8: i8,
    /// Direction of the money as this node sees it.
    pub direction: Direction,
}

/// Which way the money goes, from the node that keeps the interaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    #[default]
    Out = 0,
    In = 1,
}

/// Bits of [`Interaction::state`].
pub mod state {
    pub const FRAUD: u8 = 1;
    pub const LEGITIMATE: u8 = 2;
    /// The money did not move, or came back.
    pub const NOT_MOVED: u8 = 4;
    pub const DECLINED: u8 = 8;
    /// The event class moves money at all.
    pub const MONEY: u8 = 16;
}

/// Bits of [`Interaction::signs`]: what was unusual about the event when it came.
pub mod signs {
    /// First interaction of subject and counterparty.
    pub const NEW_PAIR: u8 = 1;
    /// The counterparty had no interaction within the third window.
    pub const QUIET_PEER: u8 = 2;
    /// The amount matches something the subject received within the longest window.
    pub const AMOUNT_MATCH: u8 = 4;
    /// First event of the subject on this device.
    pub const NEW_DEVICE: u8 = 8;
}

impl Default for Interaction {
    fn default() -> Interaction {
        Interaction {
            time: EventTime::MIN,
            peer: NONE,
            device: NONE,
            amount: f32::NAN,
            position_low: 0,
            suspicion: 0,
            position_high: 0,
            type_and_role: 0,
            state: 0,
            signs: 0,
            z8: 0,
            direction: Direction::Out,
        }
    }
}

impl Interaction {
    pub const BYTES: usize = 32;

    pub fn with_position(mut self, position: Position) -> Interaction {
        self.position_low = position.0 as u32;
        self.position_high = (position.0 >> 32) as u8;
        self
    }

    pub fn position(&self) -> Position {
        Position(u64::from(self.position_low) | u64::from(self.position_high) << 32)
    }

    pub fn with_type(mut self, event_type: EventTypeIx, role: RoleIx) -> Interaction {
        self.type_and_role = (event_type.0 & 15) | role.0 << 4;
        self
    }

    pub fn event_type(&self) -> EventTypeIx {
        EventTypeIx(self.type_and_role & 15)
    }

    pub fn role(&self) -> RoleIx {
        RoleIx(self.type_and_role >> 4)
    }

    pub fn has(&self, state_bit: u8) -> bool {
        self.state & state_bit != 0
    }

    /// Whether money actually moved.
    pub fn moved(&self) -> bool {
        self.state & (state::MONEY | state::NOT_MOVED) == state::MONEY
    }

    /// The amount, where money moved and its worth is known.
    pub fn paid(&self) -> Option<f32> {
        Some(self.amount).filter(|amount| self.moved() && !amount.is_nan())
    }

    /// The same with 0 for nothing.
    pub fn flow(&self) -> f32 {
        self.paid().unwrap_or(0.0)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.millis().to_le_bytes());
        out.extend_from_slice(&self.peer.to_le_bytes());
        out.extend_from_slice(&self.device.to_le_bytes());
        out.extend_from_slice(&self.amount.to_bits().to_le_bytes());
        out.extend_from_slice(&self.position_low.to_le_bytes());
        out.extend_from_slice(&self.suspicion.to_le_bytes());
        let rest = [
            self.position_high,
            self.type_and_role,
            self.state,
            self.signs,
            self.z8 as u8,
            self.direction as u8,
        ];
        out.extend_from_slice(&rest);
    }

    pub fn read(bytes: &[u8; Interaction::BYTES]) -> Interaction {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let low = u64::from(u32_at(0)) | u64::from(u32_at(4)) << 32;
        Interaction {
            time: EventTime::from_millis(low as i64),
            peer: u32_at(8),
            device: u32_at(12),
            amount: f32::from_bits(u32_at(16)),
            position_low: u32_at(20),
            suspicion: u16::from_le_bytes([bytes[24], bytes[25]]),
            position_high: bytes[26],
            type_and_role: bytes[27],
            state: bytes[28],
            signs: bytes[29],
            z8: bytes[30] as i8,
            direction: if bytes[31] == 0 {
                Direction::Out
            } else {
                Direction::In
            },
        }
    }
}

const _: () = assert!(std::mem::size_of::<Interaction>() == Interaction::BYTES);
