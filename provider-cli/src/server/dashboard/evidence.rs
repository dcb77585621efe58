//! Evidence that was received: what gateways have kept, put into a folder, and verified here.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use dcnet_protocol::names::NetId;
use maud::{Markup, html};

use super::Dashboard;
use super::frame::{Fault, Place, answer, whole};
use super::words::{badge, count};
use crate::service::Finding;
use crate::service::overview::{NetState, Scope};

/// Files that are listed.
const LISTED: usize = 200;

/// What is in the folder, as far as it may be seen.
pub(super) struct Look {
    /// Of nets of this store.
    ours: Vec<(String, NetId, Finding)>,
    /// Of nets that are not here.
    others: Vec<(String, Finding)>,
    /// With the reason.
    unreadable: Vec<(String, String)>,
    has_more: bool,
    /// Why the folder cannot be listed.
    failed: Option<String>,
}

impl Look {
    /// Files that prove something of nets that are here.
    pub(super) fn proofs(&self) -> usize {
        self.ours
            .iter()
            .filter(|(_, _, finding)| finding.proves)
            .count()
    }

    /// The same by net.
    pub(super) fn by_net(&self) -> HashMap<NetId, usize> {
        let mut nets = HashMap::new();
        for (_, net, _) in self.ours.iter().filter(|(_, _, finding)| finding.proves) {
            *nets.entry(*net).or_default() += 1;
        }
        nets
    }
}

/// Files that prove something of this net.
pub(super) async fn of_net(dashboard: &Dashboard, net: NetId) -> usize {
    let scope = Scope::Nets([net].into());
    let look = look(dashboard, &scope).await;
    look.map_or(0, |look| look.proofs())
}

/// Looks into the folder; `None` if there is none. Files of nets that may not be seen are left out, and
/// so is what belongs to no net that is here unless all may be seen.
pub(super) async fn look(dashboard: &Dashboard, scope: &Scope) -> Option<Look> {
    let mut look = Look {
        ours: Vec::new(),
        others: Vec::new(),
        unreadable: Vec::new(),
        has_more: false,
        failed: None,
    };
    let received = match dashboard.overview.evidence().await? {
        Ok((received, has_more)) => {
            look.has_more = has_more;
            received
        }
        Err(error) => {
            look.failed = Some(error.to_string());
            return Some(look);
        }
    };
    let snapshot = dashboard.overview.snapshot().await;
    // A file counts for a net of this store if it has the very descriptor, not only the name.
    let by_hash: HashMap<String, NetId> = snapshot
        .iter()
        .flat_map(|snapshot| &snapshot.nets)
        .map(|state: &NetState| (state.descriptor.hash().to_string(), state.net()))
        .collect();
    for file in received {
        let is_all = *scope == Scope::All;
        match file.found {
            Ok(finding) => match by_hash.get(&finding.descriptor_hash) {
                Some(net) if scope.has(*net) => look.ours.push((file.name, *net, finding)),
                None if is_all => look.others.push((file.name, finding)),
                _ => {}
            },
            Err(reason) if is_all => look.unreadable.push((file.name, reason)),
            Err(_) => {}
        }
    }
    Some(look)
}

pub(super) async fn page(
    State(dashboard): State<Dashboard>,
    Extension(scope): Extension<Arc<Scope>>,
) -> Response {
    let look = look(&dashboard, &scope).await;
    answer(&dashboard, Ok::<_, Fault>(made(&dashboard, look.as_ref())))
}

fn made(dashboard: &Dashboard, look: Option<&Look>) -> Markup {
    let body = html! {
        p { "Gateways keep what proves that a provider lied: signed statements that cannot all be true. Files that \
             their owners sent in are verified here, as " code { "dcnet verify-evidence" } " does." }
        @match look {
            None => p { "No folder is named: " code { "dcnet serve --evidence-dir DIR" } "." },
            Some(look) => (list(look)),
        }
    };
    whole(dashboard, Place::Evidence, "Evidence", &body, true)
}

fn list(look: &Look) -> Markup {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    html! {
        @if let Some(error) = &look.failed {
            p { (badge("bad", "!", "the folder cannot be listed")) " " (error) }
        }
        p {
            strong { (count(number(look.proofs()), "file proves", "files prove")) " something of nets that are here." }
        }
        @if look.has_more { p.note { "There are more files than are looked at." } }
        @if !look.ours.is_empty() {
            (table("Of nets that are here", look.ours.iter().map(|(name, _, finding)| (name, finding))))
        }
        @if !look.others.is_empty() {
            (table("Of nets that are not here", look.others.iter().map(|(name, finding)| (name, finding))))
        }
        @if !look.unreadable.is_empty() {
            h2 { "Not readable" }
            ul.names {
                @for (name, reason) in look.unreadable.iter().take(LISTED) { li { (name) ": " span.soft { (reason) } } }
            }
        }
    }
}

fn table<'a>(title: &str, files: impl Iterator<Item = (&'a String, &'a Finding)>) -> Markup {
    html! {
        h2 { (title) }
        div.scroll tabindex="0" role="region" aria-label=(title) {
            table {
                thead { tr {
                    th scope="col" { "File" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Net" }
                    th.number scope="col" { "Round" }
                    th scope="col" { "What" }
                } }
                tbody {
                    @for (name, finding) in files.take(LISTED) {
                        tr {
                            th scope="row" { (name) }
                            td {
                                @if finding.proves { (badge("bad", "!", "proved")) }
                                @else { (badge("plain", "–", "proves nothing")) }
                            }
                            td { (finding.net) }
                            td.number { @if let Some(round) = finding.round { (round) } @else { "–" } }
                            td { (finding.text) }
                        }
                    }
                }
            }
        }
    }
}
