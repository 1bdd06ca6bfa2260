//! Cuts a datagram into start line, header fields and body, and unfolds folded lines.
//!
//! It knows lines and colons, no header. One datagram has one way to end lines: all CR LF or all
//! LF, else an element that knows only one of the two would see other header fields than we do.
//!
//! Invariant: unfolding keeps offsets. Each CR and LF of a fold becomes a space, so a span of the
//! head is the same place before and after, and no value holds a line end.

use memchr::{memchr, memchr2};

use super::error::{Fault, ParseErrorKind as Kind};
use super::header_name::HeaderName;
use super::limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_START_LINE_BYTES};
use super::span::Span;
use super::text::{is_space, is_token, trim};

/// Header fields that most messages stay below.
const USUAL_HEADERS: usize = 16;

/// A header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: HeaderName,
    /// The name as it stands.
    pub(super) raw_name: Span,
    /// The value without white space at its ends.
    pub(super) value: Span,
}

/// A datagram, cut.
#[derive(Debug)]
pub(super) struct Lexed {
    pub(super) start_line: Span,
    pub(super) fields: Vec<Field>,
    /// Where the body begins: after the empty line.
    pub(super) body_start: usize,
    /// The head with its folds turned into spaces, if it has folds.
    pub(super) unfolded: Option<Vec<u8>>,
}

/// Cuts a datagram that begins with its start line.
pub(super) fn lex(text: &[u8]) -> Result<Lexed, Fault> {
    let mut lines = Lines { text, at: 0, crlf: None };
    let start_line = lines.next_line().map_err(|fault| first_line_fault(text, fault))?;
    if start_line.end() > MAX_START_LINE_BYTES {
        return Err(Fault::new(Kind::StartLineTooLong, "Start line too long"));
    }
    let mut fields: Vec<Field> = Vec::with_capacity(USUAL_HEADERS);
    let mut folds: Vec<Span> = Vec::new();
    loop {
        let line = lines.next_line()?;
        let bytes = line.bytes(text);
        let Some(first) = bytes.first() else { break };
        if is_space(*first) {
            folds.push(continue_field(&mut fields, line, bytes)?);
        } else if fields.len() == MAX_HEADERS {
            return Err(Fault::new(Kind::TooManyHeaders, "Too many header fields"));
        } else {
            fields.push(read_field(line, bytes)?);
        }
    }
    let body_start = lines.at;
    let unfolded = unfold(text, body_start, &folds);
    let head = unfolded.as_deref().unwrap_or(text);
    for field in &mut fields {
        if field.value.end() - field.raw_name.start() > MAX_HEADER_BYTES {
            return Err(Fault::new(Kind::HeaderTooLong, "Header field too long"));
        }
        field.value = Span::of(head, trim(field.value.bytes(head)));
    }
    Ok(Lexed { start_line, fields, body_start, unfolded })
}

/// A fault in the first line: without a SIP version in it the datagram is noise.
fn first_line_fault(text: &[u8], fault: Fault) -> Fault {
    let start = text.get(..MAX_START_LINE_BYTES.min(text.len())).unwrap_or_default();
    if start.windows(4).any(|part| part == b"SIP/") {
        return fault;
    }
    Fault::new(Kind::NotSip, "Not a SIP message")
}

fn read_field(line: Span, bytes: &[u8]) -> Result<Field, Fault> {
    let no_name = || Fault::new(Kind::BadHeaderName, "Header line without a name and a colon");
    let colon = memchr(b':', bytes).ok_or_else(no_name)?;
    // HCOLON allows white space before the colon.
    let name = trim(bytes.get(..colon).unwrap_or_default());
    let known = HeaderName::from_bytes(name);
    if known == HeaderName::Other && !is_token(name) {
        return Err(no_name());
    }
    Ok(Field {
        name: known,
        raw_name: Span::new(line.start(), line.start() + name.len()),
        value: Span::new(line.start() + colon + 1, line.end()),
    })
}

/// Adds a continuation line to the last field; returns the line end that it folds over.
fn continue_field(fields: &mut [Field], line: Span, bytes: &[u8]) -> Result<Span, Fault> {
    let Some(field) = fields.last_mut() else {
        return Err(Fault::new(Kind::BadFold, "White space before the first header field"));
    };
    if bytes.iter().all(|byte| is_space(*byte)) {
        // Some elements take such a line for the end of the head.
        return Err(Fault::new(Kind::BadFold, "Blank line that is not empty"));
    }
    let fold = Span::new(field.value.end(), line.start());
    field.value = Span::new(field.value.start(), line.end());
    Ok(fold)
}

