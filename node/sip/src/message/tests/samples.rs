//! Messages as real elements send them.

/// SIPp's built-in `uac`.
pub(super) const SIPP_INVITE: &str = concat!(
    "INVITE sip:service@127.0.0.11:5060 SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-4711-1-0\r\n",
    "From: sipp <sip:sipp@127.0.0.1:5061>;tag=4711SIPpTag001\r\n",
    "To: service <sip:service@127.0.0.11:5060>\r\n",
    "Call-ID: 1-4711@127.0.0.1\r\n",
    "CSeq: 1 INVITE\r\n",
    "Contact: sip:sipp@127.0.0.1:5061\r\n",
    "Max-Forwards: 70\r\n",
    "Subject: Performance Test\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length:   129\r\n",
    "\r\n",
    "v=0\r\n",
    "o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n",
    "s=-\r\n",
    "c=IN IP4 127.0.0.1\r\n",
    "t=0 0\r\n",
    "m=audio 6000 RTP/AVP 0\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
);

/// SIPp's built-in `uas`, answering it.
pub(super) const SIPP_OK: &str = concat!(
    "SIP/2.0 200 OK\r\n",
    "Via: SIP/2.0/UDP 127.0.0.11:5060;branch=z9hG4bKhl003f0123456789abcdef.i0\r\n",
    "From: sipp <sip:sipp@127.0.0.1:5061>;tag=hl003f0123456789abcdefb\r\n",
    "To: service <sip:service@127.0.0.11:5060>;tag=4712SIPpTag011\r\n",
    "Call-ID: hl003f0123456789abcdefc\r\n",
    "CSeq: 1 INVITE\r\n",
    "Contact: <sip:127.0.0.1:5070;transport=UDP>\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length:   129\r\n",
    "\r\n",
    "v=0\r\n",
    "o=user1 53655765 2353687637 IN IP4 127.0.0.1\r\n",
    "s=-\r\n",
    "c=IN IP4 127.0.0.1\r\n",
    "t=0 0\r\n",
    "m=audio 6000 RTP/AVP 0\r\n",
    "a=rtpmap:0 PCMU/8000\r\n",
);

/// SIPp's BYE.
pub(super) const SIPP_BYE: &str = concat!(
    "BYE sip:service@127.0.0.11:5060 SIP/2.0\r\n",
    "Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-4711-1-8\r\n",
    "From: sipp <sip:sipp@127.0.0.1:5061>;tag=4711SIPpTag001\r\n",
    "To: service <sip:service@127.0.0.11:5060>;tag=hl003f0123456789abcdefa\r\n",
    "Call-ID: 1-4711@127.0.0.1\r\n",
    "CSeq: 2 BYE\r\n",
    "Contact: sip:sipp@127.0.0.1:5061\r\n",
    "Max-Forwards: 70\r\n",
    "Subject: Performance Test\r\n",
    "Content-Length: 0\r\n",
    "\r\n",
);

/// A trunk with everything on: several Vias and routes on one line, compact names, IPv6, folds.
pub(super) const TRUNK_INVITE: &str = concat!(
    "INVITE sip:+49301234567@[2001:db8::1]:5060;user=phone SIP/2.0\r\n",
    "v: SIP/2.0/UDP [2001:db8::2]:5080;branch=z9hG4bKa;rport , SIP/2.0/TCP gw.example.com;branch=z9hG4bKb\r\n",
    "Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bKc;received=198.51.100.9\r\n",
    "Record-Route: <sip:p1.example.com;lr>,<sip:p2.example.com;lr;x=a>\r\n",
    "Record-Route: <sip:p3.example.com;lr>\r\n",
    "Route: \"Edge, one\" <sip:edge.example.com;lr>\r\n",
    "f: \"Doe, \\\"J\\\"\" <sip:+4930111@example.com;user=phone>;tag=abc\r\n",
    "t: <tel:+49301234567>\r\n",
    "i: 4b2e@gw.example.com\r\n",
    "CSeq: 4711\r\n INVITE\r\n",
    "m: <sip:gw@[2001:db8::2]:5080;transport=udp>;expires=60\r\n",
    "Max-Forwards: 69\r\n",
    "k: timer, 100rel\r\n",
    "Require: replaces\r\n",
    "Session-Expires: 1800;refresher=uac\r\n",
    "P-Charging-Vector: icid-value=\"1;2\";orig-ioi=x\r\n",
    "X-Odd:\r\n",
    "c: multipart/mixed;boundary=b\r\n",
    "l: 57\r\n",
    "\r\n",
    "--b\r\nContent-Type: application/SDP\r\n\r\nv=0\r\n\r\n--b--trailer",
);
