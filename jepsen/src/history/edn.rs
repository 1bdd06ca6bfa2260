//! EDN, as far as histories need it: nil, booleans, integers, strings, keywords, vectors, maps.
//! Lists and sets are read as vectors; floats, ratios, characters and tags are refused.
//!
//! Values of ours are structs that serde knows; field names have `-` where Rust has `_`.

mod parse;
mod print;

pub use parse::{ParseFault, parse};
pub use print::text;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// `7`.
    Int(i64),
    /// `"text"`.
    Text(String),
    /// `:word`.
    Keyword(String),
    /// `[1 2]`.
    Vector(Vec<Self>),
    /// `{:a 1}`, in the order written.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// The value of a keyword in a map.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let named = |key: &Self| matches!(key, Self::Keyword(word) if word == name);
        pairs.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
    }
}

/// A struct as a map of keywords. What serde cannot turn into JSON becomes `nil`.
#[must_use]
pub fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).map_or(Value::Nil, |json| from_json(&json))
}

/// Reads a struct back.
///
/// # Errors
/// What does not fit.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(to_json(value))
}

/// JSON as EDN. A number that is no integer becomes a string.
#[must_use]
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Text(number.to_string()), Value::Int)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::Vector(items.iter().map(from_json).collect()),
        Json::Object(fields) => {
            let field = |(key, value): (&String, &Json)| {
                (Value::Keyword(key.replace('_', "-")), from_json(value))
            };
            Value::Map(fields.iter().map(field).collect())
        }
    }
}

/// EDN as JSON; a keyword becomes a string.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => Json::from(*number),
        Value::Text(text) | Value::Keyword(text) => Json::String(text.clone()),
        Value::Vector(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let key = match key {
                    Value::Keyword(word) => word.replace('-', "_"),
                    Value::Text(word) => word.clone(),
                    other => text(other),
                };
                map.insert(key, to_json(value));
            }
            Json::Object(map)
        }
    }
}
