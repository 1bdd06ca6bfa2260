//! What an operator configures: trees of classes, buckets for each value of something, and caps on
//! calls that are up. The same types are the file for `limit set`, the API's body and the record.
//!
//! It says nothing about what is valid: that is `raft/limit`, which refuses a fault with both values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Operation, Rate, Tokens};
use crate::Name;

/// All limits of the cluster. Replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The status of refusals, where a class does not say: 503 or 429.
    pub status: u16,
    /// Dialled numbers that are never limited; with `*` at the end all that begin so.
    pub emergency: Vec<String>,
    /// What an operation costs, in tokens, where it is not one.
    pub cost: BTreeMap<Operation, Tokens>,
    /// How long a node may spend leased tokens, in milliseconds.
    pub lease_ms: u64,
    /// The classes. Those without a parent are the roots of trees; a request must pass all trees.
    pub class: Vec<ClassConfig>,
    /// Buckets made on demand, one for each value.
    pub each: Vec<EachConfig>,
    /// Caps on calls that are up.
    pub cap: Vec<CapConfig>,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            status: 503,
            emergency: Vec::new(),
            cost: BTreeMap::new(),
            lease_ms: 2_000,
            class: Vec::new(),
            each: Vec::new(),
            cap: Vec::new(),
        }
    }
}

/// A class of requests, with a bucket of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Its name, unique among classes, `each` and caps.
    pub name: Name,
    /// The class it is part of; none for the root of a tree.
    #[serde(default)]
    pub parent: Option<Name>,
    /// Which of its parent's requests are its own. The first child that matches has the request.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// The rate that nobody can take from it. The children's are part of it.
    #[serde(default)]
    pub assured: Rate,
    /// What it and its children can save up, together.
    pub burst: Tokens,
    /// The rate that it never passes, with whatever it borrows. None: its parent's.
    #[serde(default)]
    pub ceiling: Option<Rate>,
    /// What may pass at once, its own burst included; if not given, twice `burst`, or `burst` if nothing
    /// is assured to it.
    #[serde(default)]
    pub ceiling_burst: Option<Tokens>,
    /// How far an operation may overdraw its own bucket.
    #[serde(default)]
    pub debt: Tokens,
    /// From whom it borrows when its own tokens are spent.
    #[serde(default)]
    pub borrow: Borrow,
    /// Who borrows first: the lower number.
    #[serde(default)]
    pub priority: u8,
    /// Its part of what siblings of the same priority borrow together.
    #[serde(default = "one")]
    pub weight: u32,
    /// What happens to a request for which there are no tokens.
    #[serde(default)]
    pub action: Action,
    /// The status of its refusals.
    #[serde(default)]
    pub status: Option<u16>,
    /// For `delay`: how long a request is held at most, in milliseconds.
    #[serde(default)]
    pub max_wait_ms: u64,
    /// For `mark`: the header field, `Name: value`; `X-Limit:` and the class if not given.
    #[serde(default)]
    pub mark: Option<Name>,
}

const fn one() -> u32 {
    1
}

/// Buckets made on demand: each value of something has one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EachConfig {
    /// Its name.
    pub name: Name,
    /// Which requests it is for.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// What each value of has its own bucket.
    pub by: Dimension,
    /// How fast each fills; never a share.
    pub rate: Rate,
    /// What each holds.
    pub burst: Tokens,
    /// How far an operation may overdraw it.
    #[serde(default)]
    pub debt: Tokens,
    /// `drop` or `mark`.
    #[serde(default)]
    pub action: Action,
    /// The status of its refusals.
    #[serde(default)]
    pub status: Option<u16>,
    /// As in a class.
    #[serde(default)]
    pub mark: Option<Name>,
}

/// A cap on the calls that are up at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapConfig {
    /// Its name.
    pub name: Name,
    /// Which calls count.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// Count for each value of this by itself; without it, all together.
    #[serde(default)]
    pub by: Option<Dimension>,
    /// How many calls may be up.
    pub calls: u32,
    /// The status of its refusals.
    #[serde(default)]
    pub status: Option<u16>,
}

/// Which requests are meant: those that match every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Operations.
    pub operation: Vec<Operation>,
    /// Sites.
    pub pop: Vec<Name>,
    /// Tenants.
    pub tenant: Vec<Name>,
    /// Trunks that requests come from.
    pub trunk: Vec<Name>,
    /// Trunks that calls go to. Only in caps: buckets know a call before it is sent on.
    pub trunk_out: Vec<Name>,
    /// Source addresses, as blocks: `192.0.2.0/24`.
    pub source: Vec<String>,
    /// What the caller's number begins with.
    pub caller: Vec<Name>,
    /// What the dialled number begins with.
    pub called: Vec<Name>,
}

/// From whom a class borrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Borrow {
    /// Nobody.
    Never,
    /// What its parent has to lend: its unassigned part, and what the siblings leave over.
    Sibling,
    /// The same, and what the parent may borrow in turn.
    #[default]
    Parent,
}

/// What happens to a request for which there are no tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is refused.
    #[default]
    Drop,
    /// It is held until its class has tokens for it, if that is not too long.
    Delay,
    /// It is admitted and marked.
    Mark,
}

/// Something that requests differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The site.
    Pop,
    /// The tenant.
    Tenant,
    /// The trunk that the request came from.
    Trunk,
    /// The trunk that the call goes to; only in caps.
    TrunkOut,
    /// The source address.
    Source,
    /// The caller's number.
    Caller,
    /// The dialled number.
    Called,
}

impl Dimension {
    /// The word used in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pop => "pop",
            Self::Tenant => "tenant",
            Self::Trunk => "trunk",
            Self::TrunkOut => "trunk_out",
            Self::Source => "source",
            Self::Caller => "caller",
            Self::Called => "called",
        }
    }
}
