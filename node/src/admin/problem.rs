//! Errors as clients see them: RFC 9457 problem details, with the next step.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::seam::ClusterApiError;
use holdline_guard::BanError;
use holdline_raft::ChangeError;

/// An error, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of problem, as a URI that does not change.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and why.
    pub detail: String,
    /// What to do about it.
    pub next_step: String,
}

impl Problem {
    /// A problem of the kind `slug`.
    #[must_use]
    pub fn new(
        status: StatusCode,
        slug: &str,
        title: &str,
        detail: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("urn:holdline:problem:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            next_step: next_step.into(),
        }
    }

    pub(super) fn malformed(detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail, next_step)
    }

    pub(super) fn not_found(detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail, next_step)
    }

    pub(super) fn unavailable(detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Not available now", detail, next_step)
    }

    fn conflict(code: &'static str, title: &'static str, detail: String, next_step: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail, next_step)
    }

    fn of_ban(error: &BanError, detail: String) -> Self {
        match error {
            BanError::Unknown { .. } => Self::not_found(detail, "GET /v1/bans lists the bans"),
            BanError::Allowed { .. } => Self::conflict(
                "protected",
                "A trusted peer is never banned",
                detail,
                "ban a smaller block, or take the peer out of the configuration first",
            ),
            BanError::Full { .. } => {
                Self::conflict("full", "Too many bans", detail, "lift some, or ban larger blocks")
            }
            BanError::Over { .. } => Self::malformed(detail, "give for_s=60 or more"),
        }
    }
}

impl From<ClusterApiError> for Problem {
    fn from(error: ClusterApiError) -> Self {
        let detail = error.to_string();
        match error {
            ClusterApiError::NoMajority => Self::unavailable(
                detail,
                "look at GET /v1/cluster/health for the members that are down; bring back a majority",
            ),
            ClusterApiError::NotCurrent(_) => Self::unavailable(
                detail,
                "wait for a majority, or ask with consistency=stale for what this node knows",
            ),
            ClusterApiError::Undecided => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "undecided",
                "Outcome unknown",
                detail,
                "look whether it took effect, then ask again; asking twice does no harm",
            ),
            ClusterApiError::Overloaded => {
                Self::unavailable(detail, "ask again in a second; see holdline_commit_seconds")
            }
            ClusterApiError::UnknownCall(_) => Self::not_found(
                detail,
                "it may have ended more than 32 s ago: look for it in GET /v1/cdrs",
            ),
            ClusterApiError::UnknownNode(_) => {
                Self::not_found(detail, "GET /v1/nodes lists the nodes")
            }
            ClusterApiError::UnknownUser => {
                Self::not_found(detail, "GET /v1/users lists the users")
            }
            ClusterApiError::NoSuchBinding => {
                Self::not_found(detail, "GET /v1/registrations/{id} lists the user's bindings")
            }
            ClusterApiError::UserExists => Self::conflict(
                "exists",
                "Exists already",
                detail,
                "ask with \"replace\": true to replace it",
            ),
            ClusterApiError::Refused(_) => Self::conflict(
                "refused",
                "Refused",
                detail,
                "remove what is not needed, or correct the request",
            ),
            ClusterApiError::UnknownTrunk(_) => {
                Self::not_found(detail, "GET /v1/trunks lists the trunks")
            }
            ClusterApiError::OwnerUnreachable { .. } => Self::unavailable(
                detail,
                "ask again in a second: if the node is dead, another one takes the call over",
            ),
            ClusterApiError::Unreadable(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable",
                "State cannot be read",
                detail,
                "look into this node's log and at its disk; ask another node meanwhile",
            ),
            ClusterApiError::Ban(error) => Self::of_ban(&error, detail),
            ClusterApiError::Members(error) => Self::of_members(&error),
            ClusterApiError::Stopping => Self::unavailable(detail, "ask another node"),
        }
    }
}

impl Problem {
    fn of_members(error: &ChangeError) -> Self {
        let detail = error.to_string();
        let next_step = match error {
            ChangeError::NotLeader => {
                return Self::unavailable(
                    detail,
                    "look at GET /v1/cluster/health for the members that are down",
                );
            }
            ChangeError::UnknownNode { .. } => {
                return Self::not_found(detail, "GET /v1/members lists the members");
            }
            ChangeError::Undecided => return ClusterApiError::Undecided.into(),
            ChangeError::Busy => "wait until it is done, then ask again",
            ChangeError::IsVoter { .. } | ChangeError::NoVoter { .. } => {
                "GET /v1/members says who votes"
            }
            ChangeError::Witness { .. } => "name a node that owns calls",
            ChangeError::NotAlive { .. } => "start it, or look at its network",
            ChangeError::CatchingUp { .. } => {
                "wait until GET /v1/members shows it without lag, then ask again"
            }
            ChangeError::LosesMajority { .. } => {
                "bring back members that are down, or promote another one first"
            }
            ChangeError::TooMany { .. } => "remove a member first",
            ChangeError::SlotsStay { .. } => {
                "bring up or undrain another node that may own them, then ask again"
            }
            ChangeError::Rejected(_) => "correct the request",
            ChangeError::NotTakenOver { .. } => "ask again, or name another node",
        };
        Self::new(StatusCode::CONFLICT, "members", "Members not changed", detail, next_step)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            metrics::counter!("holdline_admin_errors_total", "status" => self.status.to_string())
                .increment(1);
        }
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// The media type of RFC 9457.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
