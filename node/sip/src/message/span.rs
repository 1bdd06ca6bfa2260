//! A range of bytes of a message. A message has at most 65,535 bytes, so 16 bits hold an offset.

/// Where something lies in the head of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// The range `start..end`; empty if it does not fit, which the size limit rules out.
    pub(super) fn new(start: usize, end: usize) -> Self {
        match (u16::try_from(start), u16::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end => Self { start, end },
            _ => Self::default(),
        }
    }

    /// Where `part` lies in `whole`; empty if it is no part of it.
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        match start.checked_add(part.len()) {
            Some(end) if end <= whole.len() => Self::new(start, end),
            _ => Self::default(),
        }
    }

    /// The bytes; empty if the range is not within `whole`.
    pub(super) fn bytes(self, whole: &[u8]) -> &[u8] {
        whole.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    /// The bytes as text; empty if they are none. The parser checks that spans of what is read as
    /// text are UTF-8.
    pub(super) fn text(self, whole: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(whole)).unwrap_or_default()
    }

    pub(super) fn start(self) -> usize {
        usize::from(self.start)
    }

    pub(super) fn end(self) -> usize {
        usize::from(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_part_in_the_whole() {
        let whole = b"INVITE sip:a SIP/2.0";
        let span = Span::of(whole, &whole[7..12]);
        assert_eq!((span.start(), span.end()), (7, 12));
        assert_eq!(span.text(whole), "sip:a");
    }

    #[test]
    fn is_empty_for_what_is_no_part() {
        let whole = b"abcdef";
        assert_eq!(Span::of(&whole[..2], &whole[4..]), Span::default());
        assert_eq!(Span::new(3, 70_000), Span::default());
        assert_eq!(Span::new(4, 9).bytes(whole), b"");
    }
}
