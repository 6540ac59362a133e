//! Networks of IPv4 and IPv6 addresses (RFC 4632, RFC 4291).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{ItemError, shortened};

/// A network with no bit set behind its length. An IPv4 address stands in the upper 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    v6: bool,
    len: u8,
    bits: u128,
}

impl Cidr {
    /// Parses `10.0.0.0/8`, `2001:db8::/32`, or an address alone for a network of one.
    pub fn parse(text: &str) -> Result<Cidr, ItemError> {
        let not_network = || ItemError::NotNetwork {
            value: shortened(text),
        };
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| not_network())?;
        let (v6, bits, width) = match address {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (true, v6.to_bits(), 128),
        };
        let len = match len {
            None => width,
            Some(digits) => {
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let plain = plain && (digits == "0" || !digits.starts_with('0'));
                let len = digits.parse().ok().filter(|len| *len <= width && plain);
                len.ok_or_else(|| ItemError::PrefixLength {
                    value: shortened(text),
                    max: width,
                })?
            }
        };
        let cidr = Cidr { v6, len, bits };
        let value = shortened(text);
        if let Some(meant) = cidr.unmapped() {
            return Err(ItemError::MappedV4 { value, meant });
        }
        let meant = cidr.shortened_to(len);
        if meant != cidr {
            return Err(ItemError::HostBits { value, meant });
        }
        Ok(cidr)
    }

    /// The network of one address; an IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn of_address(address: IpAddr) -> Cidr {
        match address.to_canonical() {
            IpAddr::V4(v4) => Cidr {
                v6: false,
                len: 32,
                bits: u128::from(v4.to_bits()) << 96,
            },
            IpAddr::V6(v6) => Cidr {
                v6: true,
                len: 128,
                bits: v6.to_bits(),
            },
        }
    }

    pub fn is_v6(self) -> bool {
        self.v6
    }

    pub fn prefix_len(self) -> u8 {
        self.len
    }

    /// The network of length `len` around it; the caller gives no greater length than its own.
    pub(crate) fn shortened_to(self, len: u8) -> Cidr {
        let mask = match len {
            0 => 0,
            len => u128::MAX << (128 - u32::from(len)),
        };
        let bits = self.bits & mask;
        Cidr { len, bits, ..self }
    }

    /// The IPv4 network for which `::ffff:a.b.c.d/n` stands.
    fn unmapped(self) -> Option<Cidr> {
        let address = Ipv6Addr::from_bits(self.bits).to_ipv4_mapped()?;
        let len = self.len.checked_sub(96)?;
        let bits = u128::from(address.to_bits()) << 96;
        let v4 = Cidr {
            v6: false,
            len,
            bits,
        };
        self.v6.then(|| v4.shortened_to(len))
    }

    pub(crate) const KEY_BYTES: usize = 18;

    pub(crate) fn key(self) -> [u8; Cidr::KEY_BYTES] {
        let mut key = [0; Cidr::KEY_BYTES];
        key[0] = u8::from(self.v6);
        key[1] = self.len;
        key[2..].copy_from_slice(&self.bits.to_be_bytes());
        key
    }

    /// Bytes of the key that say something: an IPv4 key ends after its address.
    pub(crate) fn key_len(self) -> usize {
        if self.v6 { Cidr::KEY_BYTES } else { 6 }
    }

    /// `None` for bytes that no network has.
    pub(crate) fn from_key(key: &[u8]) -> Option<Cidr> {
        let (v6, len) = (*key.first()? == 1, *key.get(1)?);
        let mut bits = [0; 16];
        bits.get_mut(..key.len() - 2)?.copy_from_slice(&key[2..]);
        let bits = u128::from_be_bytes(bits);
        let cidr = Cidr { v6, len, bits };
        let sound = key[0] <= 1
            && key.len() == cidr.key_len()
            && len <= if v6 { 128 } else { 32 }
            && cidr.shortened_to(len) == cidr;
        sound.then_some(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v6 {
            write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.len)
        } else {
            let v4 = Ipv4Addr::from_bits((self.bits >> 96) as u32);
            write!(f, "{v4}/{}", self.len)
        }
    }
}
