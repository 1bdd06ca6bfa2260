//! Messages in a stream of bytes (RFC 3261 sections 7.5 and 18.3): where one ends and the next begins.
//!
//! A stream cannot be read on once its framing is in doubt, so the lexer here is stricter than the
//! one for messages: exactly one Content-Length, written on one line. It does not judge messages
//! otherwise: what it cuts out is parsed once, where datagrams are.
//!
//! Invariant: never holds more than one message within the limits and the bytes pushed last.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::limits::MAX_MESSAGE_BYTES;

/// Longest header section of a message in a stream, its first line included, in bytes.
pub const MAX_HEADER_SECTION_BYTES: usize = 32_768;

/// Cuts messages out of the bytes of one connection.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes at the front that hold no end of a header section.
    searched: usize,
    /// Where the message in front ends, once its header section is here.
    end: Option<usize>,
}

/// What a stream held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message(Bytes),
    /// A double CRLF, which asks for a CRLF in return (RFC 5626 section 4.4.1).
    Ping,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The first line of a message is not one of SIP: the peer speaks something else, or the
    /// Content-Length before did not tell the truth.
    #[error("a message does not begin with a line of SIP")]
    NotSip,
    /// The header section is longer than allowed.
    #[error("a header section is longer than {MAX_HEADER_SECTION_BYTES} bytes")]
    HeaderTooLong,
    /// The message is longer than allowed.
    #[error("a message is longer than {MAX_MESSAGE_BYTES} bytes")]
    MessageTooLong,
    /// There is no Content-Length, so that nobody knows where the message ends (section 18.3).
    #[error("a message has no Content-Length")]
    NoContentLength,
    /// The Content-Length is no number, or there are two that differ.
    #[error("the Content-Length of a message is no number, or there are two that differ")]
    BadContentLength,
}

impl FramingError {
    /// A word for counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSip => "not_sip",
            Self::HeaderTooLong => "header_too_long",
            Self::MessageTooLong => "message_too_long",
            Self::NoContentLength => "no_content_length",
            Self::BadContentLength => "bad_content_length",
        }
    }
}

impl Framer {
    /// Where received bytes go: read into its end, then ask for frames.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        self.buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The next frame; `None` until more bytes come.
    ///
    /// # Errors
    /// [`FramingError`]; nothing more can be read then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.end.is_none() {
            if let Some(ping) = self.skip_line_ends() {
                return Ok(Some(ping));
            }
            if self.searched == 0 && b"\r\n\r\n".starts_with(&self.buffer) {
                return Ok(None);
            }
            self.end = self.find_end()?;
        }
        let Some(end) = self.end.filter(|end| self.buffer.len() >= *end) else { return Ok(None) };
        // Copied, so that a message kept for the life of a call does not keep the buffer alive.
        let message = Bytes::copy_from_slice(self.buffer.get(..end).unwrap_or_default());
        self.buffer.advance(end);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        (self.end, self.searched) = (None, 0);
        Ok(Some(Frame::Message(message)))
    }

    /// Section 7.5: line ends before a message mean nothing; two of them are a keepalive. One alone
    /// may be the first half of two, and is left until it is known.
    fn skip_line_ends(&mut self) -> Option<Frame> {
        while self.searched == 0 {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.buffer.advance(4);
                return Some(Frame::Ping);
            }
            let rest = self.buffer.get(..4).unwrap_or(&self.buffer);
            if b"\r\n\r\n".starts_with(rest) {
                return None;
            }
            match self.buffer.first() {
                Some(b'\r' | b'\n') => self.buffer.advance(1),
                Some(_) | None => return None,
            }
        }
        None
    }

    fn find_end(&mut self) -> Result<Option<usize>, FramingError> {
        self.check_first_line()?;
        let from = self.searched.saturating_sub(END_BYTES - 1);
        let Some(header) = self.buffer.get(from..).and_then(header_end).map(|at| from + at) else {
            self.searched = self.buffer.len();
            return if self.searched > MAX_HEADER_SECTION_BYTES {
                Err(FramingError::HeaderTooLong)
            } else {
                Ok(None)
            };
        };
        if header > MAX_HEADER_SECTION_BYTES {
            return Err(FramingError::HeaderTooLong);
        }
        let section = self.buffer.get(..header).unwrap_or_default();
        let end = header.saturating_add(content_length(section)?);
        if end > MAX_MESSAGE_BYTES { Err(FramingError::MessageTooLong) } else { Ok(Some(end)) }
    }

    fn check_first_line(&self) -> Result<(), FramingError> {
        let end = self.buffer.iter().take(MAX_FIRST_LINE_BYTES).position(|byte| *byte == b'\n');
        let Some(line) = end.and_then(|end| self.buffer.get(..end)) else {
            let endless = self.buffer.len() >= MAX_FIRST_LINE_BYTES;
            return if endless { Err(FramingError::NotSip) } else { Ok(()) };
        };
        let line = line.trim_ascii_end();
        let response = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let request = version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        if response || request { Ok(()) } else { Err(FramingError::NotSip) }
    }
}

