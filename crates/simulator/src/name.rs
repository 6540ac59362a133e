//! Opaque text forms of ids. Every id of a kind goes through one keyed bijection of 40 bits, so that its
//! text tells nothing of creation order, role or owner.

use crate::random::{Purpose, hash};
use crate::row::{
    AccountNo, CardNo, CityNo, DeviceNo, EventNo, Ip, MerchantNo, RingNo, TerminalNo,
};

const MASK_40: u64 = (1 << 40) - 1;
const MASK_24: u64 = (1 << 24) - 1;
/// Crockford's base 32, lower case.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Keyed by the seed: two worlds have unrelated ids.
#[derive(Clone, Debug)]
pub struct Names {
    keys: [(u64, u64); 9],
}

impl Names {
    pub fn new(seed: u64) -> Names {
        let mut keys = [(0, 0); 9];
        for (kind, key) in keys.iter_mut().enumerate() {
            // multipliers of a bijection must be odd
            *key = (
                hash(seed, Purpose::Name, kind as u64, 0) | 1,
                hash(seed, Purpose::Name, kind as u64, 1) | 1,
            );
        }
        Names { keys }
    }

    pub fn event(&self, id: EventNo, out: &mut Vec<u8>) {
        self.write(0, b'e', id.0, out);
    }

    pub fn account(&self, id: AccountNo, out: &mut Vec<u8>) {
        self.write(1, b'a', u64::from(id.0), out);
    }

    pub fn card(&self, id: CardNo, out: &mut Vec<u8>) {
        self.write(2, b'c', u64::from(id.0), out);
    }

    pub fn device(&self, id: DeviceNo, out: &mut Vec<u8>) {
        self.write(3, b'd', u64::from(id.0), out);
    }

    pub fn merchant(&self, id: MerchantNo, out: &mut Vec<u8>) {
        self.write(4, b'm', u64::from(id.0), out);
    }

    pub fn terminal(&self, id: TerminalNo, out: &mut Vec<u8>) {
        self.write(5, b't', u64::from(id.0), out);
    }

    pub fn city(&self, id: CityNo, out: &mut Vec<u8>) {
        self.write(6, b'l', u64::from(id.0), out);
    }

    pub fn ring(&self, id: RingNo, out: &mut Vec<u8>) {
        self.write(7, b'r', u64::from(id.0), out);
    }

    /// Dotted quad; addresses of one network of 256 stay together.
    pub fn ip(&self, id: Ip, out: &mut Vec<u8>) {
        let network = permute(u64::from(id.0 >> 8), self.keys[8], 24, MASK_24);
        let octets = [
            network >> 16,
            (network >> 8) & 255,
            network & 255,
            u64::from(id.0 & 255),
        ];
        for (place, octet) in octets.into_iter().enumerate() {
            if place > 0 {
                out.push(b'.');
            }
            write_number(octet, out);
        }
    }

    fn write(&self, kind: usize, prefix: u8, id: u64, out: &mut Vec<u8>) {
        let word = permute(id, self.keys[kind], 40, MASK_40);
        out.push(prefix);
        for place in (0..8).rev() {
            out.push(DIGITS[(word >> (5 * place) & 31) as usize]);
        }
    }
}

pub fn write_number(value: u64, out: &mut Vec<u8>) {
    let mut text = [0_u8; 20];
    let mut at = text.len();
    let mut left = value;
    loop {
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Multiplication by an odd number and xor with the own upper half are both invertible modulo 2^bits.
fn permute(id: u64, key: (u64, u64), bits: u32, mask: u64) -> u64 {
    let mut x = id.wrapping_add(key.1 >> 7) & mask;
    for multiplier in [key.0, key.1, key.0.rotate_left(17) | 1] {
        x = x.wrapping_mul(multiplier) & mask;
        x ^= x >> (bits / 2);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_out_of_order() {
        let names = Names::new(7);
        let all: Vec<String> = (0..20_000)
            .map(|id| {
                let mut text = Vec::new();
                names.account(AccountNo(id), &mut text);
                String::from_utf8(text).unwrap()
            })
            .collect();
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let rises = all.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(
            (9_500..10_500).contains(&rises),
            "{rises} of 19999 neighbours rise"
        );
    }

    #[test]
    fn a_network_keeps_its_hosts_together() {
        let names = Names::new(7);
        let text = |ip| {
            let mut out = Vec::new();
            names.ip(Ip(ip), &mut out);
            String::from_utf8(out).unwrap()
        };
        let (near, far) = (text(0x0001_0203), text(0x0001_0303));
        let network = |ip: &str| ip.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(network(&text(0x0001_0299)), network(&near));
        assert_ne!(network(&far), network(&near));
    }
}
