//! The composition root: makes a running node out of a configuration.
//!
//! Everything is made here and nothing is decided here. Start order: data folder, storage, Raft, RPC
//! server, sockets, shards, admin API. Stop order: hand the slots away, hand leadership away, stop
//! everything else.
//!
//! | file | what |
//! |---|---|
//! | `runner` | runs a node until it is told to stop or cannot go on |
//! | `machine` | the disk and the networks beneath: the host's, or a simulation's |
//! | `links` | how nodes are connected: over TLS, or in clear |
//! | `store` | opens what is on the disk; what is damaged is set aside |
//! | `scrub` | reads all that is stored, again and again, so that damage is found in time |
//! | `fit` | fits Raft's times to how far away the others are |
//! | `round_trips` | tells how far away the others are |
//! | `enroll` | a node that joins finds out who it is |
//! | `options` | what the parts are told, from the configuration |
//! | `parts` | makes the parts |
//! | `error` | why a node cannot start or go on |
//! | `keys` | what is derived from the cluster key |
//! | `rpc` | the server that other nodes call |
//! | `gossip` | starts gossip and tells it the load |
//! | `sip_probe` | refuses SIP addresses that something else uses |
//! | `peers` | who the other nodes are, for the forwarder |
//! | `api` | the admin API's view of the cluster |
//! | `backup_api` | streams a backup |
//! | `consistency_api` | how fresh its answers are |
//! | `cdr_api` | how call detail records are kept |
//! | `api_protection` | the same for bans, heavy hitters and overload |
//! | `hang_up` | ends a call for an administrator, here or through its owner |

mod api;
mod api_protection;
mod backup_api;
mod cdr_api;
mod consistency_api;
mod enroll;
mod error;
mod fit;
mod gossip;
mod hang_up;
mod keys;
mod limits_api;
mod links;
mod machine;
mod options;
mod parts;
mod peers;
mod registrar_api;
mod round_trips;
mod rpc;
mod runner;
mod scrub;
mod sip_probe;
mod store;
mod tls;

pub use error::NodeError;
pub(crate) use machine::open_engine;
pub use machine::{Host, Machine};
pub use runner::Node;
