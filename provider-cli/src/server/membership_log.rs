//! The membership log: section "Membership log" of `docs/spec/http-api.md`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use dcnet_protocol::provider::MOST_LISTED;
use serde::Deserialize;

use super::problem::Problem;
use super::routes::{Api, Message, name};
use crate::service::{Client, MOST_ENTRIES, Question};

type Shared = State<Arc<Api>>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// The log's routes.
pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/nets/{net}/log/checkpoint", get(checkpoint))
        .route("/v1/nets/{net}/log/draw-list", get(draw_list))
        .route("/v1/nets/{net}/log/common", get(common))
        .route("/v1/nets/{net}/log/entries", get(entries))
        .route("/v1/nets/{net}/log/{index}", get(entry))
        .route("/v1/nets/{net}/log/{index}/members", get(listed))
}

/// How many entries the client knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    from: u64,
}

/// Two sizes of the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    small: u64,
    large: u64,
}

/// A part of the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(default)]
    from: u64,
    #[serde(default = "most_entries")]
    count: u64,
}

fn most_entries() -> u64 {
    MOST_ENTRIES
}

/// Places in a draw list, separated by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    at: String,
}

async fn checkpoint(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
) -> Result<Message, Problem> {
    api.log(client, &net, Question::Checkpoint).await
}

async fn draw_list(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    known: Asked<Known>,
) -> Result<Message, Problem> {
    let Known { from } = query(known)?;
    api.log(client, &net, Question::DrawList { from }).await
}

async fn common(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    sizes: Asked<Sizes>,
) -> Result<Message, Problem> {
    let Sizes { small, large } = query(sizes)?;
    if small > large {
        return Err(Problem::bad_request("small is above large"));
    }
    api.log(client, &net, Question::Common { small, large })
        .await
}

async fn entries(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    part: Asked<Part>,
) -> Result<Message, Problem> {
    let Part { from, count } = query(part)?;
    api.log(client, &net, Question::Entries { from, count })
        .await
}

async fn entry(
    State(api): Shared,
    client: Client,
    Path((net, at)): Path<(String, String)>,
    known: Asked<Known>,
) -> Result<Message, Problem> {
    let (index, Known { from }) = (index(&at)?, query(known)?);
    api.log(client, &net, Question::Entry { index, from }).await
}

async fn listed(
    State(api): Shared,
    client: Client,
    Path((net, list)): Path<(String, String)>,
    places: Asked<Places>,
) -> Result<Message, Problem> {
    let (list, at) = (index(&list)?, self::places(&query(places)?.at)?);
    api.log(client, &net, Question::Listed { list, at }).await
}

fn query<T>(asked: Asked<T>) -> Result<T, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(asked)
}

fn index(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request("the index of an entry is a number below 2^64"))
}

fn places(text: &str) -> Result<Vec<u32>, Problem> {
    let places: Vec<u32> = text
        .split(',')
        .take(MOST_LISTED + 1)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::bad_request("at is a list of numbers below 2^32, as in at=0,7,12"))?;
    if places.len() > MOST_LISTED {
        let detail = format!("at names more than {MOST_LISTED} members");
        return Err(Problem::bad_request(detail));
    }
    Ok(places)
}

impl Api {
    async fn log(&self, client: Client, net: &str, question: Question) -> Result<Message, Problem> {
        let answer = self.service.log(client, name(net)?, question);
        let answer = self.in_time(Duration::ZERO, answer).await?;
        Ok(Message(answer.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbers_between_commas_and_not_too_many() {
        assert_eq!(places("7").unwrap(), [7]);
        assert_eq!(places("1,2,4294967295").unwrap(), [1, 2, u32::MAX]);
        for bad in ["", ",", "1,", "1;2", "-1", "4294967296", " 1"] {
            assert!(places(bad).is_err(), "{bad:?}");
        }
        let many = vec!["1"; MOST_LISTED].join(",");
        assert_eq!(places(&many).unwrap().len(), MOST_LISTED);
        assert!(places(&format!("{many},1")).is_err());
    }
}