fn unfold(text: &[u8], body_start: usize, folds: &[Span]) -> Option<Vec<u8>> {
    if folds.is_empty() {
        return None;
    }
    let mut head = text.get(..body_start)?.to_vec();
    for fold in folds {
        head.get_mut(fold.start()..fold.end())?.fill(b' ');
    }
    Some(head)
}

/// The lines of the head.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    /// How the first line ended, and so how all must.
    crlf: Option<bool>,
}

impl Lines<'_> {
    /// The next line without its end.
    fn next_line(&mut self) -> Result<Span, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let no_end = || Fault::new(Kind::NoEndOfHead, "No empty line after the header fields");
        let len = memchr2(b'\r', b'\n', rest).ok_or_else(no_end)?;
        let crlf = rest.get(len) == Some(&b'\r');
        if crlf && rest.get(len + 1) != Some(&b'\n') {
            return Err(Fault::new(Kind::BareCr, "Carriage return without line feed"));
        }
        if *self.crlf.get_or_insert(crlf) != crlf {
            return Err(Fault::new(Kind::MixedLineEnds, "Lines end in more than one way"));
        }
        let line = Span::new(self.at, self.at + len);
        self.at += len + if crlf { 2 } else { 1 };
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(String, String)> {
        let lexed = lex(text.as_bytes()).unwrap();
        let head = lexed.unfolded.as_deref().unwrap_or(text.as_bytes());
        let of = |span: Span| span.text(head).to_owned();
        lexed.fields.iter().map(|field| (of(field.raw_name), of(field.value))).collect()
    }

    fn fault(text: &str) -> Kind {
        lex(text.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn cuts_fields_in_any_dress() {
        let found = fields(
            "S\r\nA:1\r\nB \t:  2 \t\r\nC:\r\nD: x\r\n\ty\r\n  z\r\nE:\r\n e\r\n\r\nbody: no",
        );
        let expected = [("A", "1"), ("B", "2"), ("C", ""), ("D", "x  \ty    z"), ("E", "e")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn takes_lines_that_end_with_lf() {
        assert_eq!(fields("S\nA: 1\n 2\n\n"), [("A".to_owned(), "1  2".to_owned())]);
    }

    #[test]
    fn finds_the_body() {
        let text = b"S\r\nA:1\r\n\r\nbody\r\n\r\n";
        assert_eq!(&text[lex(text).unwrap().body_start..], b"body\r\n\r\n");
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        for (text, kind) in [
            ("S\r\nA:1\n\r\n", Kind::MixedLineEnds),
            ("S\nA:1\r\n\n", Kind::MixedLineEnds),
            ("S\r\nA:1\rB:2\r\n\r\n", Kind::BareCr),
            ("S\r\nA:1\r\n \r\nB:2\r\n\r\n", Kind::BadFold),
            ("S\r\n A:1\r\n\r\n", Kind::BadFold),
            ("S\r\nA\r\n\r\n", Kind::BadHeaderName),
            ("S\r\n:1\r\n\r\n", Kind::BadHeaderName),
            ("S\r\nA B: 1\r\n\r\n", Kind::BadHeaderName),
            ("S\r\nA\r\n : 1\r\n\r\n", Kind::BadHeaderName),
            ("S\r\nA: 1\r\n", Kind::NoEndOfHead),
            ("S\r\nA: 1", Kind::NoEndOfHead),
            ("S SIP/2.0", Kind::NoEndOfHead),
            ("noise", Kind::NotSip),
        ] {
            assert_eq!(fault(text), kind, "{text:?}");
        }
    }

    #[test]
    fn keeps_its_limits() {
        let long = "x".repeat(MAX_START_LINE_BYTES + 1);
        assert_eq!(fault(&format!("{long}\r\n\r\n")), Kind::StartLineTooLong);
        let long = "x".repeat(MAX_HEADER_BYTES / 2);
        assert_eq!(fault(&format!("S\r\nA: {long}\r\n {long}\r\n\r\n")), Kind::HeaderTooLong);
        let most = "A:\r\n".repeat(MAX_HEADERS);
        assert_eq!(fields(&format!("S\r\n{most}\r\n")).len(), MAX_HEADERS);
        assert_eq!(fault(&format!("S\r\n{most}A:\r\n\r\n")), Kind::TooManyHeaders);
    }
}
