//! The consumer's log, and single messages.

use axum::http::{StatusCode, header};

use super::house::{Fixture, NOW};
use super::{get, page};
use crate::ledger::{Change, Dispatch};

#[tokio::test]
async fn messages_are_listed_in_pages_with_what_became_of_them() {
    let fixture = Fixture::new();
    let first = page(&fixture, "/sent").await;
    assert!(first.contains("href=\"/sent/62\"") && first.contains("href=\"/sent/13\""));
    assert!(!first.contains("href=\"/sent/12\""), "fifty on a page");
    assert!(first.contains("href=\"/sent?before=13\""));
    for told in [
        "acknowledged",
        "refused",
        "no answer",
        "not yet",
        "superposition of round",
    ] {
        assert!(first.contains(told), "{told}");
    }
    let second = page(&fixture, "/sent?before=13").await;
    for told in [
        "href=\"/sent/1\"",
        "registration",
        "message to neighbour gateway-2",
        "Newest",
    ] {
        assert!(second.contains(told), "{told}");
    }
    assert!(!second.contains("href=\"/sent/13\"") && !second.contains("Older"));
    let odd = page(&fixture, "/sent?before=x").await;
    assert!(odd.contains("href=\"/sent/62\""), "no number is no number");
}

#[tokio::test]
async fn a_message_is_shown_beside_what_it_hid_and_can_be_hashed_elsewhere() {
    let fixture = Fixture::new();
    let dispatch = fixture.ledger.view().dispatch(62).unwrap().unwrap();
    let text = page(&fixture, "/sent/62").await;
    let words = super::super::parts::words(&dispatch.bytes).unwrap();
    for word in words {
        assert!(text.contains(&format!("{word:016x}")));
    }
    let hash = dcnet_protocol::message::frame_hash(&dispatch.bytes);
    assert!(text.contains(&crate::hex::hex(&hash)));
    assert!(text.contains("1248") && text.contains("432\u{a0}W"));
    // What the dump shows are the bytes, all of them, in order.
    let shown: String = text
        .split("<code class=\"bytes\">")
        .skip(1)
        .filter_map(|rest| rest.split('<').next())
        .flat_map(|pairs| pairs.chars().filter(|c| *c != ' ').collect::<Vec<_>>())
        .collect();
    assert_eq!(shown, crate::hex::hex(&dispatch.bytes));
    let file = get(&fixture, "/sent/62.bin").await;
    assert_eq!(
        file.header(header::CONTENT_TYPE),
        "application/octet-stream"
    );
    assert_eq!(file.body, dispatch.bytes);
    assert!(
        page(&fixture, "/sent/2")
            .await
            .contains("sealed for the neighbour alone")
    );
    for nowhere in [
        "/sent/63",
        "/sent/0",
        "/sent/+1",
        "/sent/01",
        "/sent/x.bin",
        "/sent/63.bin",
    ] {
        assert_eq!(
            get(&fixture, nowhere).await.status,
            StatusCode::NOT_FOUND,
            "{nowhere}"
        );
    }
}

#[tokio::test]
async fn a_message_without_a_reading_says_so() {
    let fixture = Fixture::new();
    let mut dispatches = fixture.ledger.view().dispatches(None, 60).unwrap();
    dispatches.retain(|(_, dispatch)| {
        let hidden = dispatch.hidden.as_ref();
        hidden.is_some_and(|hidden| hidden.values.is_none())
    });
    let text = page(&fixture, &format!("/sent/{}", dispatches[0].0)).await;
    assert!(text.contains("no reading") && text.contains("is there and has no reading"));
}

#[tokio::test]
async fn a_message_that_left_just_now_is_there_at_once() {
    let fixture = Fixture::new();
    let newest = fixture.ledger.view().dispatch(62).unwrap().unwrap();
    let newest = Dispatch {
        time: NOW,
        bytes: b"new".to_vec(),
        hidden: None,
        ..newest
    };
    fixture.ledger.commit(&[Change::Dispatch(&newest)]).unwrap();
    assert!(page(&fixture, "/sent").await.contains("href=\"/sent/63\""));
}
