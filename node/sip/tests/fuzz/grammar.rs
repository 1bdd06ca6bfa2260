//! Messages made from the grammar of RFC 3261, with what they say: an oracle, so that a misreading is
//! noticed, not only a panic.

use std::fmt::Write as _;

use super::dice::Dice;

/// A message and what it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(crate) text: String,
    /// Written in the plain dress: long names, one value a line, no folds, CR LF.
    pub(crate) is_plain: bool,
    pub(crate) method: String,
    /// `None` for a request.
    pub(crate) status: Option<u16>,
    pub(crate) uri: String,
    pub(crate) vias: usize,
    pub(crate) branch: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) from_uri: String,
    pub(crate) from_tag: String,
    pub(crate) to_uri: String,
    pub(crate) to_tag: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) routes: usize,
    pub(crate) max_forwards: u32,
    pub(crate) body: String,
}

/// Writes header fields in one dress or another.
struct Dress<'a> {
    dice: &'a mut Dice,
    is_plain: bool,
    /// All lines of a message end in the same way.
    end: &'static str,
    lines: Vec<String>,
}

impl Dress<'_> {
    fn header(&mut self, name: &str, compact: Option<&str>, value: &str) {
        if self.is_plain {
            self.lines.push(format!("{name}: {value}"));
            return;
        }
        let name = match compact {
            Some(compact) if self.dice.once_in(2) => compact.to_owned(),
            _ => name.to_owned(),
        };
        let name: String = match self.dice.below(3) {
            0 => name.to_ascii_uppercase(),
            1 => name.to_ascii_lowercase(),
            _ => name,
        };
        let before = self.dice.pick(&["", "", " ", "\t", "  "]);
        let after = match self.dice.below(5) {
            0 => format!("{} ", self.end),
            1 => format!("{}\t ", self.end),
            2 => String::new(),
            _ => " ".to_owned(),
        };
        let behind = self.dice.pick(&["", "", " ", "\t"]);
        self.lines.push(format!("{name}{before}:{after}{value}{behind}"));
    }

    /// Values that may stand on one line or on several.
    fn list(&mut self, name: &str, compact: Option<&str>, values: &[String]) {
        if self.is_plain || values.len() < 2 || self.dice.once_in(2) {
            for value in values {
                self.header(name, compact, value);
            }
        } else {
            let comma = self.dice.pick(&[",", ", ", " , "]);
            self.header(name, compact, &values.join(comma));
        }
    }
}

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~";
const WORD: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

pub(crate) const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
];

/// A sound message.
pub(crate) fn message(dice: &mut Dice) -> Made {
    let is_plain = dice.once_in(3);
    let status = dice.once_in(3).then(|| u16::try_from(100 + dice.below(600)).unwrap());
    let method = match dice.below(8) {
        0 if !is_plain => dice.text(TOKEN, 1, 12),
        _ => METHODS[dice.below(METHODS.len())].to_owned(),
    };
    let mut made = Made { is_plain, method, status, ..Made::default() };
    // RFC 3261 section 19.1.1: no header fields in a Request-URI.
    made.uri = without_headers(&uri(dice, is_plain)).to_owned();
    made.call_id = format!("{}@{}", dice.text(TOKEN, 1, 20), host(dice, true));
    made.cseq = u32::try_from(dice.draw() % (1 << 31)).unwrap();
    made.branch = format!("z9hG4bK{}", dice.text(TOKEN, 1, 20));
    (made.from_uri, made.from_tag) = (uri(dice, is_plain), dice.text(TOKEN, 1, 16));
    made.to_uri = uri(dice, is_plain);
    made.to_tag = dice.once_in(2).then(|| dice.text(TOKEN, 1, 16));
    made.contact = dice.once_in(2).then(|| uri(dice, is_plain));
    made.max_forwards = u32::try_from(dice.below(256)).unwrap();
    made.body = if dice.once_in(2) { String::new() } else { body(dice) };
    write(dice, &mut made);
    made
}

fn write(dice: &mut Dice, made: &mut Made) {
    let end = if made.is_plain || !dice.once_in(6) { "\r\n" } else { "\n" };
    let from = name_addr(dice, &made.from_uri, Some(&made.from_tag), made.is_plain);
    let to = name_addr(dice, &made.to_uri, made.to_tag.as_deref(), made.is_plain);
    let contact = made.contact.as_deref().map(|uri| name_addr(dice, uri, None, made.is_plain));
    let mut vias = vec![via(dice, &made.branch, made.is_plain)];
    for _ in 0..dice.below(4) {
        let branch = format!("z9hG4bK{}", dice.text(TOKEN, 1, 9));
        vias.push(via(dice, &branch, made.is_plain));
    }
    let routes: Vec<String> =
        (0..dice.below(4)).map(|_| format!("<{};lr>", sip(dice, true))).collect();
    (made.vias, made.routes) = (vias.len(), routes.len());
    let mut dress = Dress { dice, is_plain: made.is_plain, end, lines: Vec::new() };
    dress.list("Via", Some("v"), &vias);
    dress.header("From", Some("f"), &from);
    dress.header("To", Some("t"), &to);
    dress.header("Call-ID", Some("i"), &made.call_id);
    dress.header("CSeq", None, &format!("{} {}", made.cseq, made.method));
    dress.header("Max-Forwards", None, &made.max_forwards.to_string());
    dress.list("Route", None, &routes);
    if let Some(contact) = contact {
        dress.header("Contact", Some("m"), &contact);
    }
    if !dress.is_plain && dress.dice.once_in(3) {
        let value = dress.dice.text("abc ;,=<>\"\\%", 0, 30);
        // Never empty: a fold of nothing but white space is read in two ways, and refused.
        dress.header("X-Anything", None, &format!("x{}", value.trim()));
    }
    if !made.body.is_empty() {
        dress.header("Content-Type", Some("c"), "application/sdp");
    }
    // Over UDP it may be left out: the body goes on to the end of the datagram.
    if dress.is_plain || !dress.dice.once_in(4) {
        dress.header("Content-Length", Some("l"), &made.body.len().to_string());
    }
    let lines = dress.lines;
    let start = match made.status {
        Some(status) => {
            format!("SIP/2.0 {status} {}", dice.pick(&["OK", "Some Reason", "\u{e9}t\u{e9}", ""]))
        }
        None => format!("{} {} SIP/2.0", made.method, made.uri),
    };
    let mut text = start;
    for line in lines {
        let _infallible = write!(text, "{end}{line}");
    }
    let _infallible = write!(text, "{end}{end}{}", made.body);
    made.text = text;
}

