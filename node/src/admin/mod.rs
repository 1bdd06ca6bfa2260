//! The admin HTTP API of a node: probes, metrics, and the cluster's state for people and programs.
//!
//! What it is: routes (`routes`), one handler a file (`handler`), what the answers look like
//! ([`view`]), the verdict on health ([`health`]), and a bounded HTTP/1.1 server ([`AdminServer`]).
//! What it is not: a source of state. Everything comes through the seam [`ClusterApi`].
//!
//! Invariants: every error is `application/problem+json` (RFC 9457) with the cause and the next
//! step; a node on a non-loopback address answers nothing but probes without the token; requests,
//! connections, bodies and pages are bounded by the constants of [`AdminLimits`].

mod auth;
mod consistency;
#[cfg(test)]
pub(crate) mod fake;
mod guard;
mod handler;
pub mod health;
mod metered;
mod params;
mod problem;
mod readiness;
mod routes;
pub mod seam;
mod server;
mod spread;
#[cfg(test)]
mod tests;
pub mod view;

pub(crate) use handler::users::MIN_PASSWORD;
pub use problem::Problem;
pub use routes::router;
pub use seam::ClusterApi;
pub use server::{AdminServer, AdminServerError};

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::config::AdminToken;

/// What the admin API is made of.
#[derive(Clone)]
pub struct AdminOptions {
    /// The cluster.
    pub api: Arc<dyn ClusterApi>,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
    /// What clients must show; `None` only on a loopback address.
    pub token: Option<AdminToken>,
    /// Bounds.
    pub limits: AdminLimits,
}

impl std::fmt::Debug for AdminOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminOptions")
            .field("token", &self.token)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds of the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminLimits {
    /// Connections at a time; more wait in the listener's backlog.
    pub connections: usize,
    /// Requests being answered at a time, probes aside; more get 503 with Retry-After.
    pub requests: usize,
    /// How long one request may take; then 504.
    pub request_timeout: Duration,
    /// How long a client may take to send its request's head.
    pub head_timeout: Duration,
    /// Bytes that a request may have as its body; more get 413.
    pub body_bytes: usize,
    /// The same for the limits, which are replaced as a whole: more than a thousand classes fit.
    pub config_bytes: usize,
    /// Exports of call detail records at a time; more get 503.
    pub exports: usize,
    /// Bytes per second of one export, at most.
    pub export_bytes_per_s: u64,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            requests: 64,
            request_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_bytes: 16 << 10,
            config_bytes: 2 << 20,
            exports: 2,
            export_bytes_per_s: 16 << 20,
        }
    }
}
