//! Questions to the DNS, and answers.

use std::fmt;
use std::net::IpAddr;

/// A question. Names are in lower case, without a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// What is asked for.
    pub kind: Kind,
    /// Of whom.
    pub name: String,
}

/// Kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// NAPTR: which transports a domain offers.
    Naptr,
    /// SRV: which servers, and at which ports.
    Srv,
    /// A and AAAA together: which addresses.
    Host,
}

/// What a name server says; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// NAPTR records.
    Naptr(Vec<Naptr>),
    /// SRV records.
    Srv(Vec<Srv>),
    /// Addresses.
    Host(Vec<IpAddr>),
}

/// A NAPTR record (RFC 3403 section 4.1), without its regular expression: SIP uses none (RFC 3263
/// section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones are looked at first, and only the lowest that is of use.
    pub order: u16,
    /// The same among those of one order.
    pub preference: u16,
    /// `s`: what is found under the replacement is an SRV record.
    pub flags: String,
    /// Such as `SIP+D2T`.
    pub services: String,
    /// The name to go on with.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; empty (a lone dot): the service is not to be had.
    pub target: String,
}

/// What is known of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The answer.
    Answer(Answer),
    /// There is no such record, or no such name.
    Nothing,
    /// It was asked, and nobody answered, or not with an answer.
    Failed(String),
    /// It has to be asked.
    Unknown,
}

/// Where answers are looked up.
pub trait Knowledge {
    /// What is known of a question.
    fn known(&self, question: &Question) -> Known;
}

impl Question {
    /// Of a name, which is put into its one form.
    #[must_use]
    pub fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase() }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl Kind {
    /// As in a zone file, and as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::Host => "A/AAAA",
        }
    }
}
