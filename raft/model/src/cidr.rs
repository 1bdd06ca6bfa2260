//! A block of addresses, `192.0.2.0/24` or a single address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A block of IPv4 or IPv6 addresses. The bits below the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// The text is not a block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    /// The part before the slash is not an IP address.
    #[error("{text:?}: expected an IP address, or one with a prefix length such as 192.0.2.0/24")]
    Address {
        /// The text as given.
        text: String,
    },
    /// The prefix is not a number, or longer than the address.
    #[error("{text:?}: the prefix length must be a number from 0 to {max}")]
    Prefix {
        /// The text as given.
        text: String,
        /// The longest prefix of this kind of address.
        max: u8,
    },
    /// The address has bits set below the prefix: one of the two is a typing mistake.
    #[error("{text:?}: the address has bits set below the prefix; did you mean {meant}?")]
    HostBits {
        /// The text as given.
        text: String,
        /// The block that contains the address.
        meant: Cidr,
    },
}

impl Cidr {
    /// The block of just one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { network: address, prefix: width(address) }
    }

    /// Whether the address lies in the block. IPv4 addresses mapped into IPv6 count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.network) && masked(address, self.prefix) == self.network
    }

    /// The block of the first `prefix` bits of an address, which is taken as IPv4 if it is IPv4 mapped
    /// into IPv6; a prefix longer than the address is cut to it.
    #[must_use]
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(width(address));
        Self { network: masked(address, prefix), prefix }
    }

    /// The first address of the block.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// Whether the blocks have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// How many leading bits are fixed; a longer prefix is a smaller block.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr =
            address.parse().map_err(|_| InvalidCidr::Address { text: text.to_owned() })?;
        let max = width(address);
        let prefix = match prefix {
            None => max,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= max)
                .ok_or_else(|| InvalidCidr::Prefix { text: text.to_owned(), max })?,
        };
        let network = masked(address, prefix);
        if network != address {
            let meant = Self { network, prefix };
            return Err(InvalidCidr::HostBits { text: text.to_owned(), meant });
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits below the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_contains_its_addresses_and_no_others() {
        for (block, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ] {
            assert!(cidr(block).contains(inside.parse().unwrap()), "{inside} in {block}");
            assert!(!cidr(block).contains(outside.parse().unwrap()), "{outside} not in {block}");
        }
    }

    #[test]
    fn blocks_overlap_if_one_contains_the_other() {
        assert!(cidr("10.0.0.0/8").overlaps(&cidr("10.1.0.0/16")));
        assert!(cidr("10.1.2.3").overlaps(&cidr("10.1.0.0/16")));
        assert!(!cidr("10.0.0.0/16").overlaps(&cidr("10.1.0.0/16")));
        assert!(!cidr("0.0.0.0/0").overlaps(&cidr("::/0")));
        assert_eq!(Cidr::around("2001:db8:1:2::7".parse().unwrap(), 64), cidr("2001:db8:1:2::/64"));
        assert_eq!(Cidr::around("::ffff:10.1.2.3".parse().unwrap(), 64), cidr("10.1.2.3"));
    }

    #[test]
    fn mistakes_are_named() {
        let fault = |text: &str| text.parse::<Cidr>().unwrap_err().to_string();
        assert_eq!(
            fault("10.0.0.0/33"),
            "\"10.0.0.0/33\": the prefix length must be a number from 0 to 32"
        );
        assert!(fault("10.0.0.1/8").ends_with("did you mean 10.0.0.0/8?"));
        assert!(fault("carrier").contains("expected an IP address"));
    }
}
