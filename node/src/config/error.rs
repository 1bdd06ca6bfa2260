//! Why a configuration is refused. Every fault names its values and the next step; file, line,
//! column and key are added where it is found.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use holdline_call::{Cidr, InvalidCidr, InvalidOptions, RoutingError};
use holdline_model::{NodeId, Transport};
use holdline_raft::OptionsError;
use holdline_sip::transaction::TimerConfigError;

/// A configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("{path}: cannot be read: {source}; {}", read_next_step(.source), path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is larger than any configuration.
    #[error(
        "{}: has {size} bytes, more than the {limit} allowed; is this the configuration file?",
        .path.display()
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// It contradicts itself or the format; never empty.
    #[error("{}", Lines(.0))]
    Faults(Vec<LocatedFault>),
}

/// A fault and where it is.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}:{column}: {key}: {fault}; {}", .path.display(), .fault.next_step())]
pub struct LocatedFault {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, as a path from the top of the file.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text is not TOML, or a value is of the wrong type or form.
    #[error("{message}")]
    Malformed {
        /// What the parser says.
        message: String,
    },
    /// There is no such key here.
    #[error("unknown key \"{found}\"")]
    UnknownKey {
        /// The key.
        found: String,
        /// The keys that are known here.
        known: Vec<String>,
    },
    /// A key that has no default is missing.
    #[error("the key \"{missing}\" is missing")]
    MissingKey {
        /// The key.
        missing: String,
    },
    /// A number or a count is out of its range.
    #[error("{found} is out of range")]
    OutOfRange {
        /// The value.
        found: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A number is below another that it may not be below.
    #[error("{found} is below {other}, which is {least}")]
    Below {
        /// The value.
        found: u64,
        /// The other key.
        other: &'static str,
        /// The other value.
        least: u64,
    },
    /// A name has characters that could not be shown or used everywhere.
    #[error("\"{found}\" is not a name")]
    NotAName {
        /// The value.
        found: String,
    },
    /// A name that stands for something else.
    #[error("\"{found}\" is the name under which calls of registered users are recorded")]
    Reserved {
        /// The value.
        found: String,
    },
    /// Two keys exclude each other.
    #[error("both \"{first}\" and \"{second}\" are set")]
    Exclusive {
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
    },
    /// Two keys are of use only together.
    #[error("\"{first}\" and \"{second}\" are of use only together")]
    NeedsOther {
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
    },
    /// One of two keys is needed.
    #[error("neither \"{first}\" nor \"{second}\" is set")]
    NeedsOneOf {
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
    },
    /// A value stands twice where it must be unique.
    #[error("\"{value}\" stands twice")]
    Duplicate {
        /// The value.
        value: String,
    },
    /// A seed to join by is no host and port.
    #[error("\"{found}\" is no host and port")]
    NotASeed {
        /// The value.
        found: String,
    },
    /// A node's part is none that there is.
    #[error("\"{found}\" is no role")]
    NotARole {
        /// The value.
        found: String,
    },
    /// The node's part is given twice, differently.
    #[error("role is \"{found}\" here but \"{member}\" in the list of members")]
    RoleMismatch {
        /// The value in `[node]`.
        found: String,
        /// The value in `cluster.members`.
        member: String,
    },
    /// A witness has SIP addresses.
    #[error("a witness takes no SIP")]
    WitnessWithSip,
    /// This node is not in the list of members.
    #[error("node {id} is not among the members ({})", ids(.members))]
    NotAMember {
        /// This node.
        id: NodeId,
        /// The members.
        members: Vec<NodeId>,
    },
    /// The site is given twice, differently.
    #[error("pop is \"{found}\" here but \"{member}\" in the list of members")]
    PopMismatch {
        /// The value in `[node]`.
        found: String,
        /// The value in `cluster.members`.
        member: String,
    },
    /// More members than slots: some could never own one.
    #[error("{slots} slots for {members} members")]
    FewerSlotsThanMembers {
        /// How many slots.
        slots: u16,
        /// How many members.
        members: usize,
    },
    /// An address that others must be able to reach names no host.
    #[error("{address} names no host that others can reach")]
    NoHost {
        /// The address.
        address: SocketAddr,
    },
    /// An address without a port.
    #[error("{address} has port 0")]
    NoPort {
        /// The address.
        address: SocketAddr,
    },
    /// Two listeners would share one TCP address.
    #[error("{address} is also {other}")]
    SharedAddress {
        /// The address.
        address: SocketAddr,
        /// The other key.
        other: &'static str,
    },
    /// A cluster key is not 32 bytes.
    #[error("the key is not 32 bytes in hexadecimal or base64 ({detail})")]
    BadKey {
        /// What it is instead; never the key itself.
        detail: String,
    },
    /// A file named in the configuration cannot be used.
    #[error("{path}: {cause}", path = .path.display())]
    BadFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// A secret can be read by everybody.
    #[error("{path} can be read by every user (mode {mode:04o})", path = .path.display())]
    SecretExposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The admin API would be open to the network.
    #[error("{listen} is not a loopback address and there is no token")]
    TokenNeeded {
        /// Where it would listen.
        listen: SocketAddr,
    },
    /// A token that could be guessed.
    #[error("the token has {length} characters, fewer than {least}")]
    TokenTooShort {
        /// Its length.
        length: usize,
        /// The least allowed.
        least: usize,
    },
    /// A token with characters that cannot stand in a header.
    #[error("the token has a character that cannot stand in an Authorization header")]
    TokenCharacters,
    /// A route names a trunk that is not there.
    #[error("there is no trunk \"{found}\"")]
    UnknownTrunk {
        /// The name.
        found: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// The name of a transport that there is none of.
    #[error("\"{found}\" is not a transport")]
    NotATransport {
        /// The value.
        found: String,
    },
    /// Neither an address nor a name.
    #[error("\"{found}\" is neither an address with a port nor the name of a host")]
    NotAPeer {
        /// The value.
        found: String,
    },
    /// A route names a trunk group that is not there.
    #[error("there is no trunk group \"{found}\"")]
    UnknownGroup {
        /// The name.
        found: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// Something is said about a password that is not asked for.
    #[error("auth does not ask for \"digest\"")]
    OnlyWithDigest,
    /// A password is to be asked for that nobody could know.
    #[error("auth asks for \"digest\", and there is no password")]
    NeedsPeer,
    /// Certificates are to prove whose calls are whose, and nobody is asked for one.
    #[error("auth asks for \"certificate\", and [sip.tls] asks no client for one")]
    NobodyAsked,
    /// Calls would need no proof at all.
    #[error("auth asks for nothing: anybody could call")]
    NoProof,
    /// Not what a password becomes.
    #[error("not {digits} hexadecimal digits")]
    NotHa1 {
        /// How many it has to be.
        digits: usize,
    },
    /// Something is said about hashing, but the policy is another.
    #[error("the policy is not \"hash\"")]
    OnlyWithHash,
    /// A trunk in doubt would be asked less often than one in good standing.
    #[error("{doubt:?} is longer than probe.interval_ms, which is {usual:?}")]
    DoubtInterval {
        /// As given.
        doubt: std::time::Duration,
        /// As given.
        usual: std::time::Duration,
    },
    /// A breaker would be open for longer than the longest time.
    #[error("{open:?} is longer than breaker.open_max_ms, which is {max:?}")]
    OpenTime {
        /// As given.
        open: std::time::Duration,
        /// As given.
        max: std::time::Duration,
    },
    /// TLS is asked for, and there is no certificate.
    #[error("TLS needs a certificate, and there is no [sip.tls]")]
    NoCertificate,
    /// An address stands for one of the other IP version.
    #[error("{found} cannot stand for {address}: one is IPv4, the other IPv6")]
    AnotherFamily {
        /// Where the listener is bound.
        address: SocketAddr,
        /// What it is to advertise.
        found: SocketAddr,
    },
    /// A trunk is reached over a transport that nothing here listens for.
    #[error("calls over {transport} leave from a listener for it, and this node has none")]
    NoListener {
        /// The transport.
        transport: Transport,
    },
    /// A trunk cannot be reached over a transport that only clients open.
    #[error("nobody can be called over {transport} who has not connected before")]
    NotDialled {
        /// The transport.
        transport: Transport,
    },
    /// No rule about certificates of clients.
    #[error("\"{found}\" says nothing about certificates of clients")]
    NotAClientRule {
        /// The value.
        found: String,
    },
    /// There is no address at all.
    #[error("this node has no SIP address")]
    NoSipAddress,
    /// A dialled prefix with characters that no number has.
    #[error("\"{found}\" is not a dialled prefix")]
    NotAPrefix {
        /// The value.
        found: String,
    },
    /// Two trunks claim the same source.
    #[error("{block} is a source of trunk \"{first}\" and of trunk \"{second}\"")]
    AmbiguousSource {
        /// The block.
        block: Cidr,
        /// One trunk.
        first: String,
        /// The other trunk.
        second: String,
    },
    /// The name of an interface is empty, too long or has a slash.
    #[error("\"{found}\" cannot be the name of a network interface")]
    NotAnInterface {
        /// The value.
        found: String,
    },
    /// The path of a program is not absolute.
    #[error("\"{found}\" is not an absolute path")]
    NotAbsolute {
        /// The value.
        found: String,
    },
    /// A source is not an address or a block of addresses.
    #[error(transparent)]
    NotASource(#[from] InvalidCidr),
    /// Trunks and routes contradict each other.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// Times of calls contradict each other.
    #[error(transparent)]
    CallOptions(#[from] InvalidOptions),
    /// T1, T2 and T4 contradict each other.
    #[error(transparent)]
    SipTimers(#[from] TimerConfigError),
    /// Times or bounds of Raft contradict each other.
    #[error(transparent)]
    RaftTuning(#[from] OptionsError),
    /// A log filter that cannot be read.
    #[error("\"{found}\" is not a log level or filter: {cause}")]
    BadLevel {
        /// The value.
        found: String,
        /// Why not.
        cause: String,
    },
}

impl Fault {
    /// What the operator does about it.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: a line or two for each fault")]
    pub fn next_step(&self) -> String {
        match self {
            Self::Malformed { message } => malformed_next_step(message).to_owned(),
            Self::UnknownKey { found, known } => unknown_key_next_step(found, known),
            Self::MissingKey { missing } => format!("add \"{missing}\" to this section"),
            Self::OutOfRange { min, max, .. } => format!("give a value from {min} to {max}"),
            Self::Below { other, least, .. } => {
                format!("give {least} or more, or lower {other}")
            }
            Self::NotAName { .. } => {
                "use 1 to 64 of the characters a-z A-Z 0-9 . _ -, the first one a letter or digit".to_owned()
            }
            Self::Reserved { .. } => "give it another name".to_owned(),
            Self::Exclusive { .. } => "remove one of them".to_owned(),
            Self::NeedsOther { .. } => "set both, or neither".to_owned(),
            Self::NeedsOneOf { first, second } => format!("set \"{first}\" or \"{second}\""),
            Self::Duplicate { .. } => "remove or change one of them".to_owned(),
            Self::NotASeed { .. } => "write it as seed.example.com:7060".to_owned(),
            Self::NotARole { .. } => "write \"full\" or \"witness\"".to_owned(),
            Self::RoleMismatch { .. } => "make them equal, or leave out node.role".to_owned(),
            Self::WitnessWithSip => "leave the addresses out".to_owned(),
            Self::NotAMember { id, .. } => {
                format!("add {{ id = {id}, rpc = \"…\" }} to cluster.members, or correct node.id")
            }
            Self::PopMismatch { .. } => "make them equal, or leave out node.pop".to_owned(),
            Self::FewerSlotsThanMembers { members, .. } => {
                format!("set cluster.slots to {members} or more (64 is usual)")
            }
            Self::NoHost { .. } => "write the host's own address in place of it".to_owned(),
            Self::NoPort { .. } => "write the port".to_owned(),
            Self::SharedAddress { .. } => "give one of them another port".to_owned(),
            Self::BadKey { .. } => "make one with: openssl rand -hex 32".to_owned(),
            Self::BadFile { .. } => "create it, or correct the path".to_owned(),
            Self::SecretExposed { path, .. } => format!("run: chmod 600 {}", path.display()),
            Self::TokenNeeded { .. } => {
                "set admin.token_file (make one with: openssl rand -hex 32), or listen on 127.0.0.1"
                    .to_owned()
            }
            Self::TokenTooShort { .. } => "make one with: openssl rand -hex 32".to_owned(),
            Self::TokenCharacters => "use letters, digits and the characters - . _ ~ + / =".to_owned(),
            Self::UnknownTrunk { nearest, .. } => match nearest {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => "add a [[trunk]] with this name".to_owned(),
            },
            Self::NotAPeer { .. } => {
                "write 192.0.2.10:5060, sip.example.com or sip.example.com:5060".to_owned()
            }
            Self::NotATransport { .. } => "write udp, tcp, tls, ws or wss".to_owned(),
            Self::UnknownGroup { nearest, .. } => match nearest {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => "add a [[trunk_group]] with this name".to_owned(),
            },
            Self::OnlyWithDigest => "add \"digest\" to auth, or remove peer".to_owned(),
            Self::NeedsPeer => {
                "add peer = { username = \"…\", password_file = \"…\" }".to_owned()
            }
            Self::NobodyAsked => {
                "set clients = \"asked\" or \"required\", and ca, in [sip.tls]".to_owned()
            }
            Self::NoProof => {
                "write [\"source\"], [\"digest\"], [\"certificate\"] or several".to_owned()
            }
            Self::NotHa1 { .. } => {
                "make it with: printf '%s' 'USER:REALM:PASSWORD' | md5sum, or sha256sum".to_owned()
            }
            Self::OnlyWithHash => "set policy = \"hash\", or remove hash_over".to_owned(),
            Self::DoubtInterval { .. } | Self::OpenTime { .. } => {
                "change one of them, or leave both out for the defaults".to_owned()
            }
            Self::NoCertificate => {
                "add [sip.tls] with certificate and key; docs/transports.md says how to make them".to_owned()
            }
            Self::AnotherFamily { .. } => {
                "write the address that the translator gives it, or a listener for each IP version"
                    .to_owned()
            }
            Self::NoListener { transport } => format!(
                "add a [[sip.listener]] with transport = \"{}\"",
                transport.param()
            ),
            Self::NotDialled { .. } => "write udp, tcp or tls".to_owned(),
            Self::NotAClientRule { .. } => "write ignored, asked or required".to_owned(),
            Self::NoSipAddress => "set sip.addresses, or add a [[sip.listener]]".to_owned(),
            Self::NotAPrefix { .. } => {
                "use digits with an optional + in front, or \"\" for every number".to_owned()
            }
            Self::NotASource(_) => "write 192.0.2.7 or 192.0.2.0/24".to_owned(),
            Self::Routing(_) => "correct one of the two".to_owned(),
            Self::CallOptions(_) | Self::SipTimers(_) | Self::RaftTuning(_) => {
                "change one of them, or leave both out for the defaults".to_owned()
            }
            Self::AmbiguousSource { .. } => {
                "a source tells which trunk a call came from: leave it to one trunk, and give the other sources = []"
                    .to_owned()
            }
            Self::NotAnInterface { .. } => "see `ip link` for the names".to_owned(),
            Self::NotAbsolute { .. } => "write the whole path; no shell looks it up".to_owned(),
            Self::BadLevel { .. } => {
                "write error, warn, info, debug or trace, or a filter such as info,holdline=debug".to_owned()
            }
        }
    }
}

fn unknown_key_next_step(found: &str, known: &[String]) -> String {
    match nearest(found, known.iter().map(String::as_str)) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn malformed_next_step(message: &str) -> &'static str {
    if message.contains("socket address") {
        "write an IP address and a port, such as \"192.0.2.10:5060\""
    } else if message.contains("IP address") {
        "write an IP address, such as \"192.0.2.10\""
    } else if message.contains("invalid type") || message.contains("invalid value") {
        "see `holdline config example` for its form"
    } else {
        "see `holdline config example`"
    }
}

fn read_next_step(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "check the path, or start from: holdline config example > node.toml"
        }
        std::io::ErrorKind::PermissionDenied => "let the user that holdline runs as read it",
        _ => "check the path",
    }
}

/// The candidate that differs least from `found`, if it differs little enough to be meant.
pub(super) fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 3)
        .min()
        .map(|(_, name)| name.to_owned())
}

fn ids(members: &[NodeId]) -> String {
    members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

struct Lines<'a>(&'a [LocatedFault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}
