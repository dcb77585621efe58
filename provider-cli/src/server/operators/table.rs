//! Everything that operators can ask for: the routes and the published description are made of this.

use std::sync::Arc;

use axum::routing::{MethodRouter, get, post};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::super::routes::Api;
use super::ask::{
    ExportQuery, FormatName, LogQuery, NamesQuery, NothingQuery, RoundsQuery, TrailQuery,
};
use super::order::{self, OrderBody};
use super::{Who, describe, export, judge, show, whoami};
use crate::operator::Role;
use crate::service::audit_trail::{TrailEntryView, TrailHeadView};
use crate::service::{
    Audit, CorrectionView, EntryView, EvidenceView, HealthView, MemberLine, MemberView, OrderView,
    Page, RosterView,
};

/// How something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// And HEAD.
    Get,
    Post,
}

impl Method {
    /// As `OpenAPI` names it.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}

/// One thing that can be asked for.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Its name for programs.
    pub(super) id: &'static str,
    /// What it is, in one line.
    pub(super) summary: &'static str,
    /// More of it.
    pub(super) text: &'static str,
    /// Who may ask. Of nets, consumers are shown those that their certificate names.
    pub(super) roles: &'static [Role],
    /// Schema of the query.
    pub(super) query: fn(&mut SchemaGenerator) -> Value,
    /// Schema of the body, of a POST.
    pub(super) body: Option<fn(&mut SchemaGenerator) -> Value>,
    pub(super) answer: Answer,
    /// Problems besides those of all operations that it can be answered with.
    pub(super) problems: &'static [(u16, &'static [&'static str])],
    pub(super) handler: fn() -> MethodRouter<Arc<Api>>,
}

/// What an operation is answered with.
pub(super) enum Answer {
    /// JSON of this schema.
    Json(fn(&mut SchemaGenerator) -> Value),
    /// A file, one of [`FormatName::ALL`].
    File,
    /// A message of the protocol, as gateways are given it.
    Message,
    /// A JSON object that describes itself.
    Object,
}

const EVERYBODY: &[Role] = &Role::ALL;
const OVERSEERS: &[Role] = &[Role::Administrator, Role::Auditor];

const NO_NET: &[(u16, &[&str])] = &[(404, &["unknown-net"])];

pub(super) static OPERATIONS: [Operation; 22] = [
    Operation {
        method: Method::Get,
        path: "/openapi.json",
        id: "describe",
        summary: "This description",
        text: "OpenAPI 3.1, made out of the program that serves it.",
        roles: EVERYBODY,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Object,
        problems: &[],
        handler: || get(describe::show),
    },
    Operation {
        method: Method::Get,
        path: "/v1/whoami",
        id: "whoami",
        summary: "Whom the certificate names",
        text: "Name, role and nets, and until when the certificate counts.",
        roles: EVERYBODY,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<Who>),
        problems: &[],
        handler: || get(whoami),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets",
        id: "listNets",
        summary: "The nets",
        text: "By name. A consumer is shown those that its certificate names and that there are.",
        roles: EVERYBODY,
        query: schema::<NamesQuery>,
        body: None,
        answer: Answer::Json(schema::<show::Nets>),
        problems: &[],
        handler: || get(show::nets),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}",
        id: "showNet",
        summary: "One net",
        text: "Its parameters, and its newest final round.",
        roles: EVERYBODY,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<show::Net>),
        problems: NO_NET,
        handler: || get(show::net),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/descriptor",
        id: "showDescriptor",
        summary: "The net descriptor",
        text: "Byte for byte what `dcnet net descriptor` writes: what witnesses are given, and whose hash gateways \
               are configured with.",
        roles: EVERYBODY,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Message,
        problems: NO_NET,
        handler: || get(show::descriptor),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/audit",
        id: "auditNet",
        summary: "The audit of a net",
        text: "What `dcnet net audit` finds: the key graph in force, members and holders, the membership log replayed \
               and its key packages verified, orders. Audits are computed one at a time.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<Audit>),
        problems: NO_NET,
        handler: || get(judge::audit),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/log",
        id: "listLog",
        summary: "The membership log",
        text: "Ascending by index, from 0: who was admitted, left, was suspended or resumed, epochs and draw lists.",
        roles: OVERSEERS,
        query: schema::<LogQuery>,
        body: None,
        answer: Answer::Json(schema::<Page<EntryView>>),
        problems: NO_NET,
        handler: || get(show::log),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/health",
        id: "showHealth",
        summary: "How a net is",
        text: "The worst that is to be said of it, and how the rounds of the last 24 hours ended.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<HealthView>),
        problems: NO_NET,
        handler: || get(show::health),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/members",
        id: "listMembers",
        summary: "The members of a net",
        text: "By name: where they stand, and when they were last heard of.",
        roles: OVERSEERS,
        query: schema::<NamesQuery>,
        body: None,
        answer: Answer::Json(schema::<Page<MemberLine>>),
        problems: NO_NET,
        handler: || get(show::members),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/members/{client}",
        id: "showMember",
        summary: "One member",
        text: "All that the provider knows of it. No reading is among it, and no frame.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<MemberView>),
        problems: &[(404, &["unknown-net", "unknown-member"])],
        handler: || get(show::member),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/rounds",
        id: "listRounds",
        summary: "Final rounds with their sums",
        text: "Ascending. Whoever follows a net asks again with the last round that it knows in `after`. \
               Consumers are shown counts, and no names of members.",
        roles: EVERYBODY,
        query: schema::<RoundsQuery>,
        body: None,
        answer: Answer::Json(schema::<show::Rounds>),
        problems: NO_NET,
        handler: || get(show::rounds),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/rounds/{round}",
        id: "showRound",
        summary: "One final round",
        text: "Consumers are shown counts, and no names of members.",
        roles: EVERYBODY,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<show::Round>),
        problems: &[(404, &["unknown-net", "unknown-round"])],
        handler: || get(show::round),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/rounds/{round}/rosters",
        id: "listRosters",
        summary: "The rosters of a round",
        text: "By step, with names, also of a round that is not final. Empty in a net that corrects by resending, \
               and if the store has none yet, or none any more.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<Vec<RosterView>>),
        problems: NO_NET,
        handler: || get(show::rosters),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/corrections",
        id: "listCorrections",
        summary: "Rounds in which somebody was missing, or that have no sum",
        text: "Ascending, those under way at the end. A page may have fewer items than its limit, or none, \
               and be followed by another one: `next` says whether there is more.",
        roles: OVERSEERS,
        query: schema::<RoundsQuery>,
        body: None,
        answer: Answer::Json(schema::<Page<CorrectionView>>),
        problems: NO_NET,
        handler: || get(show::corrections),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/corrections/{round}",
        id: "showCorrection",
        summary: "One correction",
        text: "Who was missing, what was asked for, and what came of it.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<CorrectionView>),
        problems: &[(404, &["unknown-net", "unknown-correction"])],
        handler: || get(show::correction),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/export",
        id: "exportNet",
        summary: "The sums of a net as a file",
        text: "Whole, in one of the formats of `dcnet export`: one value for each slot of each round that is \
               over. It is sent while it is made; if it cannot be finished, the connection or the stream is \
               reset, and what came is to be thrown away.",
        roles: EVERYBODY,
        query: schema::<ExportQuery>,
        body: None,
        answer: Answer::File,
        problems: &[(404, &["unknown-net"]), (422, &["unfit-format"])],
        handler: || get(export::export),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/orders",
        id: "listOrders",
        summary: "The orders that were given to a net",
        text: "Ascending: who asked for it, why, and what the net's server said.",
        roles: OVERSEERS,
        query: schema::<TrailQuery>,
        body: None,
        answer: Answer::Json(schema::<Page<OrderView>>),
        problems: NO_NET,
        handler: || get(order::list),
    },
    Operation {
        method: Method::Post,
        path: "/v1/operators/nets/{net}/orders",
        id: "giveOrder",
        summary: "Give an order to a net",
        text: "Suspends or resumes a member, closes the net, or has a correction's request sent again. It is \
               written down and into the audit trail; the server of the net takes it within a second, or when it \
               starts, and says in `state` whether it counts. Ordering again what counts already is refused \
               there, and changes nothing.",
        roles: &[Role::Administrator],
        query: schema::<NothingQuery>,
        body: Some(schema::<OrderBody>),
        answer: Answer::Json(schema::<OrderView>),
        problems: &[
            (404, &["unknown-net"]),
            (408, &["body-timeout"]),
            (413, &["body-too-large"]),
            (415, &["media-type"]),
        ],
        handler: || post(order::give),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/nets/{net}/orders/{number}",
        id: "showOrder",
        summary: "One order",
        text: "And what came of it.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<OrderView>),
        problems: &[(404, &["unknown-net", "unknown-order"])],
        handler: || get(order::show),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/evidence",
        id: "listEvidence",
        summary: "Evidence that was received",
        text: "What owners of gateways sent in, as far as this server has it: files in its folder of evidence \
               (`--evidence-dir`), verified as `dcnet verify-evidence` does.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<EvidenceView>),
        problems: &[],
        handler: || get(judge::evidence),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/audit-log",
        id: "listAuditTrail",
        summary: "Who did what",
        text: "The audit trail, ascending. Each export over HTTPS is in it, and whether it broke off, and each \
               refused request.",
        roles: OVERSEERS,
        query: schema::<TrailQuery>,
        body: None,
        answer: Answer::Json(schema::<Page<TrailEntryView>>),
        problems: &[],
        handler: || get(show::trail),
    },
    Operation {
        method: Method::Get,
        path: "/v1/operators/audit-log/head",
        id: "showAuditTrailHead",
        summary: "The head of the audit trail",
        text: "For an auditor to keep: `dcnet audit-log verify --seen` tells later whether the trail goes on from it.",
        roles: OVERSEERS,
        query: schema::<NothingQuery>,
        body: None,
        answer: Answer::Json(schema::<TrailHeadView>),
        problems: &[],
        handler: || get(show::trail_head),
    },
];

/// The schema of a type as a part of the description.
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Media types of files.
pub(super) fn media_types() -> impl Iterator<Item = &'static str> {
    FormatName::ALL.into_iter().map(FormatName::media_type)
}
