//! A client of the admin API of one node.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::metrics::Metrics;
use super::view::{CallView, CdrView, Changed, Health, Members, SlotView};

/// How long one request may take; a stopped process accepts connections and never answers.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a change of the members may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Largest answer that is read.
const BODY_LIMIT: u64 = 64 << 20;
/// Records asked for on one page.
const PAGE: usize = 1000;

/// The admin API of one node.
#[derive(Clone, Debug)]
pub struct Admin {
    base: String,
    token: Option<String>,
    http: ureq::Agent,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its media type.
    pub content_type: String,
    /// Its body.
    pub body: String,
    /// The entry of the log that a change is.
    pub log_index: Option<u64>,
}

/// Why the admin API did not help.
#[derive(thiserror::Error)]
pub enum AdminError {
    /// Nobody answered.
    #[error("{method} {url}: {cause}")]
    Unreachable {
        /// The method.
        method: &'static str,
        /// The URL.
        url: String,
        /// Why.
        cause: Box<ureq::Error>,
    },
    /// The answer was an error.
    #[error("{url}: status {status}: {body}")]
    Refused {
        /// The URL.
        url: String,
        /// Its HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The answer was not what was expected.
    #[error("{url}: {cause}, in {body}")]
    Unreadable {
        /// The URL.
        url: String,
        /// Why.
        cause: serde_json::Error,
        /// The answer.
        body: String,
    },
    /// The runtime stopped.
    #[error("the request was abandoned")]
    Abandoned,
}

debug_in_words!(AdminError);

fn client(timeout: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_idle_connections(0)
        .build();
    config.new_agent()
}

impl Admin {
    /// A client of the API at that address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { base: format!("http://{address}"), token: None, http: client(TIMEOUT) }
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Where the API is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Any request without a body; every status is an answer.
    ///
    /// # Errors
    /// If nobody answers within 3 s.
    pub async fn request(&self, method: &'static str, path: &str) -> Result<Answer, AdminError> {
        let (this, url) = (self.clone(), format!("{}{path}", self.base));
        let run = move || this.blocking(method, url, ());
        tokio::task::spawn_blocking(run).await.map_err(|_| AdminError::Abandoned)?
    }

    /// Writes something; every status is an answer.
    ///
    /// # Errors
    /// If nobody answers within 3 s.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, AdminError> {
        let (this, url, body) = (self.clone(), format!("{}{path}", self.base), body.to_string());
        let run = move || this.blocking("PUT", url, body);
        tokio::task::spawn_blocking(run).await.map_err(|_| AdminError::Abandoned)?
    }

    /// Any request, its answer read as JSON.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn document(&self, path: &str) -> Result<Value, AdminError> {
        self.json(path).await
    }

    /// Drains a node or lets it own slots again; returns the entry of the log, if the answer names
    /// it.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn set_drained(&self, node: u64, drained: bool) -> Result<Option<u64>, AdminError> {
        let method = if drained { "POST" } else { "DELETE" };
        let answer = self.expect(method, &format!("/v1/nodes/{node}/drain")).await?;
        Ok(answer.log_index)
    }

    /// Whether the node says that it is ready.
    pub async fn ready(&self) -> bool {
        self.request("GET", "/readyz").await.is_ok_and(|answer| answer.status == 200)
    }

    /// Who is a member.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn members(&self) -> Result<Members, AdminError> {
        self.json("/v1/members").await
    }

    /// Changes the members; `path` is what comes after `/v1/`. Waits as long as that may take.
    ///
    /// # Errors
    /// As [`Admin::health`]; [`AdminError::Refused`] with the reason.
    pub async fn change_members(
        &self,
        method: &'static str,
        path: &str,
    ) -> Result<Changed, AdminError> {
        let patient = Self { http: client(PATIENCE), ..self.clone() };
        let path = format!("/v1/{path}");
        let answer = patient.expect(method, &path).await?;
        patient.read(&path, &answer.body, serde_json::from_str(&answer.body))
    }

    /// The cluster's health as the node sees it.
    ///
    /// # Errors
    /// If the node does not answer, or otherwise than expected.
    pub async fn health(&self) -> Result<Health, AdminError> {
        self.json("/v1/cluster/health").await
    }

    /// All slots.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn slots(&self) -> Result<Vec<SlotView>, AdminError> {
        self.pages("/v1/slots").await
    }

    /// All calls that are up.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn calls(&self) -> Result<Vec<CallView>, AdminError> {
        self.pages("/v1/calls").await
    }

    /// All call detail records.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn cdrs(&self) -> Result<Vec<CdrView>, AdminError> {
        self.pages("/v1/cdrs").await
    }

    /// Hangs a call up.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn hang_up(&self, call: &str) -> Result<(), AdminError> {
        self.change("DELETE", &format!("/v1/calls/{call}")).await
    }

    /// Moves all slots away from a node.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn drain(&self, node: u64) -> Result<(), AdminError> {
        self.change("POST", &format!("/v1/nodes/{node}/drain")).await
    }

    /// Lets a node have its slots again.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn undrain(&self, node: u64) -> Result<(), AdminError> {
        self.change("DELETE", &format!("/v1/nodes/{node}/drain")).await
    }

    /// A scrape of the metrics.
    ///
    /// # Errors
    /// As [`Admin::health`].
    pub async fn metrics(&self) -> Result<Metrics, AdminError> {
        let answer = self.expect("GET", "/metrics").await?;
        Ok(Metrics::parse(&answer.body))
    }

    async fn change(&self, method: &'static str, path: &str) -> Result<(), AdminError> {
        self.expect(method, path).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        let answer = self.expect("GET", path).await?;
        self.read(path, &answer.body, serde_json::from_str(&answer.body))
    }

    /// All pages of a list.
    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, AdminError> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = format!("{path}?limit={PAGE}{after}");
            let answer = self.expect("GET", &page).await?;
            let mut value: Value =
                self.read(&page, &answer.body, serde_json::from_str(&answer.body))?;
            let items = value.get_mut("items").map(Value::take).unwrap_or_default();
            let items: Vec<T> = self.read(&page, &answer.body, serde_json::from_value(items))?;
            all.extend(items);
            cursor = value.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    async fn expect(&self, method: &'static str, path: &str) -> Result<Answer, AdminError> {
        let answer = self.request(method, path).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let url = format!("{}{path}", self.base);
        Err(AdminError::Refused { url, status: answer.status, body: answer.body })
    }

    fn read<T>(
        &self,
        path: &str,
        body: &str,
        read: Result<T, serde_json::Error>,
    ) -> Result<T, AdminError> {
        read.map_err(|cause| AdminError::Unreadable {
            url: format!("{}{path}", self.base),
            cause,
            body: body.chars().take(400).collect(),
        })
    }

    fn blocking(
        &self,
        method: &'static str,
        url: String,
        body: impl ureq::AsSendBody,
    ) -> Result<Answer, AdminError> {
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let unreachable =
            |cause| AdminError::Unreachable { method, url: url.clone(), cause: Box::new(cause) };
        let request = request.body(body).map_err(|error| unreachable(error.into()))?;
        let mut answer = self.http.run(request).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let content_type = answer.body().mime_type().unwrap_or_default().to_owned();
        let log_index = answer.headers().get("holdline-log-index");
        let log_index = log_index.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.body_mut().with_config().limit(BODY_LIMIT).read_to_string();
        Ok(Answer { status, content_type, body: body.map_err(unreachable)?, log_index })
    }
}
