//! What is wrong with the trunks, groups and routes of a configuration.

use holdline_model::Name;

use super::Cidr;

/// What is wrong with the trunks and routes of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// A trunk's name is empty.
    #[error("a trunk for {address} has an empty name: name it")]
    UnnamedTrunk {
        /// Where its calls would go.
        address: String,
    },
    /// Two trunks have one name.
    #[error("trunk \"{trunk}\" is defined twice: rename one of the two")]
    DuplicateTrunk {
        /// The name.
        trunk: Name,
    },
    /// A trunk's address cannot be sent to.
    #[error("trunk \"{trunk}\": calls cannot be sent to {address}: give an IP address and a port")]
    UnusableAddress {
        /// The trunk.
        trunk: Name,
        /// Its address.
        address: std::net::SocketAddr,
    },
    /// Two trunks claim the same block of source addresses.
    #[error(
        "trunks \"{first}\" and \"{second}\" both claim the source {block}: a source must tell whose a call is"
    )]
    SharedSource {
        /// One trunk.
        first: Name,
        /// The other trunk.
        second: Name,
        /// What both claim.
        block: Cidr,
    },
    /// Two trunks are known by the same certificate, and by nothing else that is apart.
    #[error(
        "trunks \"{first}\" and \"{second}\" are both known by a certificate for {domain} alone: it must tell \
         whose a call is"
    )]
    SharedCertificate {
        /// One trunk.
        first: Name,
        /// The other trunk.
        second: Name,
        /// What the certificate is for.
        domain: String,
    },
    /// A route names a trunk that does not exist.
    #[error("route \"{prefix}\" names trunk \"{trunk}\", which is not defined")]
    UnknownTrunk {
        /// The route.
        prefix: String,
        /// The trunk.
        trunk: Name,
    },
    /// A route leads nowhere.
    #[error("route \"{prefix}\" names no trunk")]
    NoTrunks {
        /// The route.
        prefix: String,
    },
    /// A route has more trunks than a call may try.
    #[error("route \"{prefix}\" names {count} trunks; a call tries at most {max}")]
    TooManyTrunks {
        /// The route.
        prefix: String,
        /// How many it names.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Two routes have one prefix.
    #[error("route \"{prefix}\" is defined twice: put its trunks into one route, in order")]
    DuplicateRoute {
        /// The prefix.
        prefix: String,
    },
    /// A group and a trunk, or two groups, have one name.
    #[error("\"{group}\" names two things: rename the trunk group or the other")]
    DuplicateGroup {
        /// The name.
        group: Name,
    },
    /// A group leads nowhere.
    #[error("trunk group \"{group}\" has no members")]
    EmptyGroup {
        /// The group.
        group: Name,
    },
    /// A group has more members than are looked at for a call.
    #[error("trunk group \"{group}\" has {count} members; at most {max} are looked at for a call")]
    TooManyMembers {
        /// The group.
        group: Name,
        /// How many it has.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A group names a trunk that does not exist.
    #[error("trunk group \"{group}\" names trunk \"{trunk}\", which is not defined")]
    UnknownMember {
        /// The group.
        group: Name,
        /// The trunk.
        trunk: Name,
    },
    /// A group names a trunk twice.
    #[error("trunk group \"{group}\" names trunk \"{trunk}\" twice: give it a weight instead")]
    DuplicateMember {
        /// The group.
        group: Name,
        /// The trunk.
        trunk: Name,
    },
    /// A route names a group that does not exist.
    #[error("route \"{prefix}\" names trunk group \"{group}\", which is not defined")]
    UnknownGroup {
        /// The route.
        prefix: String,
        /// The group.
        group: Name,
    },
    /// A route names both trunks and a group.
    #[error("route \"{prefix}\" names trunks and trunk group \"{group}\": name one or the other")]
    TrunksAndGroup {
        /// The route.
        prefix: String,
        /// The group.
        group: Name,
    },
    /// A prefix has a character that is removed from dialled numbers before matching.
    #[error(
        "route \"{prefix}\" has a visual separator (one of -.()), which is removed from dialled numbers: leave it out"
    )]
    SeparatorInPrefix {
        /// The prefix.
        prefix: String,
    },
}
