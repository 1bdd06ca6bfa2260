//! Text as a value.

use super::Value;

/// Vectors and maps within each other at most.
const DEPTH: usize = 32;

/// Text that is no EDN, or EDN that is not read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub struct ParseFault {
    /// Where.
    pub at: usize,
    /// What was expected.
    pub what: &'static str,
}

/// Reads one value; nothing but space may follow.
///
/// # Errors
/// Where it is not EDN.
pub fn parse(text: &str) -> Result<Value, ParseFault> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.fault("the end")) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, what: &'static str) -> ParseFault {
        ParseFault { at: self.at, what }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Commas are space in EDN.
    fn space(&mut self) {
        while let Some(c) = self.peek() {
            if c == ';' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
            } else if c == ',' || c.is_whitespace() {
                self.next();
            } else {
                return;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseFault> {
        if depth > DEPTH {
            return Err(self.fault("less nesting"));
        }
        self.space();
        match self.peek().ok_or_else(|| self.fault("a value"))? {
            '"' => self.string(),
            ':' => {
                self.next();
                let word = self.word();
                if word.is_empty() {
                    Err(self.fault("a keyword"))
                } else {
                    Ok(Value::Keyword(word))
                }
            }
            '[' => self.items(']', depth).map(Value::Vector),
            '(' => self.items(')', depth).map(Value::Vector),
            '#' => {
                self.next();
                if self.peek() != Some('{') {
                    return Err(self.fault("a set (tags are not read)"));
                }
                self.items('}', depth).map(Value::Vector)
            }
            '{' => {
                let mut items = self.items('}', depth)?.into_iter();
                let mut pairs = Vec::new();
                while let Some(key) = items.next() {
                    let value = items.next().ok_or_else(|| self.fault("a value for each key"))?;
                    pairs.push((key, value));
                }
                Ok(Value::Map(pairs))
            }
            _ => self.atom(),
        }
    }

    /// What is in brackets; the first character is the opening one.
    fn items(&mut self, end: char, depth: usize) -> Result<Vec<Value>, ParseFault> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(c) if c == end => {
                    self.next();
                    return Ok(items);
                }
                Some(_) => items.push(self.value(depth + 1)?),
                None => return Err(self.fault("a closing bracket")),
            }
        }
    }

    fn atom(&mut self) -> Result<Value, ParseFault> {
        let start = self.at;
        let word = self.word();
        match word.as_str() {
            "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            number => {
                let fault = ParseFault { at: start, what: "nil, true, false or an integer" };
                number.trim_end_matches('N').parse().map(Value::Int).map_err(|_| fault)
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, ',' | ';' | '"' | '[' | ']' | '(' | ')' | '{' | '}')
            {
                break;
            }
            word.push(c);
            self.next();
        }
        word
    }

    fn string(&mut self) -> Result<Value, ParseFault> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next().ok_or_else(|| self.fault("a closing quote"))? {
                '"' => return Ok(Value::Text(text)),
                '\\' => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some(_) | None => return Err(self.fault("a known escape")),
                },
                c => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::edn::text;
    use proptest::prelude::*;

    #[test]
    fn reads_what_jepsen_writes() {
        let line = r#"{:type :invoke, :f :write, :value [1 nil], :process 0, :time 12, :index 3}"#;
        let value = parse(line).unwrap();
        assert_eq!(value.field("f"), Some(&Value::Keyword("write".into())));
        assert_eq!(value.field("value"), Some(&Value::Vector(vec![Value::Int(1), Value::Nil])));
        assert_eq!(text(&value), line);
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for bad in ["", "{", "{:a}", "1.5", "\"a", "[1", "#inst \"x\"", "1 2", ":"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"[".repeat(10_000)).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<String>().prop_map(Value::Text),
            "[a-z][a-z0-9-]{0,8}".prop_map(Value::Keyword),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::Vector),
                pairs.prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            prop_assert_eq!(parse(&text(&value)), Ok(value));
        }
    }
}
