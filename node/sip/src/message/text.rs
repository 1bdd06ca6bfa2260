//! The characters of SIP's grammar (RFC 3261 section 25.1): tokens, white space, quoted strings,
//! lists and parameters. Works on one unfolded value: there are no line ends in it.

use memchr::memchr;

/// What each byte may be part of: one look instead of a chain of comparisons.
static CLASSES: [u8; 256] = classes();
const TOKEN: u8 = 1;
const NOT_IN_URI: u8 = 2;
const HOST: u8 = 4;
const URI_MARK: u8 = 8;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let mark = matches!(byte, b'!' | b'%' | b'*' | b'+' | b'`' | b'\'' | b'~');
        // Underscores are not in the grammar of hosts, but in many a name in use.
        let host = alphanumeric || matches!(byte, b'-' | b'.' | b'_');
        let not_in_uri = byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"');
        classes[byte as usize] = (if host || mark { TOKEN } else { 0 })
            | (if not_in_uri { NOT_IN_URI } else { 0 })
            | (if host { HOST } else { 0 })
            | (if matches!(byte, b':' | b'@' | b';' | b'?') { URI_MARK } else { 0 });
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

fn is_class(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// Whether a byte ends a part of a URI.
pub(super) fn is_uri_mark(byte: u8) -> bool {
    is_class(byte, URI_MARK)
}

/// Whether a byte may stand in a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    is_class(byte, TOKEN)
}

/// Whether a byte may stand in the name or IPv4 address of a host.
pub(super) fn is_host_byte(byte: u8) -> bool {
    is_class(byte, HOST)
}

/// Whether a byte must not stand in a URI: white space, controls, quotes and angle brackets.
pub(super) fn is_forbidden_in_uri(byte: u8) -> bool {
    is_class(byte, NOT_IN_URI)
}

/// Whether the bytes are a token.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a byte is white space within a line.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The bytes without white space at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let len = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    text.get(..len).unwrap_or_default()
}

/// The bytes without white space before them.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Splits at the first byte for which `at` holds; that byte begins the second part.
pub(super) fn split_when(text: &[u8], at: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let middle = text.iter().position(|byte| at(*byte)).unwrap_or(text.len());
    text.split_at(middle)
}

/// Splits a text that begins with a double quote after the closing one, heeding backslashes;
/// `None` if there is no closing quote.
pub(super) fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.split_at_checked(index + 1),
            _ => {}
        }
    }
    None
}

/// Reads a decimal number of digits only; `None` if it is anything else or too large.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// A list or a parameter that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A double quote has no partner.
    #[error("a double quote has no partner")]
    UnbalancedQuote,
    /// An angle bracket has no partner.
    #[error("an angle bracket has no partner")]
    UnbalancedAngle,
    /// A list has an empty element.
    #[error("a list has an empty element")]
    EmptyElement,
    /// A parameter has no name, or something else stands where one should.
    #[error("a parameter has no name")]
    NoParameterName,
    /// A parameter's value holds what only a quoted string may.
    #[error("a parameter's value holds what only a quoted string may hold")]
    BadParameterValue,
    /// A parameter that may stand once stands twice.
    #[error("a parameter that may stand once stands twice")]
    RepeatedParameter,
}

/// The elements of a comma-separated list, trimmed. Commas in quoted strings and in angle brackets
/// do not separate. Ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct List<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> List<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: Some(text) }
    }

    fn element_end(text: &[u8]) -> Result<usize, SyntaxError> {
        if memchr(b',', text).is_none() {
            // One element, as nearly always. Who reads it checks its quotes and brackets.
            return Ok(text.len());
        }
        let (mut quoted, mut escaped, mut angle) = (false, false, false);
        for (index, byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if !angle => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                b',' if !quoted && !angle => return Ok(index),
                _ => {}
            }
        }
        match (quoted, angle) {
            (true, _) => Err(SyntaxError::UnbalancedQuote),
            (_, true) => Err(SyntaxError::UnbalancedAngle),
            _ => Ok(text.len()),
        }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = Result<&'a [u8], SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let end = match Self::element_end(text) {
            Ok(end) => end,
            Err(error) => return Some(Err(error)),
        };
        let (element, rest) = text.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b",");
        let element = trim(element);
        Some(if element.is_empty() { Err(SyntaxError::EmptyElement) } else { Ok(element) })
    }
}

