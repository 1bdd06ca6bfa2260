//! Query strings and path segments, with problems in place of axum's plain-text rejections.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use holdline_model::{Millis, NumberPattern};
use serde::de::DeserializeOwned;

use super::Problem;
use super::view::time;

/// A query string, read strictly: unknown and repeated keys are refused.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => {
                let detail = format!("the query string cannot be read: {}", innermost(&error));
                Err(Problem::malformed(detail, "see GET /v1/openapi.json for its parameters"))
            }
        }
    }
}

/// Reads a value with a text form; `example` shows the form.
pub(super) fn parse<T>(name: &str, text: &str, example: &str) -> Result<T, Problem>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| {
        Problem::malformed(
            format!("{name} \"{}\" cannot be read: {error}", shortened(text)),
            format!("write it as in {name}={example}"),
        )
    })
}

/// Reads a time: RFC 3339, or milliseconds since 1970.
pub(super) fn time(name: &str, text: &str) -> Result<Millis, Problem> {
    time::parse(text).ok_or_else(|| {
        Problem::malformed(
            format!("{name} \"{}\" is not a time", shortened(text)),
            format!("write it as in {name}=2026-11-23T00:00:00Z or {name}=1795392000000"),
        )
    })
}

/// Reads a number, or what numbers begin with.
pub(super) fn number(name: &str, text: Option<&str>) -> Result<Option<NumberPattern>, Problem> {
    text.map(|text| parse(name, text, "%2B4930* (a + is written %2B)")).transpose()
}

/// A period: from when, and before when.
pub(super) fn period(
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(Option<Millis>, Option<Millis>), Problem> {
    let from = from.map(|text| time("from", text)).transpose()?;
    let to = to.map(|text| time("to", text)).transpose()?;
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Problem::malformed(
            format!("from ({from}) is not before to ({to})"),
            "exchange them; to itself is not included",
        )),
        period => Ok(period),
    }
}

/// The size of a page.
pub(super) fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(DEFAULT_PAGE),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::malformed(
            format!("limit {limit} is out of range"),
            format!("ask for 1 to {MAX_PAGE}, and go on with cursor"),
        )),
    }
}

/// What a client sent, short enough to be sent back.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The cause at the bottom, which is what the client can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

const DEFAULT_PAGE: usize = 100;

/// The largest page of calls or call detail records.
pub(super) const MAX_PAGE: usize = 1000;
