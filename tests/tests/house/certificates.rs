//! Certificates change while rounds run.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use dcnet_provider::pki::{
    Authority, Chosen, GatewayFiles, Reason, Renewed, Root, new_root, renew_provider,
};
use dcnet_tests::harness::wait_for;

use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(25);
const MONTH: Duration = Duration::from_hours(24 * 30);

/// A gateway's certificates are renewed and the old ones revoked, another's are revoked: the first goes
/// on without a round lost, the second is out, with the reason, and the others do without it.
#[test]
fn a_renewal_loses_no_round_and_a_revocation_ends_one_member_only() {
    // Windows of two seconds: of shorter ones a machine that writes much misses one.
    let mut stage = Stage::revoking(6, 6);
    let ca = stage.lab.folder().join("ca");
    let authority = Authority::open(&ca).unwrap();
    let first = stage.wait_for_everybody().round;

    // As an owner would: new files over the old ones, one after the other.
    let new = stage.lab.gateway_folder("gw-1").join("new");
    let Renewed::Gateway(new) = authority.renew("gw-1", Some(&new), 365, false).unwrap() else {
        panic!("no gateway");
    };
    let old = GatewayFiles::in_folder(&stage.lab.gateway_folder("gw-1").join("pki"));
    for (from, to) in [
        (&new.tls_key, &old.tls_key),
        (&new.tls_certificate, &old.tls_certificate),
        (&new.sig_key, &old.sig_key),
        (&new.sig_certificate, &old.sig_certificate),
    ] {
        fs::rename(from, to).unwrap();
    }
    wait_for("renewed certificates in use", PATIENCE, || {
        Ok(stage.events("gw-1", "certificates.renewed").pop())
    })
    .unwrap();
    stage.wait_for_everybody();
    // What was renewed is not needed any more: whoever still shows it is out.
    let register = authority.register().unwrap();
    let of_gw_1 = register.issued().iter().filter(|it| it.name == "gw-1");
    for issued in of_gw_1.take(2) {
        let chosen = Chosen::Serial(issued.serial.clone());
        authority
            .revoke(&chosen, Reason::Superseded, MONTH)
            .unwrap();
    }
    let chosen = Chosen::Name("gw-6".to_owned());
    authority
        .revoke(&chosen, Reason::KeyCompromise, MONTH)
        .unwrap();

    let told = wait_for("a diagnosis", PATIENCE, || {
        let log = fs::read_to_string(stage.lab.gateway_log("gw-6")).unwrap();
        Ok(log
            .contains("communication.tls.certificate was revoked")
            .then_some(log))
    });
    told.unwrap();
    for _ in 0..3 {
        stage.wait("round of the others", |published| {
            published.is_complete() && published.contributors.len() == 5
        });
    }
    let provider = fs::read_to_string(stage.lab.provider_log()).unwrap();
    assert!(
        provider.contains("its key may be known to others"),
        "{provider}"
    );
    assert!(provider.contains("urn:dcnet:gateway:gw-6"), "{provider}");

    // Every round since has a sum with everybody in it but the one that was revoked.
    let rounds: Vec<_> = stage
        .judged()
        .iter()
        .filter(|it| it.round >= first)
        .collect();
    let last = rounds.last().unwrap().round;
    let numbers: Vec<_> = rounds.iter().map(|it| it.round).collect();
    assert_eq!(numbers, (first..=last).collect::<Vec<_>>());
    let others: BTreeSet<_> = (1..=5).map(|number| format!("gw-{number}")).collect();
    for published in rounds {
        assert!(published.sums.is_some(), "{published:#?}");
        let given: BTreeSet<_> = published.contributors.iter().cloned().collect();
        assert!(others.is_subset(&given), "{published:#?}");
    }

    replace_the_providers_root(&mut stage);
}

/// The gateways get a bundle of both roots, then the server a certificate under the new one.
fn replace_the_providers_root(stage: &mut Stage) {
    let renewals = |stage: &Stage| {
        let names = (1..=5).map(|number| format!("gw-{number}"));
        let of = |name: String| stage.events(&name, "certificates.renewed").len();
        names.map(of).sum::<usize>()
    };
    let before = renewals(stage);
    let files = stage.lab.provider_files().clone();
    let folder = stage.lab.folder().join("provider");
    let (_, bundle) = new_root(&folder).unwrap();
    // The file that the profiles name.
    fs::copy(bundle, &files.root_certificate).unwrap();
    wait_for("gateways that know both roots", PATIENCE, || {
        Ok((renewals(stage) == before + 5).then_some(()))
    })
    .unwrap();
    renew_provider(&folder, &[], 90, Root::Newest).unwrap();
    let reloads = |stage: &Stage| {
        let log = fs::read_to_string(stage.lab.provider_log()).unwrap();
        log.matches("were read again").count()
    };
    let so_far = reloads(stage);
    wait_for("a server under the new root", PATIENCE, || {
        Ok((reloads(stage) > so_far).then_some(()))
    })
    .unwrap();
    // Connections that are open go on; one that begins anew shows that the bundle is believed.
    stage.kill("gw-2");
    stage.lab.start_gateway("gw-2").unwrap();
    stage.wait("round of the others", |published| {
        published.is_complete() && published.contributors.len() == 5
    });
}
