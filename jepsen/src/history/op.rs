//! One line of a history.

use super::edn::{self, Value};

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpType {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows; or it is a fact, not an operation.
    Info,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    /// A client. It does one thing after the other.
    Client(u64),
    /// The nemesis, or an observer.
    Named(String),
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Its place.
    pub index: u64,
    /// Nanoseconds since the run began.
    pub time: u64,
    /// How far it is.
    pub ty: OpType,
    /// Who.
    pub process: Process,
    /// What.
    pub f: String,
    /// With what.
    pub value: Value,
    /// Why it did not happen, or why nobody knows.
    pub error: Option<String>,
}

/// A line that is no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no operation: {0}")]
pub struct NotAnOp(&'static str);

impl OpType {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Invoke, "invoke"), (Self::Ok, "ok"), (Self::Fail, "fail"), (Self::Info, "info")];

    /// Jepsen's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(ty, _)| *ty == self).map_or("info", |(_, word)| word)
    }
}

impl Process {
    /// A process with a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl Op {
    /// As Jepsen writes it.
    #[must_use]
    pub fn to_edn(&self) -> Value {
        let key = |name: &str| Value::Keyword(name.into());
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let process = match &self.process {
            Process::Client(place) => number(*place),
            Process::Named(name) => key(name),
        };
        let mut map = vec![
            (key("type"), key(self.ty.word())),
            (key("f"), key(&self.f)),
            (key("value"), self.value.clone()),
            (key("process"), process),
            (key("time"), number(self.time)),
            (key("index"), number(self.index)),
        ];
        if let Some(error) = &self.error {
            map.push((key("error"), Value::Text(error.clone())));
        }
        Value::Map(map)
    }

    /// Reads what [`Op::to_edn`] or Jepsen has written.
    ///
    /// # Errors
    /// What is missing.
    pub fn from_edn(value: &Value) -> Result<Self, NotAnOp> {
        let field = |name: &'static str| value.field(name).ok_or(NotAnOp(name));
        let number = |name: &'static str| match field(name)? {
            Value::Int(number) => u64::try_from(*number).map_err(|_| NotAnOp(name)),
            _ => Err(NotAnOp(name)),
        };
        let word = |name: &'static str| match field(name)? {
            Value::Keyword(word) => Ok(word.as_str()),
            _ => Err(NotAnOp(name)),
        };
        let ty = word("type")?;
        let ty = OpType::ALL.iter().find(|(_, known)| *known == ty).ok_or(NotAnOp("type"))?.0;
        let process = match field("process")? {
            Value::Int(number) => {
                Process::Client(u64::try_from(*number).map_err(|_| NotAnOp("process"))?)
            }
            Value::Keyword(name) => Process::Named(name.clone()),
            _ => return Err(NotAnOp("process")),
        };
        let error = match value.field("error") {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(other) => Some(edn::text(other)),
            None => None,
        };
        Ok(Self {
            index: number("index")?,
            time: number("time")?,
            ty,
            process,
            f: word("f")?.to_owned(),
            value: value.field("value").cloned().unwrap_or(Value::Nil),
            error,
        })
    }
}
