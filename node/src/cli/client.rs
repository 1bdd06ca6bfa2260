//! Asks the admin API: the first node that answers, of a list.

use std::io::{self, BufRead as _, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Body, BodyReader};

use super::args::Target;
use crate::admin::Problem;

/// The admin API's client.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    urls: Vec<String>,
    token: Option<String>,
    stale: bool,
}

/// An answer: its status, and its body as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    url: String,
}

/// Why the cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No node answered.
    #[error(
        "no node can be reached: {}; is the cluster up (holdline dev), and are the addresses right \
         (--url or HOLDLINE_URL)?", .tried.join("; ")
    )]
    Unreachable {
        /// Each URL, with what happened.
        tried: Vec<String>,
    },
    /// A node answered with a problem.
    #[error("{}: {}; {}", .0.title, .0.detail, .0.next_step)]
    Refused(Problem),
    /// An answer that is not this API's.
    #[error(
        "{url} does not answer as a holdline node does ({detail}); is it one, and of this version?"
    )]
    Foreign {
        /// Which.
        url: String,
        /// What is odd.
        detail: String,
    },
}

impl ClientError {
    pub(super) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 404)
    }
}

impl Client {
    pub(super) fn new(target: &Target) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .proxy(None);
        let urls = target.url.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Self {
            agent: config.build().into(),
            urls,
            token: target.token.clone(),
            stale: target.stale,
        }
    }

    pub(super) fn get(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
    ) -> Result<Answer, ClientError> {
        self.request(&Method::GET, &format!("{path}{}", query_string(query)))
    }

    /// Asks for a stream of lines; `skip` says with how many of the nodes to begin later.
    pub(super) fn stream(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
        skip: u32,
    ) -> Result<Streamed, ClientError> {
        let path = format!("{path}{}", query_string(query));
        let mut tried = Vec::new();
        let skip = usize::try_from(skip).unwrap_or(0) % self.urls.len().max(1);
        let (later, first) = self.urls.split_at(skip);
        for url in first.iter().chain(later) {
            match self.open(url, &path, STREAM) {
                Ok(response) if response.status().is_success() => {
                    let lines = BufReader::new(response.into_body().into_reader());
                    return Ok(Streamed { lines, url: url.clone() });
                }
                Ok(response) => match read(url, response) {
                    // Busy with other exports, or stopping: the next node may not be.
                    Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                        tried.push(format!("{url}: {}", answer.status));
                    }
                    Ok(answer) => {
                        return Err(answer.checked().err().unwrap_or_else(|| {
                            ClientError::Unreachable { tried: vec![url.clone()] }
                        }));
                    }
                    Err(error) => tried.push(format!("{url}: {error}")),
                },
                Err(error) => tried.push(format!("{url}: {error}")),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    /// Asks for a stream of bytes that may take hours.
    pub(super) fn download(&self, path: &str) -> Result<BodyReader<'static>, ClientError> {
        let mut tried = Vec::new();
        for url in &self.urls {
            #[expect(clippy::result_large_err, reason = "it goes no further than the next match")]
            let answer = self.open(url, path, DOWNLOAD).map(|response| match response.status() {
                StatusCode::OK => Ok(response.into_body().into_reader()),
                _ => Err(response),
            });
            match answer {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(response)) => match read(url, response) {
                    Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                        tried.push(format!("{url}: {}", answer.status));
                    }
                    Ok(answer) => {
                        return Err(answer.checked().err().unwrap_or_else(|| {
                            ClientError::Unreachable { tried: vec![url.clone()] }
                        }));
                    }
                    Err(error) => tried.push(format!("{url}: {error}")),
                },
                Err(error) => tried.push(format!("{url}: {error}")),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    pub(super) fn put(&self, path: &str, body: &str) -> Result<Answer, ClientError> {
        self.send(&Method::PUT, path, Some(body))
    }

    pub(super) fn post(&self, path: &str) -> Result<Answer, ClientError> {
        self.request(&Method::POST, path)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.request(&Method::DELETE, path)
    }

    /// Every request may be made twice without harm, so a node that does not answer is passed over.
    fn request(&self, method: &Method, path: &str) -> Result<Answer, ClientError> {
        self.send(method, path, None)
    }

    fn send(&self, method: &Method, path: &str, body: Option<&str>) -> Result<Answer, ClientError> {
        let mut tried = Vec::new();
        for url in &self.urls {
            match self.ask(method, url, path, body) {
                Ok(answer) => return answer.checked(),
                Err(error) => tried.push(format!("{url}: {error}")),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    fn ask(
        &self,
        method: &Method,
        url: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let request = self.head(method, url, path);
        let response = match body {
            None => self.agent.run(request.body(())?)?,
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_owned())?)?
            }
        };
        read(url, response)
    }

    /// Asks, and leaves the body to be read, for as long as a stream may take.
    fn open(&self, url: &str, path: &str, whole: Duration) -> Result<Response<Body>, ureq::Error> {
        let request = self.head(&Method::GET, url, path).body(())?;
        let request = self.agent.configure_request(request);
        self.agent.run(request.timeout_global(Some(whole)).build())
    }

    fn head(&self, method: &Method, url: &str, path: &str) -> Builder {
        let mark = if path.contains('?') { '&' } else { '?' };
        let wanted = if self.stale && *method == Method::GET && takes_consistency(path) {
            format!("{mark}consistency=stale")
        } else {
            String::new()
        };
        let request = Request::builder().method(method).uri(format!("{url}{path}{wanted}"));
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}

fn read(url: &str, mut response: Response<Body>) -> Result<Answer, ureq::Error> {
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_string()?;
    Ok(Answer { status: response.status(), body, url: url.to_owned() })
}

/// An answer that is read line by line. An answer that takes too long breaks off.
pub(super) struct Streamed {
    lines: BufReader<BodyReader<'static>>,
    url: String,
}

impl Streamed {
    pub(super) fn read_until(&mut self, end: u8, line: &mut Vec<u8>) -> io::Result<usize> {
        self.lines.read_until(end, line)
    }

    pub(super) fn foreign(&self, detail: &str) -> ClientError {
        ClientError::Foreign { url: self.url.clone(), detail: detail.to_owned() }
    }

    pub(super) fn broke_off(&self) -> ClientError {
        ClientError::Unreachable { tried: vec![format!("{}: its answer breaks off", self.url)] }
    }
}

impl Answer {
    /// Reads the body.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.body).map_err(|error| self.foreign(&error.to_string()))
    }

    fn checked(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        match serde_json::from_str(&self.body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(self.foreign(&format!("status {}", self.status))),
        }
    }

    fn foreign(&self, detail: &str) -> ClientError {
        ClientError::Foreign { url: self.url.clone(), detail: detail.to_owned() }
    }
}

/// The cluster's health and what a node does by itself are always answered by whoever is asked.
fn takes_consistency(path: &str) -> bool {
    let own =
        ["/v1/cluster/", "/v1/nodes", "/v1/slots", "/v1/top", "/v1/protection", "/v1/openapi"];
    path.starts_with("/v1/") && !own.iter().any(|begins| path.starts_with(begins))
}

fn query_string(query: &[(&str, Option<String>)]) -> String {
    let pairs = query.iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Percent-encodes a value of a query string, or a segment of a path.
pub(super) fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

const CONNECT: Duration = Duration::from_secs(2);
const WHOLE: Duration = Duration::from_secs(15);

/// For a stream from its first byte to its last.
const STREAM: Duration = Duration::from_secs(120);

/// For a backup from its first byte to its last.
const DOWNLOAD: Duration = Duration::from_secs(24 * 3_600);

/// No page is larger, in bytes.
const MAX_BODY: u64 = 64 << 20;
