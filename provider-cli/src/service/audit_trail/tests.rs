//! Entries, old ones and new ones.

use super::*;

/// Entries as they were written before there was `nets`: they are hashed as they are.
#[test]
fn what_was_written_before_is_read_and_would_be_written_so_again() {
    for entry in [
        r#"{"action":"exporter-started","actor":{"host":"h","kind":"console","user":"u (1)"},"at":"2026-11-01T00:00:00Z","detail":"lake, bus"}"#,
        r#"{"action":"exported","actor":{"kind":"operator","name":"grid","role":"consumer"},"at":"2026-11-01T00:00:00Z","detail":"csv over HTTPS","net":"elbe-4"}"#,
    ] {
        let noted: Noted = serde_json::from_str(entry).unwrap();
        assert!(noted.nets.is_empty());
        assert_eq!(noted.text(), entry);
    }
}

#[test]
fn one_net_stands_where_it_always_stood_and_several_beside_it() {
    let [elbe, weser] = ["elbe-4", "weser"].map(|net| net.parse::<NetId>().unwrap());
    let noted = |nets: &[NetId]| {
        let noted = Noted::new(Actor::console(), Action::ExporterStarted, nets, "lake");
        let entry = noted.text();
        let row = TrailRow {
            number: 1,
            entry,
            hash: vec![0; 32],
        };
        TrailEntryView::of(&row).unwrap()
    };
    let (none, one, two) = (noted(&[]), noted(&[elbe]), noted(&[elbe, weser]));
    assert_eq!((one.net.as_deref(), one.nets.len()), (Some("elbe-4"), 0));
    assert_eq!((two.net, two.nets.len()), (None, 2));
    let two = noted(&[elbe, weser]);
    let of = |net| TrailFilter {
        net: Some(net),
        ..TrailFilter::default()
    };
    assert!(of(elbe).fits(&one) && !of(weser).fits(&one));
    assert!(of(elbe).fits(&two) && of(weser).fits(&two));
    // It is of all nets.
    assert!(of(weser).fits(&none));
}
