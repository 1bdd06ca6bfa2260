//! A trunk group: trunks that serve the same numbers, and how calls are dealt out among them.

use std::num::NonZeroU16;

use holdline_model::Name;

/// Trunks that serve the same numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkGroup {
    /// Its name, unique among groups and trunks.
    pub name: Name,
    /// How calls are dealt out among members of the same priority.
    pub policy: Policy,
    /// The trunks; each once, at most [`TrunkGroup::MAX_MEMBERS`].
    pub members: Vec<GroupMember>,
    /// What happens to a call when no member is usable.
    pub when_down: WhenDown,
}

/// A trunk in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The trunk.
    pub trunk: Name,
    /// Its share of the calls in comparison with the others; 1 to [`GroupMember::MAX_WEIGHT`].
    pub weight: NonZeroU16,
    /// Members with a larger number are tried only after those with a smaller one.
    pub priority: u16,
}

/// How calls are dealt out among trunks of the same priority. The policy puts all of them in order:
/// the first gets the call, the others are tried in turn if it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Always the first that is usable, as configured.
    #[default]
    InOrder,
    /// One after the other.
    RoundRobin,
    /// By weight, as evenly interleaved as the weights allow.
    Weighted,
    /// The one with the fewest calls up in the whole cluster, in proportion to the weights.
    LeastCalls,
    /// The one that answers fastest; those that are about as fast take turns.
    LowestLatency,
    /// The same trunk for the same caller or number, by rendezvous hashing: when a trunk goes or comes,
    /// only its own share moves.
    Hash(HashOver),
}

/// What decides, where the same is to lead to the same trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOver {
    /// The caller's Call-ID.
    CallId,
    /// The IP address that the call came from.
    Source,
    /// The dialled number.
    User,
}

/// What happens to a call when no trunk of its route is usable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// They are tried all the same, in order: their state may be out of date.
    #[default]
    Try,
    /// It is refused at once: 503 with the time after which a trunk will be tried again.
    Refuse,
}

impl TrunkGroup {
    /// Most members of one group.
    pub const MAX_MEMBERS: usize = 64;
}

impl GroupMember {
    /// The largest weight.
    pub const MAX_WEIGHT: u16 = 100;
}
