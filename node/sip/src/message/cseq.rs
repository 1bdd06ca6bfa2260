//! CSeq (RFC 3261 section 20.16) and RAck (RFC 3262 section 7.2).

use super::method::Method;
use super::text::{is_space, number, split_when, trim};

/// A CSeq value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Orders the requests of a dialog.
    pub number: u32,
    /// The method of the request; in a response, of the request that it answers.
    pub method: &'a Method,
}

/// A RAck value: which reliable provisional answer a PRACK confirms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The answer's RSeq.
    pub rseq: u32,
    /// The number of the answer's CSeq.
    pub cseq: u32,
    /// The method of the answer's CSeq.
    pub method: Method,
}

/// Reads a CSeq value: a number that fits 32 bits, and a method.
pub(super) fn parse_cseq(value: &[u8]) -> Option<(u32, Method)> {
    let (digits, method) = split_when(trim(value), is_space);
    Some((number(digits)?, Method::from_bytes(trim(method))?))
}

/// Reads a RAck value.
pub(super) fn parse_rack(value: &[u8]) -> Option<RAck> {
    let (digits, rest) = split_when(trim(value), is_space);
    let (cseq, method) = parse_cseq(rest)?;
    Some(RAck { rseq: number(digits)?, cseq, method })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_number_and_method() {
        assert_eq!(parse_cseq(b" 0009 \t INVITE"), Some((9, Method::Invite)));
        assert_eq!(parse_cseq(b"4294967295 ACK"), Some((u32::MAX, Method::Ack)));
    }

    #[test]
    fn refuses_the_rest() {
        for value in
            [&b""[..], b"1", b"INVITE", b"1 ", b"-1 ACK", b"4294967296 ACK", b"1 ACK x", b"1ACK"]
        {
            assert_eq!(parse_cseq(value), None, "{value:?}");
        }
    }

    #[test]
    fn reads_rack() {
        let rack = RAck { rseq: 776_656, cseq: 1, method: Method::Invite };
        assert_eq!(parse_rack(b"776656 1 INVITE"), Some(rack));
        assert_eq!(parse_rack(b"776656 INVITE"), None);
    }
}
