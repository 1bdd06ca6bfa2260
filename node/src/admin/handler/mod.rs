//! One handler a file, each named after its route.

pub(super) mod bans;
pub(super) mod call;
pub(super) mod calls;
pub(super) mod caps;
pub(super) mod cdr_export;
pub(super) mod cdr_keeping;
pub(super) mod cdrs;
pub(super) mod certificates;
pub(super) mod cluster_health;
pub(super) mod drain;
pub(super) mod hang_up;
pub(super) mod limits;
pub(super) mod listeners;
pub(super) mod livez;
pub(super) mod members;
pub(super) mod metrics;
pub(super) mod nodes;
pub(super) mod openapi;
pub(super) mod protection;
pub(super) mod readyz;
pub(super) mod registrations;
pub(super) mod slots;
pub(super) mod top;
pub(super) mod trunk;
pub(super) mod trunks;
pub(crate) mod users;
