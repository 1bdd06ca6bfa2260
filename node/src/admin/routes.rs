//! The table of routes, and the layers around them.

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Extension, Router, middleware::Next};

use super::guard::Guard;
use super::params::shortened;
use super::{AdminOptions, Problem, auth, consistency, guard, handler, metered};

/// A path, what can be done with it, and who does it.
pub(super) struct Route {
    pub(super) path: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds it against the document"))]
    pub(super) methods: &'static [&'static str],
    handlers: MethodRouter<AdminOptions>,
}

/// All routes.
pub(super) fn routes() -> Vec<Route> {
    let mut all = of_the_cluster();
    all.extend(of_users_and_peers());
    all.extend(of_members());
    all
}

/// Who is a member, and who leads.
fn of_members() -> Vec<Route> {
    vec![
        route(
            "/v1/members",
            &["get", "post"],
            get(handler::members::list).post(handler::members::expect),
        ),
        route("/v1/members/{id}", &["delete"], delete(handler::members::remove)),
        route("/v1/members/{id}/promote", &["post"], post(handler::members::promote)),
        route("/v1/members/{id}/demote", &["post"], post(handler::members::demote)),
        route("/v1/members/{id}/replace", &["post"], post(handler::members::replace)),
        route("/v1/leader/transfer", &["post"], post(handler::members::transfer)),
        route("/v1/pops", &["get"], get(handler::pops::list)),
    ]
}

fn route(
    path: &'static str,
    methods: &'static [&'static str],
    handlers: MethodRouter<AdminOptions>,
) -> Route {
    Route { path, methods, handlers }
}

fn of_the_cluster() -> Vec<Route> {
    vec![
        route("/livez", &["get"], get(handler::livez::handle)),
        route("/readyz", &["get"], get(handler::readyz::handle)),
        route("/metrics", &["get"], get(handler::metrics::handle)),
        route("/v1/openapi.json", &["get"], get(handler::openapi::handle)),
        route("/v1/cluster/health", &["get"], get(handler::cluster_health::handle)),
        route("/v1/nodes", &["get"], get(handler::nodes::handle)),
        route(
            "/v1/nodes/{id}/drain",
            &["post", "delete"],
            post(handler::drain::drain).merge(delete(handler::drain::undrain)),
        ),
        route("/v1/slots", &["get"], get(handler::slots::handle)),
        route("/v1/calls", &["get"], get(handler::calls::handle)),
        route(
            "/v1/calls/{id}",
            &["get", "delete"],
            get(handler::call::handle).merge(delete(handler::hang_up::handle)),
        ),
        route(
            "/v1/limits",
            &["get", "put"],
            get(handler::limits::get).merge(put(handler::limits::put)),
        ),
        route("/v1/limits/reset", &["post"], post(handler::limits::reset)),
        route("/v1/caps", &["get"], get(handler::caps::list)),
        route(
            "/v1/caps/{name}",
            &["put", "delete"],
            put(handler::caps::put).merge(delete(handler::caps::remove)),
        ),
        route("/v1/cdrs", &["get"], get(handler::cdrs::handle)),
        route("/v1/cdrs/export", &["get"], get(handler::cdr_export::handle)),
        route(
            "/v1/cdrs/retention",
            &["get", "put"],
            get(handler::cdr_keeping::get).merge(put(handler::cdr_keeping::put)),
        ),
        route("/v1/cdrs/purge", &["post"], post(handler::cdr_keeping::purge)),
        route(
            "/v1/cdrs/sinks/{name}",
            &["get", "put", "delete"],
            get(handler::cdr_keeping::sink)
                .merge(put(handler::cdr_keeping::set_cursor))
                .merge(delete(handler::cdr_keeping::remove)),
        ),
        route("/v1/snapshot", &["get"], get(handler::snapshot::handle)),
    ]
}

fn of_users_and_peers() -> Vec<Route> {
    vec![
        route("/v1/users", &["get"], get(handler::users::list)),
        route(
            "/v1/users/{id}",
            &["get", "put", "delete"],
            get(handler::users::show)
                .merge(put(handler::users::put))
                .merge(delete(handler::users::remove)),
        ),
        route("/v1/registrations", &["get"], get(handler::registrations::list)),
        route(
            "/v1/registrations/{id}",
            &["get", "delete"],
            get(handler::registrations::show).merge(delete(handler::registrations::remove)),
        ),
        route("/v1/bans", &["get"], get(handler::bans::list)),
        route(
            "/v1/bans/{block}",
            &["post", "delete"],
            post(handler::bans::add).merge(delete(handler::bans::remove)),
        ),
        route("/v1/top/{dimension}", &["get"], get(handler::top::handle)),
        route("/v1/protection", &["get"], get(handler::protection::handle)),
        route("/v1/listeners", &["get"], get(handler::listeners::handle)),
        route("/v1/certificates", &["get"], get(handler::certificates::handle)),
        route("/v1/trunks", &["get"], get(handler::trunks::handle)),
        route("/v1/trunks/{name}", &["get"], get(handler::trunk::handle)),
        route(
            "/v1/trunks/{name}/disable",
            &["post", "delete"],
            post(handler::trunk::disable).merge(delete(handler::trunk::enable)),
        ),
    ]
}

/// The whole API as a service.
pub fn router(options: AdminOptions) -> Router {
    let (probes, others): (Vec<_>, Vec<_>) =
        routes().into_iter().partition(|route| PROBES.contains(&route.path));
    let add = |router: Router<AdminOptions>, route: Route| router.route(route.path, route.handlers);
    let guard = Guard::new(options.limits);
    let largest = DefaultBodyLimit::max(options.limits.config_bytes);
    let exports = handler::cdr_export::Exports::new(options.limits);
    // Probes are answered from memory and must not wait behind a slow listing.
    let others = others
        .into_iter()
        .fold(Router::new(), add)
        .route_layer(from_fn_with_state(options.clone(), consistency::check))
        .route_layer(from_fn_with_state(options.clone(), metered::check))
        .route_layer(from_fn_with_state(guard, guard::check));
    probes
        .into_iter()
        .fold(others, add)
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_path)
        .layer(largest)
        .layer(Extension(exports))
        .layer(Extension(handler::snapshot::Backups::default()))
        .layer(from_fn_with_state(options.clone(), auth::check))
        .layer(from_fn(count))
        .with_state(options)
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let class = format!("{}xx", response.status().as_u16() / 100);
    metrics::counter!("holdline_admin_requests_total", "class" => class).increment(1);
    response
}

async fn no_such_path(request: Request) -> Problem {
    Problem::not_found(
        format!("there is nothing at {}", shortened(request.uri().path())),
        "GET /v1/openapi.json lists what there is",
    )
}

async fn no_such_method(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "Method not allowed",
        format!("{} cannot be done with {}", request.method(), shortened(request.uri().path())),
        "see the Allow header, or GET /v1/openapi.json",
    )
}

/// What an orchestrator asks, without a token.
pub(super) const PROBES: [&str; 2] = ["/livez", "/readyz"];
