//! `Digest name=value, name="value", …`: the common form of challenges and credentials (RFC 7616
//! section 3.3 and 3.4, RFC 3261 section 25.1).
//!
//! Strict: a parameter that stands twice, or a value that does not end, is refused, because two
//! readers could understand it differently.

/// The parameters of one challenge or of one set of credentials, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Params<'a>(Vec<(&'a str, String)>);

/// Parameters that are read at most.
const MAX_PARAMS: usize = 32;

impl<'a> Params<'a> {
    /// Reads a header's value; `None` if its scheme is another, or it can be read in two ways.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (scheme, mut rest) = text.split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut params: Vec<(&str, String)> = Vec::new();
        loop {
            let (name, after) = rest.split_once('=')?;
            let name = name.trim();
            let (value, after) = read_value(after.trim_start())?;
            let repeated = params.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            if name.is_empty() || repeated || params.len() == MAX_PARAMS {
                return None;
            }
            params.push((name, value));
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if after.is_empty() => return Some(Self(params)),
                None => return None,
            }
        }
    }

    /// A parameter's value, without quotes.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut params = self.0.iter();
        params.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A token or a quoted string at the beginning of a text, and what follows it.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end)?;
        return (!token.is_empty() && !token.contains('"')).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// A value as a quoted string.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for char in value.chars() {
        if matches!(char, '"' | '\\') {
            text.push('\\');
        }
        text.push(char);
    }
    text.push('"');
    text
}
