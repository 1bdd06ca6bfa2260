//! What the admin API answers, as far as tests look at it. Fields that are not named here are
//! passed over, so that the API may grow.

use serde::Deserialize;

/// `GET /v1/cluster/health`.
#[derive(Clone, Debug, Deserialize)]
pub struct Health {
    /// `green`, `yellow` or `red`.
    pub status: String,
    /// The leader, as far as the node that answers knows.
    pub leader: Option<u64>,
    /// Raft's term.
    #[serde(default)]
    pub term: u64,
    /// The last entry applied by the node that answers: what it shows is not newer.
    #[serde(default)]
    pub applied_index: u64,
    /// How many more nodes may fail before calls are not served any more.
    pub may_fail: u64,
    /// Calls that are up.
    pub calls: u64,
    /// The members.
    pub members: Vec<MemberView>,
}

/// One member of the cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberView {
    /// Its number.
    pub id: u64,
    /// Whether it is alive.
    pub alive: bool,
    /// Slots that it owns.
    pub slots_owned: u64,
    /// Slots whose home it is.
    pub slots_home: u64,
    /// Calls of those slots that are up.
    pub calls: u64,
    /// Whether it is drained.
    pub draining: bool,
}

/// One call of `GET /v1/calls`.
#[derive(Clone, Debug, Deserialize)]
pub struct CallView {
    /// Its id.
    pub id: String,
    /// The node that owns it.
    pub owner: Option<u64>,
    /// How far it has come.
    pub phase: String,
    /// The dialled URI.
    pub to: String,
}

/// One slot of `GET /v1/slots`.
#[derive(Clone, Debug, Deserialize)]
pub struct SlotView {
    /// Its number.
    pub slot: u64,
    /// The node that it belongs to when all is well.
    pub home: u64,
    /// The node that owns it.
    pub owner: u64,
    /// Counts its owners.
    pub epoch: u64,
}

/// One call detail record of `GET /v1/cdrs`.
#[derive(Clone, Debug, Deserialize)]
pub struct CdrView {
    /// Its place in the log.
    pub id: String,
    /// The call's id.
    pub call: String,
    /// The trunk it came from; empty in records that leave it out.
    #[serde(default)]
    pub trunk_in: String,
    /// The dialled URI.
    pub to: String,
    /// Call-ID of the caller's leg.
    pub caller_call_id: String,
    /// Call-ID of the callee's leg.
    pub callee_call_id: String,
    /// `ANSWERED`, `NO ANSWER`, `BUSY`, `FAILED` or `CANCELED`.
    pub disposition: String,
    /// `caller`, `callee`, `admin`, `timer` or `switch`.
    pub hangup_by: String,
    /// The SIP status that says best why it ended.
    pub status: u16,
    /// When the INVITE's admission was proposed (RFC 3339).
    pub started_at: String,
    /// When it was decided, by the limits' clock.
    pub admitted_at: String,
    /// When it was answered.
    pub answered_at: Option<String>,
    /// When it ended.
    pub ended_at: String,
    /// From answer to end, in ms.
    pub duration_ms: u64,
    /// Its owners in order.
    pub owners: Vec<OwnerView>,
    /// How often it changed owner.
    pub takeovers: u32,
}

/// An owner of a call.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnerView {
    /// Which node.
    pub node: u64,
    /// In which epoch of the slot.
    pub epoch: u64,
    /// `formed`, `failure`, `drain`, `hand_back` or `restart`.
    pub reason: String,
}

impl CdrView {
    /// The number dialled.
    #[must_use]
    pub fn number(&self) -> &str {
        number(&self.to)
    }
}

impl CallView {
    /// The number dialled.
    #[must_use]
    pub fn number(&self) -> &str {
        number(&self.to)
    }
}

/// The user part of a SIP URI.
fn number(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or(rest, |(user, _)| user)
}

/// `GET /v1/members`.
#[derive(Clone, Debug, Deserialize)]
pub struct Members {
    /// How many vote, are alive and are needed.
    pub votes: Votes,
    /// What is missing.
    pub advice: Vec<String>,
    /// The highest number that was ever given to a node.
    pub highest: u64,
    /// Members, those that are expected and those that were removed.
    pub members: Vec<Standing>,
}

/// How many voters may fail.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Votes {
    /// How many vote.
    pub voters: u32,
    /// How many of them are alive.
    pub alive: u32,
    /// How many are needed.
    pub needed: u32,
    /// How many more may fail.
    pub may_fail: u32,
}

/// One of [`Members`].
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    /// Its number.
    pub id: u64,
    /// `voter`, `learner`, `expected` or `removed`.
    pub standing: String,
    /// `full` or `witness`.
    pub role: String,
    /// Calls may fail over to it.
    pub safe: bool,
    /// It waits to be promoted by hand.
    pub held: bool,
    /// Slots it owns.
    pub slots_owned: u64,
    /// Slots whose home it is.
    pub slots_home: u64,
}

/// The answer to a change of the members.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Changed {
    /// The node that was changed, or that leads.
    pub node: u64,
    /// How it was.
    pub before: Votes,
    /// How it is.
    pub after: Votes,
}

impl Members {
    /// How a node stands; `-` for one that is not known.
    #[must_use]
    pub fn standing(&self, id: u64) -> &str {
        self.one(id).map_or("-", |member| member.standing.as_str())
    }

    /// One of them.
    #[must_use]
    pub fn one(&self, id: u64) -> Option<&Standing> {
        self.members.iter().find(|member| member.id == id)
    }
}
