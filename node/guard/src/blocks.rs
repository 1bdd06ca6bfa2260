//! A set of blocks of addresses: whether one of them contains an address is asked once for each
//! length of prefix in use, of which there are few.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use foldhash::quality::FixedState;
use holdline_model::Cidr;

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    blocks: HashSet<Cidr, FixedState>,
    lengths: Vec<u8>,
    /// In order, for those who look at all.
    ordered: BTreeSet<Cidr>,
}

impl Blocks {
    /// Whether a block contains the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.lengths.iter().any(|length| self.blocks.contains(&Cidr::around(address, *length)))
    }

    /// The first block that has an address in common with `block`.
    #[must_use]
    pub fn overlapping(&self, block: &Cidr) -> Option<Cidr> {
        self.ordered.iter().find(|known| known.overlaps(block)).copied()
    }
}

impl FromIterator<Cidr> for Blocks {
    fn from_iter<I: IntoIterator<Item = Cidr>>(blocks: I) -> Self {
        let ordered: BTreeSet<Cidr> = blocks.into_iter().collect();
        let lengths: BTreeSet<u8> = ordered.iter().map(Cidr::prefix).collect();
        let lengths = lengths.into_iter().rev().collect();
        Self { blocks: ordered.iter().copied().collect(), lengths, ordered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_lengths_are_found() {
        let blocks: Blocks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect();
        for (address, inside) in [
            ("10.9.9.9", true),
            ("11.0.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8::1", true),
            ("::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(blocks.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert_eq!(
            blocks.overlapping(&"192.0.0.0/16".parse().unwrap()),
            Some("192.0.2.7".parse().unwrap())
        );
        assert!(!Blocks::default().contains("10.0.0.1".parse().unwrap()));
    }
}
