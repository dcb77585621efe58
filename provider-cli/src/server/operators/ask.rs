//! What operators say in paths and queries, and what they may say.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use dcnet_protocol::names::{ClientId, NetId};
use hyper::http::request::Parts;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::problem::Problem;
use super::super::routes::name;
use crate::export::{FileFormat, Format, Range};
use crate::service::{LAST_ROUND, Listing};

/// Items in one answer at most.
pub(super) const MOST_ITEMS: u16 = 1000;

/// Names, as patterns of JSON Schema have them.
pub(super) const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$";

/// The query of an operation that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingQuery {}

/// That nothing was asked besides the path.
pub(super) struct Nothing;

/// A list by name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamesQuery {
    /// Only what comes behind this name: `next` of the page before.
    #[schemars(extend("pattern" = NAME_PATTERN))]
    after: Option<String>,
    /// So many at most.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = MOST_ITEMS))]
    limit: u16,
}

/// A list of rounds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoundsQuery {
    /// Only rounds whose metered interval begins then or later, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// Only rounds whose metered interval begins before, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
    /// Only rounds behind the one of this number: `next` of the page before, or the last round that is known.
    #[schemars(range(max = LAST_ROUND))]
    after: Option<u64>,
    /// So many at most.
    #[serde(default = "day")]
    #[schemars(range(min = 1, max = MOST_ITEMS))]
    limit: u16,
}

/// A part of the audit trail, or of the orders of a net.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TrailQuery {
    /// Only entries behind the one of this number: `next` of the page before, or the last one that is known.
    #[serde(default)]
    #[schemars(range(max = LAST_ROUND))]
    after: u64,
    /// So many at most.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = MOST_ITEMS))]
    limit: u16,
}

/// A part of a membership log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// Only entries behind the one of this index: `next` of the page before, or the last one that is known.
    #[schemars(range(max = LAST_ROUND))]
    after: Option<u64>,
    /// So many at most.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = MOST_ITEMS))]
    limit: u16,
}

/// An export.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// What is wanted.
    format: FormatName,
    /// Only rounds whose metered interval begins then or later, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// Only rounds whose metered interval begins before, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
}

/// A format of whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FormatName {
    Csv,
    Jsonl,
    Parquet,
    Influx,
    Openmetrics,
}

impl FormatName {
    pub(super) const ALL: [Self; 5] = [
        Self::Csv,
        Self::Jsonl,
        Self::Parquet,
        Self::Influx,
        Self::Openmetrics,
    ];

    pub(super) const fn format(self) -> FileFormat {
        match self {
            Self::Csv => FileFormat::Lines(Format::Csv),
            Self::Jsonl => FileFormat::Lines(Format::Jsonl),
            Self::Influx => FileFormat::Lines(Format::Influx),
            Self::Parquet => FileFormat::Parquet,
            Self::Openmetrics => FileFormat::OpenMetrics,
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Influx => "text/plain; charset=utf-8",
            Self::Openmetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// As the query has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Influx => "influx",
            Self::Openmetrics => "openmetrics",
        }
    }

    /// What the name of a file ends with.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Influx => "lp",
            Self::Openmetrics => "om",
        }
    }
}

const fn fifty() -> u16 {
    50
}

const fn day() -> u16 {
    96
}

/// A page of a list by name.
pub(super) struct Names {
    after: Option<String>,
    pub(super) limit: u16,
}

impl Names {
    /// The name behind which it goes on.
    pub(super) fn after<T>(&self) -> Result<Option<T>, Problem>
    where
        T: std::str::FromStr<Err = dcnet_protocol::names::NameError>,
    {
        self.after.as_deref().map(name).transpose()
    }
}

/// A page of the audit trail.
pub(super) struct Trail {
    pub(super) after: u64,
    pub(super) limit: u16,
}

