//! Networks, and which of them are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are not public. Source: the IANA special-purpose address registries (RFC 6890 and its
/// updates); 168.63.129.16 is Azure's host service, which is reachable from every virtual machine there.
const PRIVATE_V4: [(Ipv4Addr, u8); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The networks in 2000::/3 that are not public; no other IPv6 network is. 2001::/23 holds Teredo, ORCHID and
/// similar.
const PRIVATE_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

impl Net {
    /// Reads `address` or `address/bits`; an IPv6 address may be in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether all addresses of the network are in another one.
    pub fn is_within(&self, other: &Self) -> bool {
        let narrower = match (self.address.is_ipv4(), other.address.is_ipv4()) {
            (true, true) | (false, false) => self.bits >= other.bits,
            // One IPv6 address may represent an IPv4 address.
            _ => self.bits == 128,
        };
        narrower && other.contains(self.address)
    }

    /// Whether an address is in the network. An IPv6 address that represents an IPv4 address counts as both.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => within_v4(net, self.bits, address),
            (IpAddr::V6(net), IpAddr::V6(address)) => within_v6(net, self.bits, address),
            (IpAddr::V4(net), IpAddr::V6(address)) => {
                embedded(address).is_some_and(|address| within_v4(net, self.bits, address))
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether an address is public.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => public_v4(inner),
            None => {
                let global = within_v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, address);
                global && !PRIVATE_V6.iter().any(|(net, bits)| within_v6(*net, *bits, address))
            }
        },
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    !PRIVATE_V4.iter().any(|(net, bits)| within_v4(*net, *bits, address))
}

/// The IPv4 address that an IPv6 address represents: mapped, compatible, translated, NAT64 (RFC 6052) or
/// 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff)
        | (0, 0, 0, 0, 0xffff, 0)
        | (0x64, 0xff9b, 0, 0, 0, 0)
        | (0, 0, 0, 0, 0, 0) => Some(join(g, h)),
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

fn within_v4(net: Ipv4Addr, bits: u8, address: Ipv4Addr) -> bool {
    let shift = 32 - u32::from(bits);
    (net.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}

fn within_v6(net: Ipv6Addr, bits: u8, address: Ipv6Addr) -> bool {
    let shift = 128 - u32::from(bits);
    (net.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}