fn via(dice: &mut Dice, branch: &str, is_plain: bool) -> String {
    let transport = dice.pick(&["UDP", "TCP", "TLS", "SCTP"]);
    let host = host(dice, is_plain);
    let port = if dice.once_in(2) { format!(":{}", 1 + dice.below(65_535)) } else { String::new() };
    if is_plain {
        return format!("SIP/2.0/{transport} {host}{port};branch={branch}");
    }
    let slash = dice.pick(&["/", "/", " / "]);
    let more = dice.pick(&["", ";rport", ";ttl=16", ";x=\"a;b,c\"", ";received=192.0.2.9"]);
    let semicolon = dice.pick(&[";", " ; "]);
    format!("SIP{slash}2.0{slash}{transport} {host}{port}{semicolon}branch={branch}{more}")
}

fn name_addr(dice: &mut Dice, uri: &str, tag: Option<&str>, is_plain: bool) -> String {
    let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let is_bare = !uri.contains([';', '?', ',']);
    match dice.below(if is_plain { 2 } else { 5 }) {
        0 => format!("<{uri}>{tag}"),
        1 => format!("Alice <{uri}>{tag}"),
        2 if is_bare => format!("{uri}{tag}"),
        3 => format!("\"{}\" <{uri}>{tag}", quoted(dice)),
        _ => format!("\"A. \\\"G.\\\", <Bell>;tag=no\" <{uri}> ;x=y{tag}"),
    }
}

fn quoted(dice: &mut Dice) -> String {
    let pieces = ["a", " ", ",", ";", "<", ">", "\\\"", "\\\\", "\u{fc}", "=", "@", "\t"];
    (0..dice.below(12)).map(|_| pieces[dice.below(pieces.len())]).collect()
}

/// A question mark may also stand in the user.
fn without_headers(uri: &str) -> &str {
    let host = uri.rfind('@').unwrap_or(0);
    uri[host..].find('?').map_or(uri, |headers| &uri[..host + headers])
}

/// A URI of any scheme that the grammar knows.
pub(crate) fn uri(dice: &mut Dice, is_plain: bool) -> String {
    match dice.below(if is_plain { 6 } else { 9 }) {
        6 => format!("tel:+{}", dice.text("0123456789", 3, 15)),
        7 => format!("urn:{}", dice.text(WORD, 3, 12)),
        _ => sip(dice, is_plain),
    }
}

fn sip(dice: &mut Dice, is_plain: bool) -> String {
    let scheme = if is_plain { "sip" } else { dice.pick(&["sip", "sips", "SIP"]) };
    let user = match dice.below(4) {
        0 => String::new(),
        1 if !is_plain => format!("{}:{}@", dice.text(WORD, 1, 9), dice.text("abc&=+$,", 0, 5)),
        2 if !is_plain => format!("{}%40;x=y@", dice.text("abc019&=+$,;?/-_.!~*'()", 1, 9)),
        _ => format!("{}@", dice.text(WORD, 1, 12)),
    };
    let port = if dice.once_in(3) { format!(":{}", 1 + dice.below(65_535)) } else { String::new() };
    let more = if is_plain {
        ""
    } else {
        dice.pick(&[
            "",
            "",
            ";lr",
            ";transport=tcp;lr",
            ";user=phone",
            "?Subject=x&a=b",
            ";a;b=c?d=e",
        ])
    };
    format!("{scheme}:{user}{}{port}{more}", host(dice, is_plain))
}

fn host(dice: &mut Dice, is_plain: bool) -> String {
    match dice.below(if is_plain { 2 } else { 4 }) {
        0 => format!("192.0.2.{}", dice.below(256)),
        1 => format!("{}.example.com", dice.text(WORD, 1, 9)),
        2 => format!("[2001:db8::{:x}]", dice.below(65_536)),
        _ => "[::ffff:192.0.2.128]".to_owned(),
    }
}

fn body(dice: &mut Dice) -> String {
    let mut body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n".to_owned();
    for _ in 0..dice.below(5) {
        body.push_str(dice.pick(&[
            "m=audio 4000 RTP/AVP 0\r\n",
            "a=sendonly\r\n",
            "\r\n",
            "\0\u{7f}",
            "x",
        ]));
    }
    body
}
