//! The Ethernet frames that tell neighbours where an address is now. Pure: bytes from addresses.
//!
//! IPv4: gratuitous ARP (RFC 5227 section 3; RFC 826), as request and as reply, because some
//! neighbours heed only the one and some only the other. IPv6: unsolicited neighbour advertisement
//! with the override flag (RFC 4861 section 7.2.6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub(crate) type Mac = [u8; 6];

/// The frames that announce `addr` at `mac`, each complete from the Ethernet header on.
pub(crate) fn announcements(mac: Mac, addr: IpAddr) -> Vec<Vec<u8>> {
    match addr {
        IpAddr::V4(addr) => vec![arp(ARP_REQUEST, mac, addr), arp(ARP_REPLY, mac, addr)],
        IpAddr::V6(addr) => vec![neighbour_advertisement(mac, addr)],
    }
}

fn arp(operation: u16, mac: Mac, addr: Ipv4Addr) -> Vec<u8> {
    // A gratuitous request leaves the target's hardware address open, a reply repeats the sender's.
    let target = if operation == ARP_REQUEST { [0; 6] } else { mac };
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP);
    frame.extend_from_slice(&[0, 1]); // hardware type: Ethernet
    frame.extend_from_slice(&ETHERTYPE_IPV4.to_be_bytes());
    frame.extend_from_slice(&[6, 4]); // lengths of hardware and protocol addresses
    frame.extend_from_slice(&operation.to_be_bytes());
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&addr.octets());
    frame.extend_from_slice(&target);
    frame.extend_from_slice(&addr.octets());
    // The shortest Ethernet frame carries 46 bytes; virtual devices do not pad by themselves.
    frame.resize(ETHERNET_HEADER + ETHERNET_MIN_PAYLOAD, 0);
    frame
}

fn neighbour_advertisement(mac: Mac, addr: Ipv6Addr) -> Vec<u8> {
    let mut icmp = vec![ICMP6_NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, NA_OVERRIDE, 0, 0, 0];
    icmp.extend_from_slice(&addr.octets());
    icmp.extend_from_slice(&[2, 1]); // option: target link-layer address, 8 bytes
    icmp.extend_from_slice(&mac);
    let sum = icmp6_checksum(addr, ALL_NODES, &icmp);
    icmp.splice(2..4, sum.to_be_bytes());

    let mut frame = ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6);
    frame.extend_from_slice(&[0x60, 0, 0, 0]);
    frame.extend_from_slice(&ICMP6_LENGTH.to_be_bytes());
    frame.extend_from_slice(&[NEXT_HEADER_ICMP6, HOP_LIMIT]);
    frame.extend_from_slice(&addr.octets());
    frame.extend_from_slice(&ALL_NODES.octets());
    frame.extend_from_slice(&icmp);
    frame
}

fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(96);
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame
}

/// The checksum of RFC 4443 section 2.3, over the pseudo-header of RFC 8200 section 8.1.
fn icmp6_checksum(from: Ipv6Addr, to: Ipv6Addr, icmp: &[u8]) -> u16 {
    let mut bytes = Vec::with_capacity(40 + icmp.len());
    bytes.extend_from_slice(&from.octets());
    bytes.extend_from_slice(&to.octets());
    bytes.extend_from_slice(&u32::from(ICMP6_LENGTH).to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, NEXT_HEADER_ICMP6]);
    bytes.extend_from_slice(icmp);
    let mut sum = bytes.chunks(2).fold(0u32, |sum, pair| {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([high, low]))
    });
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

const ETHERNET_HEADER: usize = 14;
const ETHERNET_MIN_PAYLOAD: usize = 46;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const BROADCAST: Mac = [0xff; 6];
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ICMP6_NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ICMP6_LENGTH: u16 = 32;
const NA_OVERRIDE: u8 = 0x20;
const NEXT_HEADER_ICMP6: u8 = 58;
/// Receivers drop neighbour discovery with any other value, because a router has touched it.
const HOP_LIMIT: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [0x02, 0, 0x5e, 0x10, 0x20, 0x30];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn gratuitous_arp_is_a_request_and_a_reply() {
        let frames = announcements(MAC, IpAddr::from([192, 0, 2, 7]));
        let padding = "00".repeat(18);
        let ethernet = "ffffffffffff02005e1020300806";
        let expected = [
            format!("{ethernet}000108000604000102005e102030c0000207000000000000c0000207{padding}"),
            format!("{ethernet}000108000604000202005e102030c000020702005e102030c0000207{padding}"),
        ];
        assert_eq!(frames.iter().map(|frame| hex(frame)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn neighbour_advertisement_overrides_and_its_checksum_is_right() {
        let addr: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let frames = announcements(MAC, IpAddr::from(addr));
        let [frame] = frames.as_slice() else { panic!("one frame") };
        assert_eq!(
            hex(&frame[..54]),
            "33330000000102005e10203086dd6000000000203aff\
             20010db8000000000000000000000007ff020000000000000000000000000001"
        );
        let icmp = &frame[54..];
        assert_eq!(hex(&icmp[..2]), "8800");
        assert_eq!(hex(&icmp[4..]), "2000000020010db8000000000000000000000007020102005e102030");
        // Summing a message with its right checksum in place gives 0.
        assert_eq!(icmp6_checksum(addr, ALL_NODES, icmp), 0);
    }
}