impl<S: Sync> FromRequestParts<S> for Trail {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let TrailQuery { after, limit } = query(parts)?;
        if after > LAST_ROUND {
            return Err(no_number());
        }
        let limit = bounded(limit)?;
        Ok(Self { after, limit })
    }
}

/// A page of a membership log, whose entries count from 0.
pub(super) struct Entries {
    pub(super) after: Option<u64>,
    pub(super) limit: u16,
}

impl<S: Sync> FromRequestParts<S> for Entries {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let LogQuery { after, limit } = query(parts)?;
        if after.is_some_and(|after| after > LAST_ROUND) {
            return Err(no_number());
        }
        let limit = bounded(limit)?;
        Ok(Self { after, limit })
    }
}

/// A file of an export.
pub(super) struct File {
    pub(super) name: FormatName,
    pub(super) range: Range,
}

impl<S: Sync> FromRequestParts<S> for Nothing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let NothingQuery {} = query(parts)?;
        Ok(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let NamesQuery { after, limit } = query(parts)?;
        let limit = bounded(limit)?;
        Ok(Self { after, limit })
    }
}

impl<S: Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked: RoundsQuery = query(parts)?;
        if asked.after.is_some_and(|after| after > LAST_ROUND) {
            return Err(no_round());
        }
        Ok(Self {
            from: time("from", asked.from.as_deref())?,
            to: time("to", asked.to.as_deref())?,
            after: asked.after,
            limit: bounded(asked.limit)?,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for File {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let asked: ExportQuery = query(parts)?;
        let range = Range {
            from: time("from", asked.from.as_deref())?,
            to: time("to", asked.to.as_deref())?,
        };
        let name = asked.format;
        Ok(Self { name, range })
    }
}

/// The net that a path names.
pub(super) struct OfNet(pub(super) NetId);

/// The member of a net that a path names.
pub(super) struct OfMember(pub(super) NetId, pub(super) ClientId);

/// The order of a net that a path names.
pub(super) struct OfOrder(pub(super) NetId, pub(super) u64);

/// The round of a net that a path names.
pub(super) struct OfRound(pub(super) NetId, pub(super) u64);

impl<S: Send + Sync> FromRequestParts<S> for OfNet {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let net: String = path(parts, state).await?;
        Ok(Self(name(&net)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfMember {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (net, client): (String, String) = path(parts, state).await?;
        Ok(Self(name(&net)?, name(&client)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfOrder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (net, number): (String, String) = path(parts, state).await?;
        let number = whole(&number)
            .ok_or_else(|| Problem::bad_request("an order is a number below 2^63, in digits"))?;
        Ok(Self(name(&net)?, number))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfRound {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (net, round): (String, String) = path(parts, state).await?;
        let round = whole(&round).ok_or_else(no_round)?;
        Ok(Self(name(&net)?, round))
    }
}

/// A number in digits that the store can hold.
fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= LAST_ROUND);
    number.filter(|_| digits)
}

async fn path<T, S>(parts: &mut Parts, state: &S) -> Result<T, Problem>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
    let Path(path) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(path)
}

fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, Problem> {
    let query: Result<Query<T>, QueryRejection> = Query::try_from_uri(&parts.uri);
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(query)
}

fn bounded(limit: u16) -> Result<u16, Problem> {
    if (1..=MOST_ITEMS).contains(&limit) {
        Ok(limit)
    } else {
        let detail = format!("limit is {limit}; 1 to {MOST_ITEMS} are offered");
        Err(Problem::bad_request(detail))
    }
}

fn time(which: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let read = |text: &str| {
        text.parse().map_err(|error| {
            let detail = format!("{which} is no time such as 2026-11-01T00:00:00Z: {error}");
            Problem::bad_request(detail)
        })
    };
    text.map(read).transpose()
}

fn no_number() -> Problem {
    Problem::bad_request("after is a number below 2^63")
}

fn no_round() -> Problem {
    Problem::bad_request("a round is a number below 2^63, in digits")
}
