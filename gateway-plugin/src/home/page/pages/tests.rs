//! The pages over a house in which something has happened.

mod house;
mod messages;
mod now;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use self::house::Fixture;

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn ask(fixture: &Fixture, request: Request<Body>) -> Answer {
    let router = super::router().with_state(fixture.house.clone());
    let response: Response<Body> = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

async fn get(fixture: &Fixture, path: &str) -> Answer {
    ask(fixture, Request::get(path).body(Body::empty()).unwrap()).await
}

/// A page that there is, in English.
async fn page(fixture: &Fixture, path: &str) -> String {
    let request = Request::get(path).header(header::ACCEPT_LANGUAGE, "en");
    let answer = ask(fixture, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    answer.text()
}

const PAGES: [&str; 14] = [
    "/",
    "/days",
    "/day/2026-11-26",
    "/day/2026-10-25",
    "/day/2026-03-29",
    "/sent",
    "/sent?before=20",
    "/sent/1",
    "/sent/2",
    "/sent/62",
    "/profiles",
    "/tariffs",
    "/logbooks/system",
    "/logbooks/calibration",
];

#[tokio::test]
async fn every_page_is_there_in_both_languages_and_keeps_to_the_policy() {
    let fixture = Fixture::new();
    for path in PAGES {
        for (tag, title) in [("en", "Skip to the content"), ("de", "Zum Inhalt springen")] {
            let request = Request::get(path).header(header::ACCEPT_LANGUAGE, tag);
            let answer = ask(&fixture, request.body(Body::empty()).unwrap()).await;
            let text = answer.text();
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
            assert!(text.contains(&format!("<html lang=\"{tag}\">")), "{path}");
            assert!(text.contains(title), "{path}");
            // style-src and script-src are 'self'.
            for inline in [" style=", "<style", "<script>", " onclick", "javascript:"] {
                assert!(!text.contains(inline), "{path} has {inline}");
            }
            assert_eq!(text.matches("<h1").count(), 1, "{path}");
            assert_eq!(text.matches("<script").count(), 1, "{path}");
            let mut ids: Vec<_> = text
                .split(" id=\"")
                .skip(1)
                .map(|rest| rest.split('"').next())
                .collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all, "{path} has an id twice");
        }
    }
}

#[tokio::test]
async fn what_others_wrote_is_escaped() {
    let fixture = Fixture::new();
    let first = page(&fixture, "/").await;
    assert!(first.contains("&lt;b&gt;roof&lt;/b&gt;") && !first.contains("<b>roof"));
    assert!(first.contains("&lt;i&gt;1ABC") && !first.contains("<i>1ABC"));
    let log = page(&fixture, "/logbooks/system").await;
    assert!(log.contains("&lt;script&gt;") && !log.contains("<script>"));
    let crooked = get(
        &fixture,
        "/%22%3E%3Cscript%3E?before=%22%3E%3Cscript%3E&%3Cb%3E=1",
    )
    .await;
    assert_eq!(crooked.status, StatusCode::NOT_FOUND);
    assert!(!crooked.text().contains("<script>"));
}

#[tokio::test]
async fn the_language_is_chosen_then_kept_then_the_browsers_then_the_houses() {
    let fixture = Fixture::new();
    let tag = |answer: &Answer| {
        let text = answer.text();
        let (_, rest) = text.split_once("<html lang=\"").unwrap();
        rest[..2].to_owned()
    };
    let plain = get(&fixture, "/profiles").await;
    assert_eq!(tag(&plain), "de", "home.language");
    assert!(!plain.headers.contains_key(header::SET_COOKIE));
    let chosen = get(&fixture, "/profiles?lang=en").await;
    assert_eq!(tag(&chosen), "en");
    let cookie = chosen.header(header::SET_COOKIE);
    assert!(cookie.starts_with("dcnet-language=en;") && cookie.contains("SameSite=Strict"));
    let (pair, _) = cookie.split_once(';').unwrap();
    let with = |cookie: &str| {
        Request::get("/profiles")
            .header(header::COOKIE, format!("a=b; {cookie}"))
            .header(header::ACCEPT_LANGUAGE, "de")
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(tag(&ask(&fixture, with(pair)).await), "en", "kept");
    assert_eq!(tag(&ask(&fixture, with("dcnet-language=fr")).await), "de");
    let unknown = get(&fixture, "/profiles?lang=xx").await;
    assert_eq!(tag(&unknown), "de");
    let list = get(&fixture, "/sent?before=20&lang=en").await.text();
    assert!(
        list.contains("href=\"?before=20&amp;lang=de\""),
        "the switch stays on the page"
    );
}

#[tokio::test]
async fn what_the_meters_say_is_exact_and_in_the_households_words() {
    let fixture = Fixture::new();
    let text = get(&fixture, "/").await.text();
    let power = text.find("432,1\u{a0}W").unwrap();
    let register = text.find("17\u{202f}243,6756\u{a0}kWh").unwrap();
    assert!(power < register, "power first");
    assert!(text.contains("Einspeisung") && text.contains("vor 3 s"));
    let json = get(&fixture, "/now.json?lang=en").await;
    assert_eq!(json.header(header::CONTENT_TYPE), "application/json");
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert!(json["updated"].as_str().unwrap().starts_with("13:20:"));
    let texts = json["texts"].as_object().unwrap();
    let values: Vec<_> = texts.values().filter_map(|text| text.as_str()).collect();
    assert_eq!(json["old"], serde_json::json!(["meter-1"]));
    assert!(values.contains(&"13:00–13:15"), "the last round");
    assert!(
        values.contains(&"432.1\u{a0}W") && values.contains(&"1248"),
        "{values:?}"
    );
    for name in texts.keys() {
        assert!(
            text.contains(&format!("data-now=\"{name}\"")),
            "{name} has no place"
        );
    }
}

#[tokio::test]
async fn only_evidence_is_an_alert() {
    let fixture = Fixture::new();
    assert!(!page(&fixture, "/").await.contains("role=\"alert\""));
    fixture.status.send_modify(|status| {
        status.provider_fault = Some("no route to host".to_owned());
        status.meters[0].advice = Some("enter the PIN".to_owned());
        status.meters[1].sources[0].fault = true;
    });
    let text = page(&fixture, "/").await;
    assert!(!text.contains("role=\"alert\""));
    for told in [
        "No route to host",
        "Enter the PIN",
        "Nothing is read of the meter",
    ] {
        assert!(text.contains(told), "{told}");
    }
    fixture
        .status
        .send_modify(|status| status.evidence = vec!["/state/evidence-7.bin".into()]);
    let text = page(&fixture, "/").await;
    assert!(text.contains("role=\"alert\"") && text.contains("/state/evidence-7.bin"));
}

#[tokio::test]
async fn days_have_links_and_their_gaps_are_told() {
    let fixture = Fixture::new();
    let text = page(&fixture, "/days").await;
    assert!(text.contains("<a href=\"/day/2026-11-26\""));
    assert!(
        !text.contains("<a href=\"/day/2026-10-18\""),
        "nothing is kept of it"
    );
    assert!(text.contains("rounds without a reading") && text.contains("incomplete"));
    let day = page(&fixture, "/day/2026-11-26").await;
    assert!(day.contains("Thursday, 26 November 2026"));
    assert!(day.contains(": no reading</title>"), "a gap");
    let autumn = page(&fixture, "/day/2026-10-25").await;
    assert!(autumn.contains("it had 25 hours"));
    assert!(
        autumn.contains("02:00–02:15 (UTC+02:00)") && autumn.contains("02:00–02:15 (UTC+01:00)")
    );
    // In each of two charts, of which each is drawn in two sizes.
    assert_eq!(autumn.matches("<rect class=\"hit\"").count(), 400);
    let spring = page(&fixture, "/day/2026-03-29").await;
    assert_eq!(spring.matches("<rect class=\"hit\"").count(), 4 * 92);
    for nowhere in [
        "/day/2026-11-27",
        "/day/2026-13-01",
        "/day/x",
        "/day/9999-12-31",
    ] {
        assert_eq!(
            get(&fixture, nowhere).await.status,
            StatusCode::NOT_FOUND,
            "{nowhere}"
        );
    }
}

#[tokio::test]
async fn profiles_name_files_and_tariffs_add_up() {
    let fixture = Fixture::new();
    let text = page(&fixture, "/profiles").await;
    for told in [
        "/etc/dcnet-gateway/tls.key",
        "TAF-7",
        "9.9999\u{a0}kWh",
        "06:00 high",
        "15 min",
        "resending",
    ] {
        assert!(text.contains(told), "{told}");
    }
    let text = page(&fixture, "/tariffs").await;
    for told in [
        "day-night",
        "Running period",
        "Closed periods",
        "Error register",
        "midnights",
        "25 November 2026",
    ] {
        assert!(text.contains(told), "{told}");
    }
    std::fs::write(fixture.house.profile.state.join("tariffs.bin"), b"x").unwrap();
    let damaged = get(&fixture, "/tariffs").await;
    assert_eq!(damaged.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(damaged.text().contains("start the daemon"));
}

#[tokio::test]
async fn logbooks_have_pages_of_a_hundred_lines() {
    let fixture = Fixture::new();
    let first = page(&fixture, "/logbooks/system").await;
    assert!(
        first.contains("line 229:") && first.contains("line 130:") && !first.contains("line 129:")
    );
    assert!(first.contains("href=\"/logbooks/system?before=131\""));
    let last = page(&fixture, "/logbooks/system?before=31").await;
    assert!(last.contains("line 29:") && last.contains("line 0:") && !last.contains("Older"));
    let calibration = page(&fixture, "/logbooks/calibration").await;
    assert_eq!(calibration.matches("frame.acknowledged").count(), 3);
    assert_eq!(
        get(&fixture, "/logbooks/x").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn files_are_kept_by_their_version_only() {
    let fixture = Fixture::new();
    let text = page(&fixture, "/").await;
    for (name, kind) in [
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let (_, rest) = text.split_once(name).unwrap();
        let (query, _) = rest.split_once('"').unwrap();
        let answer = get(&fixture, &format!("{name}{query}")).await;
        assert!(
            answer.header(header::CACHE_CONTROL).contains("immutable"),
            "{name}"
        );
        assert!(answer.header(header::CONTENT_TYPE).starts_with(kind));
        let other = get(&fixture, &format!("{name}?v=0")).await;
        assert_eq!(other.header(header::CACHE_CONTROL), "no-cache");
    }
}

#[tokio::test]
async fn nothing_but_reading_is_possible_and_there_is_a_page_for_nowhere() {
    let fixture = Fixture::new();
    let post = Request::post("/sent/62").body(Body::empty()).unwrap();
    assert_eq!(
        ask(&fixture, post).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let nowhere = get(&fixture, "/nowhere").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.text().contains("Diese Seite gibt es nicht"));
    assert!(nowhere.text().contains("<nav"));
}

#[tokio::test]
async fn without_a_ledger_the_pages_say_that_there_is_nothing_yet() {
    let Fixture {
        house,
        ledger,
        status: _status,
        ..
    } = Fixture::new();
    drop(ledger);
    for (path, told) in [
        ("/", "has not been in contact with its net yet"),
        ("/days", "has not been in contact with its net yet"),
        ("/sent", "Nothing was sent yet"),
        ("/logbooks/system", "There is no line"),
    ] {
        let router = super::router().with_state(house.clone());
        let request = Request::get(format!("{path}?lang=en"))
            .body(Body::empty())
            .unwrap();
        let body = router.oneshot(request).await.unwrap().into_body();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(told), "{path}");
    }
}