/// A parameter: its name, and its value as it stands, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Param<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
}

impl Param<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The parameters of a header value: `;name=value;name`, with white space wherever the grammar
/// allows it. Ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// `text` begins with a semicolon, but for white space, or is empty.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    fn parse(text: &'a [u8]) -> Result<(Param<'a>, &'a [u8]), SyntaxError> {
        let text = text.strip_prefix(b";").ok_or(SyntaxError::NoParameterName)?;
        let (name, rest) = split_when(text, |byte| matches!(byte, b';' | b'='));
        let name = trim(name);
        if !is_token(name) {
            return Err(SyntaxError::NoParameterName);
        }
        let Some(value) = rest.strip_prefix(b"=").map(trim_start) else {
            return Ok((Param { name, value: None }, rest));
        };
        if value.first() == Some(&b'"') {
            let (value, rest) = split_quoted(value).ok_or(SyntaxError::UnbalancedQuote)?;
            return Ok((Param { name, value: Some(value) }, rest));
        }
        let (value, rest) = split_when(value, |byte| byte == b';');
        let value = trim(value);
        if value.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'<' | b'>' | b',')) {
            return Err(SyntaxError::BadParameterValue);
        }
        Ok((Param { name, value: Some(value) }, rest))
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = trim_start(self.rest);
        self.rest = &[];
        if text.is_empty() {
            return None;
        }
        match Self::parse(text) {
            Ok((param, rest)) => {
                self.rest = rest;
                Some(Ok(param))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<String>, SyntaxError> {
        List::new(text.as_bytes())
            .map(|item| item.map(|item| String::from_utf8_lossy(item).into_owned()))
            .collect()
    }

    #[test]
    fn lists_split_at_commas_outside_quotes_and_angles() {
        let text = r#""a, \"b" <sip:x,y@h;p=1> , <sip:z@h>;q="1,2""#;
        assert_eq!(list(text).unwrap(), [r#""a, \"b" <sip:x,y@h;p=1>"#, r#"<sip:z@h>;q="1,2""#]);
    }

    #[test]
    fn lists_with_faults_are_refused() {
        assert_eq!(list("a,,b"), Err(SyntaxError::EmptyElement));
        assert_eq!(list("a,"), Err(SyntaxError::EmptyElement));
        assert_eq!(list(""), Err(SyntaxError::EmptyElement));
        assert_eq!(list("\"a,b"), Err(SyntaxError::UnbalancedQuote));
        assert_eq!(list("<a,b"), Err(SyntaxError::UnbalancedAngle));
    }

    fn params(text: &str) -> Result<Vec<(String, Option<String>)>, SyntaxError> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Params::new(text.as_bytes())
            .map(|param| param.map(|param| (text_of(param.name), param.value.map(text_of))))
            .collect()
    }

    #[test]
    fn params_allow_white_space_and_quotes() {
        let found = params(" ; tag = 1 ;lr; x=\"a;\\\"b\" ; y=").unwrap();
        let expected =
            [("tag", Some("1")), ("lr", None), ("x", Some("\"a;\\\"b\"")), ("y", Some(""))];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(found, expected);
    }

    #[test]
    fn params_with_faults_are_refused() {
        assert_eq!(params(";;a"), Err(SyntaxError::NoParameterName));
        assert_eq!(params(";a;"), Err(SyntaxError::NoParameterName));
        assert_eq!(params("a"), Err(SyntaxError::NoParameterName));
        assert_eq!(params(";a=b c"), Err(SyntaxError::BadParameterValue));
        assert_eq!(params(";a=\"b"), Err(SyntaxError::UnbalancedQuote));
        assert_eq!(params(";a=\"b\"c"), Err(SyntaxError::NoParameterName));
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for text in [&b""[..], b"4294967296", b"-1", b"+1", b"1 0", b"0x1", b"1.0"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
