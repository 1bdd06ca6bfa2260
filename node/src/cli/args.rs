//! The command line's grammar.

mod cdr;
mod user;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub(super) use cdr::{
    CdrCommand, CdrExportArgs, CdrListArgs, ExportFormat, KeyArgs, RetentionCommand, SinkCommand,
    SnapshotCommand,
};
pub(super) use user::{PasswordArgs, RegistrationCommand, UserAddArgs, UserCommand};

/// A clustered SIP switch: kill any node at any moment, no call is lost.
#[derive(Debug, Parser)]
#[command(name = "holdline", version, after_help = EXIT_CODES)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Which cluster is asked, and how it is shown.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Target {
    /// Admin URLs of nodes, separated by commas; the first that answers is asked
    #[arg(long, env = "HOLDLINE_URL", value_delimiter = ',', default_values = DEFAULT_URLS, global = true)]
    pub(super) url: Vec<String>,
    /// The admin API's bearer token, where it needs one
    #[arg(long, env = "HOLDLINE_TOKEN", hide_env_values = true, global = true)]
    pub(super) token: Option<String>,
    /// Take what the node knows that answers, however old it is: for clusters without a majority
    #[arg(long, global = true)]
    pub(super) stale: bool,
    /// How results are shown
    #[arg(short, long, value_enum, default_value_t = Format::Table, global = true)]
    pub(super) output: Format,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// As the API answers
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a node, or drain and undrain one
    Node(NodeArgs),
    /// Run a development cluster on loopback until Ctrl-C
    Dev(DevArgs),
    /// Check a configuration, or print an example
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show how the cluster is
    Status,
    /// List, add, promote, demote, remove and replace members
    Member {
        #[command(subcommand)]
        command: MemberCommand,
    },
    /// List the sites (PoPs), and how far they are from each other
    Pop {
        #[command(subcommand)]
        command: PopCommand,
    },
    /// Make certificates for connections between nodes
    Certs {
        #[command(subcommand)]
        command: CertsCommand,
    },
    /// Keys of sealed data folders
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Have another node lead
    Leader {
        #[command(subcommand)]
        command: LeaderCommand,
    },
    /// List, show, hang up and cap calls
    Call {
        #[command(subcommand)]
        command: CallCommand,
    },
    /// List, show, replace, reset and try limits
    Limit {
        #[command(subcommand)]
        command: LimitCommand,
    },
    /// List, show, disable and enable trunks
    Trunk {
        #[command(subcommand)]
        command: TrunkCommand,
    },
    /// List what listens for calls
    Listener {
        #[command(subcommand)]
        command: ListCommand,
    },
    /// List a node's certificates
    Certificate {
        #[command(subcommand)]
        command: ListCommand,
    },
    /// List and export call detail records
    Cdr {
        #[command(subcommand)]
        command: CdrCommand,
    },
    /// Save, inspect and restore backups
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
    /// List, add and remove bans of source addresses
    Ban {
        #[command(subcommand)]
        command: BanCommand,
    },
    /// Show who comes most often
    Top(TopArgs),
    /// Show a node's overload control, shield and bans
    Protection,
    /// Add, list, show, remove and import users of local domains
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// List, show and end the registrations of users
    Registration {
        #[command(subcommand)]
        command: RegistrationCommand,
    },
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct NodeArgs {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) config: Option<PathBuf>,
    /// Join the cluster of this node, host:port; cluster.members in the file does not count then
    #[arg(long, value_name = "SEED")]
    pub(super) join: Option<String>,
    /// End when the process that started this one ends
    #[arg(long, hide = true)]
    pub(super) end_with_parent: bool,
    #[command(subcommand)]
    pub(super) command: Option<NodeCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum NodeCommand {
    /// Move a node's slots and calls to others; nothing is dropped
    Drain {
        /// The node's number
        id: u64,
    },
    /// Let a drained node own slots and calls again
    Undrain {
        /// The node's number
        id: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// List members: who votes, and to whom calls may fail over
    List,
    /// Give a number to a node that will join from an address
    Add {
        /// Where other nodes will reach it (its cluster.rpc)
        rpc: SocketAddr,
        /// Its site
        #[arg(long, default_value = "default")]
        pop: String,
        /// It votes, and owns no calls
        #[arg(long)]
        witness: bool,
    },
    /// Give a learner a vote
    Promote {
        /// The node's number
        id: u64,
    },
    /// Take a voter's vote; its slots move first, and it stays as a learner
    Demote {
        /// The node's number
        id: u64,
    },
    /// Remove a node for good; its slots move first, its number is never used again
    Remove {
        /// The node's number
        id: u64,
        /// Who gets its home slots and SIP addresses
        #[arg(long, value_name = "ID")]
        heir: Option<u64>,
    },
    /// Put a new member in an old one's place: its vote, home slots and SIP addresses
    Replace {
        /// Who goes
        old: u64,
        /// Who comes: a member that has caught up
        new: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PopCommand {
    /// List them, with the round trips between nodes
    List,
}

#[derive(Debug, Subcommand)]
pub(super) enum CertsCommand {
    /// Make the cluster's authority in an empty folder; its key belongs to the operator, not on a node
    Init {
        /// The cluster's name, as in cluster.name
        #[arg(long)]
        cluster: String,
        /// The folder
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
    },
    /// Issue a certificate and a key for a node
    Issue {
        /// The node's number
        id: u64,
        /// Days until it ends
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// The folder of the authority
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
    },
    /// List what was issued
    List {
        /// The folder of the authority
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a file with a new key
    New {
        /// The file, which must not be there
        file: PathBuf,
    },
    /// Put a new key in front of those that a file holds
    Rotate {
        /// The file
        file: PathBuf,
    },
    /// Take all but the first key out of a file
    Prune {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum LeaderCommand {
    /// Hand leadership to a node, or to the one that is furthest along
    Transfer {
        /// The node's number
        id: Option<u64>,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct DevArgs {
    /// Where configurations, logs and data go; by default a new temporary folder
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    pub(super) nodes: u8,
    /// Where calls go, in order; several are tried in turn
    #[arg(long, value_name = "ADDR", num_args = 1.., default_value = "127.0.0.1:5070")]
    pub(super) callee: Vec<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a file; exit code 2 if it is refused
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print a commented example
    Example,
}

#[derive(Debug, Subcommand)]
pub(super) enum CallCommand {
    /// List calls
    List(CallListArgs),
    /// Show one call
    Show {
        /// Its id
        id: String,
    },
    /// Hang up both sides of a call
    Hangup {
        /// Its id
        id: String,
    },
    /// List, set and remove caps on calls that are up
    Cap {
        #[command(subcommand)]
        command: CapCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CapCommand {
    /// Show every cap, and the value that has most calls up
    List,
    /// Add a cap, or replace the one of that name; calls that are up stay up, and count
    Set(CapSetArgs),
    /// Remove a cap
    Remove {
        /// Its name
        name: String,
        /// Only if this is the version of the limits in force
        #[arg(long)]
        version: Option<u64>,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct CapSetArgs {
    /// Its name
    pub(super) name: String,
    /// How many calls may be up
    pub(super) calls: u32,
    /// Count for each value of this by itself: pop, tenant, trunk, trunk_out, source, caller, called
    #[arg(long)]
    pub(super) by: Option<String>,
    /// Only calls of this tenant; may be given more than once, as all of the following
    #[arg(long)]
    pub(super) tenant: Vec<String>,
    /// Only calls from this trunk
    #[arg(long)]
    pub(super) trunk: Vec<String>,
    /// Only calls to this trunk
    #[arg(long)]
    pub(super) trunk_out: Vec<String>,
    /// Only calls to numbers that begin so
    #[arg(long)]
    pub(super) called: Vec<String>,
    /// The status of refusals, 503 or 429
    #[arg(long)]
    pub(super) status: Option<u16>,
    /// Only if this is the version of the limits in force
    #[arg(long)]
    pub(super) version: Option<u64>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct CallListArgs {
    /// up, inviting, answered, confirmed, finished or any
    #[arg(long)]
    pub(super) state: Option<String>,
    /// Only calls from or to this trunk
    #[arg(long)]
    pub(super) trunk: Option<String>,
    /// Only this tenant's calls
    #[arg(long)]
    pub(super) tenant: Option<String>,
    /// Calls at most, 1 to 1000
    #[arg(long)]
    pub(super) limit: Option<usize>,
    /// Go on where the last list ended
    #[arg(long)]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum LimitCommand {
    /// Show every class, set of buckets and cap, and how it stands
    List,
    /// Print the configuration in force, as `set` takes it
    Show,
    /// Replace all limits by a file's; tokens are kept
    Set {
        /// The file, TOML or (with .json at the end) JSON
        file: PathBuf,
        /// Only if this is the version in force
        #[arg(long)]
        version: Option<u64>,
    },
    /// Fill the buckets of a class and those beneath it, of a set, or all
    Reset {
        /// The class or set
        class: Option<String>,
    },
    /// Try a file's limits on a pattern of requests or on call detail records, without a cluster
    Simulate(SimulateArgs),
}

#[derive(Clone, Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).args(["pattern", "pattern_file", "cdrs"])))]
pub(super) struct SimulateArgs {
    /// The limits, TOML or (with .json at the end) JSON
    pub(super) file: PathBuf,
    /// Requests at given rates: 'tenant=acme rate=100/s for=60s, tenant=trial rate=5/s for=60s'
    #[arg(long, value_name = "FLOWS")]
    pub(super) pattern: Option<String>,
    /// The same as a TOML file, with a [[flow]] each
    #[arg(long, value_name = "FILE")]
    pub(super) pattern_file: Option<PathBuf>,
    /// Calls as they came: a file that `holdline cdr export` wrote, CSV or JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) cdrs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ListCommand {
    /// List them
    List,
}

#[derive(Debug, Subcommand)]
pub(super) enum TrunkCommand {
    /// List trunks and whether calls are sent to them
    List,
    /// Show one trunk
    Show {
        /// Its name
        name: String,
    },
    /// Keep calls from a trunk, on all nodes and over restarts; calls that are up stay up
    Disable {
        /// Its name
        name: String,
    },
    /// Send calls to a disabled trunk again
    Enable {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum BanCommand {
    /// List all bans in force
    List,
    /// Turn a source away, at all nodes; configured peers are never banned
    Add {
        /// An address or a block: 192.0.2.7, 192.0.2.0/24
        block: String,
        /// For how long, in seconds
        #[arg(long, default_value_t = 3600)]
        for_s: u64,
        /// Calls that are up and emergency calls, too
        #[arg(long)]
        all: bool,
    },
    /// Lift a ban, at all nodes
    Remove {
        /// As it is listed
        block: String,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct TopArgs {
    /// sources, tenants, callers or destinations
    #[arg(default_value = "sources")]
    pub(super) dimension: String,
    /// How many, 1 to 100
    #[arg(long, default_value_t = 20)]
    pub(super) limit: usize,
    /// Of the node that answers alone, not of the cluster
    #[arg(long)]
    pub(super) here: bool,
}

/// The nodes of `holdline dev`.
const DEFAULT_URLS: [&str; 3] =
    ["http://127.0.0.11:8060", "http://127.0.0.12:8060", "http://127.0.0.13:8060"];

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 command line or configuration wrong, \
                          3 no node reachable, 4 not found, 5 status is red";
