//! The description of all this: `OpenAPI` 3.1, out of the table and of the types that are answered with.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::MEDIA_TYPE;
use super::super::problem::{self, ProblemBody};
use super::ask::{NAME_PATTERN, Nothing};
use super::not_written;
use super::table::{Answer, Method, OPERATIONS, Operation, media_types, schema};
use crate::service::LAST_ROUND;

const INTRODUCTION: &str = "\
Sums, members, corrections, membership logs and audits of the nets of a provider, for administrators, auditors and consumers, who prove \
themselves with a TLS client certificate of the operators' authority (`dcnet pki issue --role`). It has no reading \
and no frame of a member: the provider has none. `HEAD` is offered where `GET` is. Lists come in pages: `next` of \
one is `after` of the following. Every refusal is a problem (RFC 9457), whose `type` programs go by. \
docs/spec/http-api.md has the rules, and what gateways say to the provider, in `application/vnd.dcnet`.";

/// What is published, as `docs/spec/openapi.json`.
pub(in crate::server) fn published() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document()).map(|text| text + "\n")
}

/// The description as an answer.
pub(super) async fn show(_: Nothing) -> Response {
    static TEXT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(published);
    let text = match &*TEXT {
        Ok(text) => text.as_str(),
        Err(error) => return not_written(error),
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    paths.insert("/healthz".to_owned(), healthz());
    for operation in &OPERATIONS {
        let described = described(operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.key().to_owned(), described);
        }
    }
    let problem = schema::<ProblemBody>(&mut generator);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "dcnet, for operators",
            "version": "1",
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "headers": {
                "RequestId": {
                    "description": "The id of the request, as the server's log has it.",
                    "required": true,
                    "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
                },
                "RetryAfter": {
                    "description": "Seconds after which the same request may succeed.",
                    "required": true,
                    "schema": { "type": "integer", "minimum": 0 },
                },
            },
            "responses": { "Problem": {
                "description": "A refusal.",
                "headers": request_id(),
                "content": { problem::MEDIA_TYPE: { "schema": problem } },
            } },
            "securitySchemes": { "operator": {
                "type": "mutualTLS",
                "description": "A certificate of the operators' authority.",
            } },
        },
    })
}

/// Answered to everybody with a certificate, gateways too.
fn healthz() -> Value {
    json!({ "get": {
        "operationId": "health",
        "summary": "That the server answers",
        "security": [{ "operator": [] }],
        "responses": {
            "200": {
                "description": "It does.",
                "headers": request_id(),
                "content": { "text/plain; charset=utf-8": { "schema": { "const": "ok\n" } } },
            },
            "403": problems(&["client-certificate-required", "client-certificate-expired"]),
        },
    } })
}

fn described(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = operation.path.split('/').filter_map(in_path).collect();
    parameters.extend(in_query(operation));
    // One of these roles is needed.
    let roles = operation
        .roles
        .iter()
        .map(|role| json!({ "operator": [role.word()] }));
    let security: Vec<Value> = roles.collect();
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.text,
        "security": security,
        "parameters": parameters,
        "responses": responses(operation, generator),
    });
    if let (Some(schema), Some(described)) = (operation.body, described.as_object_mut()) {
        // What is read may leave out what has a default; what is printed has it always.
        let mut settings = SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        let schema = schema(&mut settings.into_generator());
        let body = json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        });
        described.insert("requestBody".to_owned(), body);
    }
    described
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let content = match &operation.answer {
        Answer::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Answer::Object => json!({ "application/json": { "schema": { "type": "object" } } }),
        Answer::Message => json!({ MEDIA_TYPE: {} }),
        Answer::File => media_types()
            .map(|media_type| (media_type.to_owned(), json!({})))
            .collect::<Map<_, _>>()
            .into(),
    };
    let mut responses = Map::new();
    let success = json!({
        "description": operation.summary,
        "headers": request_id(),
        "content": content,
    });
    let (status, bad) = match operation.method {
        Method::Get => ("200", &["bad-request"][..]),
        Method::Post => ("202", &["bad-request", "body-broken"][..]),
    };
    responses.insert(status.to_owned(), success);
    responses.insert("400".to_owned(), problems(bad));
    let certificates = [
        "wrong-role",
        "client-certificate-required",
        "client-certificate-unusable",
        "client-certificate-revoked",
        "client-certificate-expired",
    ];
    responses.insert("403".to_owned(), problems(&certificates));
    for (status, names) in operation.problems {
        responses.insert(status.to_string(), problems(names));
    }
    responses.insert("500".to_owned(), problems(&["internal", "store-damaged"]));
    let mut unavailable = problems(&[
        "store-unavailable",
        "timeout",
        "overloaded",
        "revocation-list-expired",
    ]);
    if let Some(headers) = unavailable
        .get_mut("headers")
        .and_then(Value::as_object_mut)
    {
        let retry = json!({ "$ref": "#/components/headers/RetryAfter" });
        headers.insert("Retry-After".to_owned(), retry);
    }
    responses.insert("503".to_owned(), unavailable);
    responses.into()
}

/// A refusal with one of these names.
fn problems(names: &[&str]) -> Value {
    let types: Vec<String> = names
        .iter()
        .map(|name| format!("{}{name}", problem::TYPE_PREFIX))
        .collect();
    json!({
        "description": format!("Refused: {}.", names.join(", ")),
        "headers": request_id(),
        "content": { problem::MEDIA_TYPE: { "schema": {
            "allOf": [{ "$ref": "#/components/schemas/Problem" }],
            "properties": { "type": { "enum": types } },
        } } },
    })
}

fn request_id() -> Value {
    json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } })
}

/// The parameter that a part of a path stands for.
fn in_path(part: &str) -> Option<Value> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    let (text, schema) = match name {
        "round" => (
            "Number of the round.",
            json!({ "type": "integer", "minimum": 0, "maximum": LAST_ROUND }),
        ),
        "number" => (
            "Number of the order.",
            json!({ "type": "integer", "minimum": 0, "maximum": LAST_ROUND }),
        ),
        "client" => (
            "Client id of the member.",
            json!({ "type": "string", "pattern": NAME_PATTERN }),
        ),
        _ => (
            "Name of the net.",
            json!({ "type": "string", "pattern": NAME_PATTERN }),
        ),
    };
    Some(
        json!({ "name": name, "in": "path", "required": true, "description": text, "schema": schema }),
    )
}

/// The parameters of a query, out of the type that reads it.
fn in_query(operation: &Operation) -> Vec<Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut query = (operation.query)(&mut settings.into_generator());
    let required = query.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        let mut required = required.as_array().into_iter().flatten();
        required.any(|it| it == name)
    };
    let properties = query.get_mut("properties").map(Value::take);
    let Some(Value::Object(properties)) = properties else {
        return Vec::new();
    };
    let each = properties.into_iter().map(|(name, mut schema)| {
        let text = schema.as_object_mut().and_then(|it| it.remove("description"));
        // In a query, what is not there is not written down.
        if let Some(kind) = schema.get_mut("type")
            && let Some(types) = kind.as_array()
        {
            let one = types.iter().find(|it| *it != "null").cloned();
            *kind = one.unwrap_or_default();
        }
        let is_required = is_required(&name);
        json!({
            "name": name, "in": "query", "required": is_required, "description": text, "schema": schema,
        })
    });
    each.collect()
}
