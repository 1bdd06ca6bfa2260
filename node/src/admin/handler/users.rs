//! `/v1/users`: who may register and call from our domains.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use holdline_model::{Aor, Ha1, Millis, UserRecord};
use holdline_sip::digest::ha1;
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::seam::ClusterApiError;
use crate::admin::view::{PageView, UserView};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A user as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tenant: Option<String>,
    password: Option<String>,
    ha1_md5: Option<String>,
    ha1_sha256: Option<String>,
    max_bindings: Option<u16>,
    #[serde(default)]
    replace: bool,
}

/// The answer to a write: the entry of the log that holds it.
type Changed<T> = (StatusCode, [(HeaderName, String); 1], T);

/// A page of users, by address of record.
pub(in crate::admin) async fn list(
    State(options): State<AdminOptions>,
    Params(query): Params<Query>,
) -> Result<Json<PageView<UserView>>, Problem> {
    let after = query.cursor.as_deref();
    let after = after.map(|text| params::parse::<Aor>("cursor", text, EXAMPLE)).transpose()?;
    let page = options.api.users(after, params::limit(query.limit)?).await?;
    let items = page.items.iter().map(UserView::from).collect();
    Ok(Json(PageView { items, next: page.next.map(|aor| aor.to_string()) }))
}

/// One user.
pub(in crate::admin) async fn show(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Result<Json<UserView>, Problem> {
    let aor = read_aor(&id)?;
    let record = options.api.user(aor).await?.ok_or(ClusterApiError::UnknownUser)?;
    Ok(Json(UserView::from(&record)))
}

/// Adds a user, or with `"replace": true` replaces what is known of it.
pub(in crate::admin) async fn put(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Changed<Json<UserView>>, Problem> {
    let aor = read_aor(&id)?;
    let written: Written = serde_json::from_slice(&body).map_err(|error| {
        // What the parser quotes could be a password: only the place is told.
        let (line, column) = (error.line(), error.column());
        let detail = format!("the user cannot be read: line {line}, column {column}");
        Problem::malformed(detail, "see PUT /v1/users/{id} in GET /v1/openapi.json")
    })?;
    let replace = written.replace;
    let record = written.record(aor)?;
    let index = options.api.put_user(record.clone(), replace).await?;
    tracing::info!(index, replace, "an administrator writes a user");
    let written = options.api.user(record.aor.clone()).await?.unwrap_or(record);
    let view = Json(UserView::from(&written));
    Ok((StatusCode::OK, [(LOG_INDEX, index.to_string())], view))
}

/// Removes a user and its bindings.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Result<Changed<()>, Problem> {
    let index = options.api.remove_user(read_aor(&id)?).await?;
    tracing::info!(index, "an administrator removes a user");
    Ok((StatusCode::NO_CONTENT, [(LOG_INDEX, index.to_string())], ()))
}

impl Written {
    fn record(self, aor: Aor) -> Result<UserRecord, Problem> {
        let ha1 = match (&self.password, &self.ha1_md5, &self.ha1_sha256) {
            (Some(password), None, None) if password.chars().count() < MIN_PASSWORD => {
                let detail = format!("the password is shorter than {MIN_PASSWORD} characters");
                return Err(Problem::malformed(detail, "use a longer one, or generate one"));
            }
            (Some(password), None, None) => ha1(aor.user(), aor.domain(), password),
            (None, Some(md5), Some(sha256)) => {
                let (Some(md5), Some(sha256)) = (unhex(md5), unhex(sha256)) else {
                    let detail = "ha1_md5 or ha1_sha256 is not as many hexadecimal digits";
                    return Err(Problem::malformed(detail, "give 32 and 64 digits"));
                };
                Ha1 { md5, sha256 }
            }
            _ => {
                let detail = "a user needs a password, or ha1_md5 and ha1_sha256";
                return Err(Problem::malformed(detail, "give one of the two"));
            }
        };
        let tenant = self.tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned()).into();
        let (max_bindings, changed_at) = (self.max_bindings, Millis(0));
        Ok(UserRecord { aor, tenant, ha1, max_bindings, changed_at })
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(in crate::admin) fn read_aor(id: &str) -> Result<Aor, Problem> {
    params::parse("id", id, EXAMPLE)
}

const EXAMPLE: &str = "alice@example.com";

const DEFAULT_TENANT: &str = "default";

/// Passwords of SIP devices are tried by the million.
pub(crate) const MIN_PASSWORD: usize = 12;

const LOG_INDEX: HeaderName = HeaderName::from_static("holdline-log-index");