/// The place after the empty line that ends a header section.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    while let Some(length) = bytes.get(line_start..)?.iter().position(|byte| *byte == b'\n') {
        let next = line_start + length + 1;
        match bytes.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            Some(_) | None => line_start = next,
        }
    }
    None
}

fn content_length(section: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    let mut lines = section.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        if !name.eq_ignore_ascii_case(b"Content-Length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let is_folded = lines.peek().is_some_and(|next| matches!(next, [b' ' | b'\t', ..]));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let digits = std::str::from_utf8(value).ok().filter(|value| {
            !value.is_empty()
                && value.len() <= MAX_DIGITS
                && value.bytes().all(|b| b.is_ascii_digit())
        });
        let length: usize = digits
            .filter(|_| !is_folded)
            .and_then(|digits| digits.parse().ok())
            .ok_or(FramingError::BadContentLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(FramingError::BadContentLength);
        }
        found = Some(length);
    }
    found.ok_or(FramingError::NoContentLength)
}

/// The longest end of a header section: a line end, and an empty line.
const END_BYTES: usize = 4;

/// More digits cannot be a length within the limits.
const MAX_DIGITS: usize = 9;

/// A first line that is longer is none: a Request-URI is not so long.
const MAX_FIRST_LINE_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &str = "OPTIONS sip:a@h SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    const MESSAGE: &str = "MESSAGE sip:a@h SIP/2.0\r\nl : 5\r\nX: y\r\n\r\nhello";
    const ANSWER: &str = "SIP/2.0 200 OK\nContent-Length: 2\n\nok";

    fn frames(chunks: &[&[u8]]) -> Result<Vec<Frame>, FramingError> {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn message(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn keepalives_between_messages_are_told_and_line_ends_are_skipped() {
        let stream = format!("\r\n\r\n{OPTIONS}\r\n{MESSAGE}\r\n\r\n\r\n{ANSWER}");
        let expected =
            [Frame::Ping, message(OPTIONS), message(MESSAGE), Frame::Ping, message(ANSWER)];
        assert_eq!(frames(&[stream.as_bytes()]).unwrap(), expected);
    }

    #[test]
    fn a_stream_whose_framing_is_in_doubt_is_refused() {
        for (text, error) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", FramingError::NotSip),
            ("OPTIONS sip:a SIP/2.0\r\nTo: a\r\n\r\n", FramingError::NoContentLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", FramingError::BadContentLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n", FramingError::BadContentLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: 1\r\n 2\r\n\r\n", FramingError::BadContentLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: 99999999\r\n\r\n", FramingError::MessageTooLong),
        ] {
            assert_eq!(frames(&[text.as_bytes()]), Err(error), "{text}");
        }
        let long = format!("OPTIONS sip:a SIP/2.0\r\nX: {}", "x".repeat(MAX_HEADER_SECTION_BYTES));
        assert_eq!(frames(&[long.as_bytes()]), Err(FramingError::HeaderTooLong));
        assert_eq!(frames(&[&[b'x'; MAX_FIRST_LINE_BYTES]]), Err(FramingError::NotSip));
    }

    #[test]
    fn a_content_length_that_is_too_small_is_found_out_by_what_follows() {
        let text = MESSAGE.replace("l : 5", "l: 2");
        let stream = format!("{text}\r\n{OPTIONS}");
        assert_eq!(frames(&[stream.as_bytes()]), Err(FramingError::NotSip));
    }

    #[test]
    fn half_a_keepalive_is_the_beginning_of_no_message() {
        let pings = frames(&[b"\r\n\r\n\r", b"\n\r", b"\n", OPTIONS.as_bytes()]).unwrap();
        assert_eq!(pings, frames(&[b"\r\n\r\n\r\n\r\n", OPTIONS.as_bytes()]).unwrap());
        assert_eq!(pings.len(), 3);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            picks in proptest::collection::vec(0..4_usize, 1..8),
            cuts in proptest::collection::vec(1..40_usize, 1..60),
        ) {
            let parts = [OPTIONS, MESSAGE, ANSWER, "\r\n\r\n"];
            let stream: String = picks.iter().map(|pick| parts[*pick]).collect();
            let whole = frames(&[stream.as_bytes()]).unwrap();
            let mut rest = stream.as_bytes();
            let mut chunks = Vec::new();
            for cut in cuts.iter().cycle() {
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(frames(&chunks).unwrap(), whole);
        }

        #[test]
        fn noise_never_panics_nor_is_kept_without_end(
            noise in proptest::collection::vec(any::<u8>(), 0..2_000),
            cut in 1..50_usize,
        ) {
            let mut framer = Framer::default();
            for chunk in noise.chunks(cut) {
                framer.push(chunk);
                while let Ok(Some(_)) = framer.next_frame() {}
                prop_assert!(framer.buffer.len() <= MAX_MESSAGE_BYTES + cut);
            }
        }
    }
}
