//! Where nothing is sent: addresses that are not on the public Internet, unless the operator allows their range.
//!
//! A URL comes from a tenant, and the server stands where a tenant does not: without this, a tenant could make it
//! speak to the machine itself, to its neighbours, or to a cloud's metadata service (OWASP: SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Where a delivery may go.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Whether a URL may be http://.
    pub http: bool,
    /// Ranges that may be spoken to although they are not public.
    pub allow: Vec<IpNet>,
}

impl Reach {
    /// The name of the range that forbids the address; `None`: it may be spoken to.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let plain = plain(address);
        if self.allow.iter().any(|range| range.contains(&plain)) {
            return None;
        }
        match plain {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// `::ffff:10.0.0.1` is 10.0.0.1: the kernel connects to the latter.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// IANA's registry of special-purpose IPv4 addresses (RFC 6890 and later), all that is not for everybody.
const V4: [(Ipv4Addr, u8, &str); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        "shared (carrier-grade NAT)",
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // 169.254.169.254 is the metadata service of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "reserved (AS112)"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "reserved (AMT)"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved (6to4 relays)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let within = |first: Ipv4Addr, bits: u8| {
        let mask = u32::MAX << (32 - u32::from(bits));
        address.to_bits() & mask == first.to_bits()
    };
    let found = V4.iter().find(|(first, bits, _)| within(*first, *bits));
    found.map(|(_, _, name)| *name)
}

/// Only 2000::/3 is given out to the public; within it, what carries an IPv4 address or is for documents.
const V6: [(Ipv6Addr, u8, &str); 4] = [
    // Teredo, ORCHID, benchmarks and the like.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "reserved for protocols",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "for documentation",
    ),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "for documentation",
    ),
];

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let within = |first: Ipv6Addr, bits: u8| {
        let mask = u128::MAX << (128 - u32::from(bits));
        address.to_bits() & mask == first.to_bits()
    };
    let first = address.segments()[0];
    match first {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unspecified() => Some("unspecified"),
        0xfc00..=0xfdff => Some("private (unique local)"),
        0xfe80..=0xfebf => Some("link-local"),
        0xff00..=0xffff => Some("multicast"),
        _ if first & 0xe000 != 0x2000 => Some("not public"),
        _ => {
            let found = V6.iter().find(|(first, bits, _)| within(*first, *bits));
            found.map(|(_, _, name)| *name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, allowed: &str) -> Option<&'static str> {
        let ranges = allowed.split_whitespace().filter_map(|it| it.parse().ok());
        let reach = Reach {
            http: false,
            allow: ranges.collect(),
        };
        let address = text.parse();
        assert!(address.is_ok(), "{text}");
        address.ok().and_then(|it| reach.refuses(it))
    }

    #[test]
    fn only_public_addresses_are_spoken_to() {
        // The first and the last address of each range, and their neighbours outside.
        for (text, range) in [
            ("0.255.255.255", "this network"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "shared (carrier-grade NAT)"),
            ("100.127.255.255", "shared (carrier-grade NAT)"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "reserved for protocols"),
            ("192.168.0.1", "private"),
            ("198.19.255.255", "for benchmarks"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "reserved or broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "link-local"),
            ("::7f00:1", "not public"),
            ("64:ff9b::a00:1", "not public"),
            ("fc00::1", "private (unique local)"),
            ("fd00:ec2::254", "private (unique local)"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "not public"),
            ("ff02::1", "multicast"),
            ("2001::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "6to4"),
            ("3fff:fff::1", "for documentation"),
        ] {
            assert_eq!(refused(text, ""), Some(range), "{text}");
        }
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2606:4700::1111",
            "3fff:1000::1",
        ] {
            assert_eq!(refused(text, ""), None, "{text}");
        }
    }

    #[test]
    fn an_allowed_range_is_no_wider_than_it_says() {
        assert_eq!(refused("10.1.2.3", "10.1.0.0/16 fd00::/8"), None);
        assert_eq!(refused("::ffff:10.1.2.3", "10.1.0.0/16"), None);
        assert_eq!(refused("fd12::1", "10.1.0.0/16 fd00::/8"), None);
        assert_eq!(refused("10.2.0.0", "10.1.0.0/16"), Some("private"));
        assert_eq!(refused("127.0.0.1", "10.1.0.0/16"), Some("loopback"));
    }
}
