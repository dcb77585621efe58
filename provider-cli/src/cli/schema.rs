//! The JSON Schema of what `--json` prints, out of the types that are printed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{net, pki, store, witness};
use crate::export::{Line, Position};
use crate::plan::Plan;
use crate::service::audit_trail::{TrailEntryView, TrailVerified};
use crate::service::care::{Checked, Pruned, StoreStats};
use crate::service::{
    Audit, CorrectionView, EntryView, Finding, MemberList, MemberView, NetView, OrderView,
    RosterView, RoundView,
};

/// The schema as it is published (`provider-cli/schema/output.schema.json`): JSON Schema 2020-12, with
/// one definition for each command, named as the command with hyphens.
///
/// # Errors
///
/// None but want of memory: it is written into a string.
pub fn published() -> Result<String, serde_json::Error> {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let commands = [
        of::<net::Created>(&mut generator, "net-create"),
        of::<Vec<NetView>>(&mut generator, "net-list"),
        of::<NetView>(&mut generator, "net-show"),
        of::<Audit>(&mut generator, "net-audit"),
        of::<Vec<EntryView>>(&mut generator, "net-log"),
        of::<net::Written>(&mut generator, "net-descriptor"),
        of::<MemberList>(&mut generator, "member-list"),
        of::<MemberView>(&mut generator, "member-show"),
        of::<Vec<RoundView>>(&mut generator, "round-list"),
        of::<RoundView>(&mut generator, "round-show"),
        of::<Vec<RosterView>>(&mut generator, "round-rosters"),
        of::<RoundView>(&mut generator, "round-watch"),
        of::<Vec<CorrectionView>>(&mut generator, "correction-list"),
        of::<CorrectionView>(&mut generator, "correction-show"),
        of::<OrderView>(&mut generator, "correction-retry"),
        of::<OrderView>(&mut generator, "member-resume"),
        of::<OrderView>(&mut generator, "member-suspend"),
        of::<OrderView>(&mut generator, "net-close"),
        of::<Vec<RoundView>>(&mut generator, "export-json"),
        of::<Line<'_>>(&mut generator, "export-jsonl"),
        of::<Vec<Line<'_>>>(&mut generator, "export-json-values"),
        of::<Vec<Position>>(&mut generator, "export-status"),
        of::<StoreStats>(&mut generator, "store-stats"),
        of::<Checked>(&mut generator, "store-check"),
        of::<Vec<Pruned>>(&mut generator, "store-prune"),
        of::<store::BackupView>(&mut generator, "store-backup"),
        of::<store::RestoredView>(&mut generator, "store-restore"),
        of::<Vec<TrailEntryView>>(&mut generator, "audit-log-show"),
        of::<TrailVerified>(&mut generator, "audit-log-verify"),
        of::<witness::IdentityView>(&mut generator, "witness-init"),
        of::<witness::NetView>(&mut generator, "witness-add"),
        of::<witness::StatusView>(&mut generator, "witness-status"),
        of::<pki::AuthorityView>(&mut generator, "pki-init"),
        of::<pki::CertificatesView>(&mut generator, "pki-issue"),
        of::<pki::CertificatesView>(&mut generator, "pki-renew"),
        of::<pki::RevokedView>(&mut generator, "pki-revoke"),
        of::<pki::RevokedView>(&mut generator, "pki-crl"),
        of::<pki::RotatedView>(&mut generator, "pki-rotate"),
        of::<pki::ProviderView>(&mut generator, "pki-provider"),
        of::<pki::CertificateList<'_>>(&mut generator, "pki-list"),
        of::<Plan>(&mut generator, "plan"),
        of::<Finding>(&mut generator, "verify-evidence"),
    ];
    let mut definitions: Map<String, Value> = commands.into_iter().collect();
    definitions.extend(generator.take_definitions(true));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What dcnet prints with --json",
        "description": "One definition for each command, named as the command with hyphens; \
            of `dcnet round watch` and `dcnet export jsonl` it is that of a line, and `export-json-values` is \
            that of `dcnet export json --values`.",
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator, command: &str) -> (String, Value) {
    let schema = generator.subschema_for::<T>();
    (command.to_owned(), schema.to_value())
}
