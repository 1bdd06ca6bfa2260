//! Messages as real elements send them.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_sip::message::Message;

/// Where the caller is.
pub(crate) fn caller() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 31], 5060))
}

/// Where we are.
pub(crate) fn switch() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 11], 5060))
}

/// Where the callee is.
pub(crate) fn callee() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 21], 5060))
}

/// The caller's SDP, as SIPp's scenarios have it.
pub(crate) const SDP: &str = "v=0\r\n\
    o=caller 53655765 2353687637 IN IP4 127.0.0.31\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.31\r\n\
    t=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\n\
    a=rtpmap:0 PCMU/8000\r\n";

/// The INVITE of `cluster-tests/sipp/uac.xml`.
pub(crate) fn sipp_invite(call: u32) -> Bytes {
    let (caller, switch, length) = (caller(), switch(), SDP.len());
    format!(
        "INVITE sip:+14155550100@{switch} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {caller};branch=z9hG4bK-4711-{call}-0\r\n\
         From: \"caller\" <sip:+1415555{call}@{caller}>;tag=4711a{call}\r\n\
         To: <sip:+14155550100@{switch}>\r\n\
         Call-ID: {call}-4711@127.0.0.31\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:caller@{caller};transport=UDP>\r\n\
         Max-Forwards: 70\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {length}\r\n\r\n{SDP}"
    )
    .into()
}

/// The ACK or the BYE of `cluster-tests/sipp/uac.xml`, in the dialog that our 200 made.
pub(crate) fn sipp_request(call: u32, method: &str, cseq: u32, ok: &Message) -> Bytes {
    let (caller, from, to) = (caller(), ok.from().text(), ok.to().text());
    let (uri, call_id) = (ok.contact_uri().unwrap_or_default(), ok.call_id());
    format!(
        "{method} {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {caller};branch=z9hG4bK-4711-{call}-{cseq}-{method}\r\n\
         From: {from}\r\n\
         To: {to}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

/// An answer of `cluster-tests/sipp/uas.xml`.
pub(crate) fn sipp_answer(call: u32, request: &Message, status: &str, sdp: &str) -> Bytes {
    let callee = callee();
    let vias: String = request.vias().iter().map(|via| format!("Via: {via}\r\n")).collect();
    let (from, to, call_id) = (request.from().text(), request.to(), request.call_id());
    let tag = if to.tag.is_none() { format!(";tag=4712b{call}") } else { String::new() };
    let (to, cseq) = (to.text(), request.cseq());
    let content = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\n\
         {vias}\
         From: {from}\r\n\
         To: {to}{tag}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: {} {}\r\n\
         Contact: <sip:callee@{callee};transport=UDP>\r\n\
         {content}Content-Length: {}\r\n\r\n{sdp}",
        cseq.number,
        cseq.method,
        sdp.len()
    )
    .into()
}

/// A large INVITE of a carrier: many hops, a signed identity, a wide offer.
pub(crate) fn carrier_invite() -> Bytes {
    let text = include_str!("../samples/carrier_invite.sip");
    text.replace('\n', "\r\n").into()
}
