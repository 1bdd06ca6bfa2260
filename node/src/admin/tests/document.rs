//! The OpenAPI document against the routes and the answers.

use std::collections::BTreeSet;

use super::*;
use crate::admin::routes::routes;

async fn document() -> Value {
    get(&Fake::populated().shared(), "/v1/openapi.json").await.json()
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_documented_one_is_a_route() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = routes()
        .iter()
        .flat_map(|route| {
            route.methods.iter().map(|method| (route.path.to_owned(), (*method).to_owned()))
        })
        .collect();
    assert_eq!(documented, served);
    let fake = Fake::populated().shared();
    put(&fake, "/v1/caps/carrier-a", "{\"calls\": 9}").await;
    for (path, method) in served {
        let path = path
            .replace("/calls/{id}", "/calls/000100c0ffee00000001")
            .replace("/users/{id}", USER)
            .replace("/registrations/{id}", "/registrations/alice@example.com")
            .replace("/sinks/{name}", "/sinks/billing")
            .replace("{id}", "2")
            .replace("{block}", "198.51.100.7")
            .replace("{name}", "carrier-a")
            .replace("{dimension}", "callers");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        if method == Method::DELETE && path.ends_with(USER) {
            // Last of all: others look at it.
            continue;
        }
        let path = match path.as_str() {
            "/v1/members" if method == Method::POST => format!("{path}?rpc=127.0.0.14:7060"),
            "/v1/members/2/replace" => format!("{path}?with=4"),
            "/v1/cdrs/retention" if method == Method::PUT => format!("{path}?keep_s=86400"),
            "/v1/cdrs/sinks/billing" if method == Method::PUT => format!("{path}?cursor=4701.0"),
            "/v1/cdrs/purge" => format!("{path}?before=2026-11-23T00:02:00Z"),
            _ => path,
        };
        if method == Method::DELETE && path.ends_with("/sinks/billing") {
            continue;
        }
        let answer = match method == Method::PUT {
            true if path == "/v1/limits" => put(&fake, &path, "{}").await,
            true if path.starts_with("/v1/caps/") => put(&fake, &path, "{\"calls\": 9}").await,
            true => put(&fake, &path, "{\"password\": \"correct horse\", \"replace\": true}").await,
            false => ask(&fake, method.clone(), &path).await,
        };
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.body);
    }
}

const USER: &str = "/users/alice@example.com";

#[tokio::test]
async fn answers_are_as_documented() {
    let document = document().await;
    let fake = Fake { dead: [holdline_model::NodeId(3)].into(), ..Fake::populated() }.shared();
    let call = "/v1/calls/000500c0ffee00000005";
    let limited = put(&fake, "/v1/limits", &super::limits::LIMITS.to_string()).await;
    assert_eq!(limited.status, 200, "{}", limited.body);
    super::limits::use_them(&fake);
    for (path, documented) in [
        ("/v1/cluster/health", "/v1/cluster/health"),
        ("/v1/nodes", "/v1/nodes"),
        ("/v1/members", "/v1/members"),
        ("/v1/slots", "/v1/slots"),
        ("/v1/trunks", "/v1/trunks"),
        ("/v1/listeners", "/v1/listeners"),
        ("/v1/certificates", "/v1/certificates"),
        ("/v1/calls?state=any", "/v1/calls"),
        (call, "/v1/calls/{id}"),
        ("/v1/cdrs", "/v1/cdrs"),
        ("/v1/cdrs/retention", "/v1/cdrs/retention"),
        ("/v1/cdrs/sinks/billing", "/v1/cdrs/sinks/{name}"),
        ("/v1/users", "/v1/users"),
        ("/v1/users/alice@example.com", "/v1/users/{id}"),
        ("/v1/registrations", "/v1/registrations"),
        ("/v1/registrations/alice@example.com", "/v1/registrations/{id}"),
        ("/v1/bans", "/v1/bans"),
        ("/v1/top/callers", "/v1/top/{dimension}"),
        ("/v1/protection", "/v1/protection"),
        ("/v1/limits", "/v1/limits"),
        ("/v1/caps", "/v1/caps"),
    ] {
        let answer = get(&fake, path).await.json();
        let schema = &document["paths"][documented]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        conforms(&document, schema, &answer, path);
    }
    let problem = get(&fake, "/v2").await.json();
    conforms(&document, &document["components"]["schemas"]["Problem"], &problem, "problem");
}

/// The part of JSON Schema that the document uses. Keys that are not documented are faults, too.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return conforms(document, document.pointer(pointer).expect(reference), value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return if value.is_null() {
            assert!(choices.iter().any(|choice| choice["type"] == "null"), "{at}");
        } else {
            conforms(document, &choices[0], value, at);
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        one => vec![one.clone()],
    };
    assert!(kinds.contains(&kind.into()), "{at} is {kind}, documented as {kinds:?}");
    if let (Some(allowed), false) = (schema["enum"].as_array(), value.is_null()) {
        assert!(allowed.contains(value), "{at} is {value}, documented as one of {allowed:?}");
    }
    if schema["additionalProperties"] == true {
        // Documented elsewhere, as its description says.
        assert!(schema["description"].is_string(), "{at}");
        return;
    }
    match value {
        Value::Array(items) => {
            assert!(!items.is_empty() || !at.ends_with(".items"), "{at}: nothing was checked");
            items.iter().for_each(|item| conforms(document, &schema["items"], item, at));
        }
        Value::Object(fields) => {
            let documented = schema["properties"].as_object().expect(at);
            let required = schema["required"].as_array().expect(at);
            assert_eq!(
                fields.keys().collect::<BTreeSet<_>>(),
                documented.keys().collect::<BTreeSet<_>>(),
                "{at}"
            );
            assert_eq!(required.len(), documented.len(), "{at}: every field is always there");
            for (key, field) in fields {
                conforms(document, &documented[key], field, &format!("{at}.{key}"));
            }
        }
        _ => {}
    }
}
