//! Pages over stores that are already full, as a browser gets them.

use axum::Extension;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::Service as _;

use super::*;
use crate::service::overview::evidence_folder;
use crate::service::overview::world::{INTERVAL, Location, World, berlin, days, on_both, outcome};
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::evidence::{Evidence, EvidenceFile};
use dcnet_protocol::provider::RoundStatus;
use dcnet_protocol::roster::{MemberBits, Roster};

const DAY: &str = "/nets/elbe-1?from=2024-10-27&to=2024-10-28";

struct Pages {
    router: Router,
    _world: World,
}

impl Pages {
    async fn new(
        world: World,
        seeds: impl FnOnce(&World) -> Vec<crate::service::bench::Seed>,
    ) -> Self {
        let overview = world.overview(&seeds(&world), berlin()).await;
        Self {
            router: router(Dashboard::new(overview)),
            _world: world,
        }
    }

    async fn ask(&self, scope: Option<Scope>, request: Request<Body>) -> (StatusCode, String) {
        let mut router = match scope {
            Some(scope) => self.router.clone().layer(Extension(Arc::new(scope))),
            None => self.router.clone(),
        };
        let response = router.call(request).await.unwrap();
        let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask(Some(Scope::All), get(path)).await
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

on_both!(
    only_nets_of_the_scope_are_shown_and_without_one_nothing,
    "pages_scope"
);
async fn only_nets_of_the_scope_are_shown_and_without_one_nothing(store: Location) {
    let seeds = |world: &World| {
        ["elbe-1", "elbe-2"]
            .map(|net| world.net(net, "Elbe", 5, days()))
            .into()
    };
    let pages = Pages::new(World::at(store), seeds).await;
    let only = || Some(Scope::Nets(["elbe-1".parse().unwrap()].into()));
    for path in [
        "/",
        "/rounds",
        "/regions/Elbe?from=2024-10-27&to=2024-10-28",
        DAY,
    ] {
        let (status, all) = pages.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {all}");
        let (status, some) = pages.ask(only(), get(path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(
            some.contains("elbe-1") && !some.contains("elbe-2"),
            "{path}"
        );
        assert!(path == DAY || all.contains("elbe-2"), "{path}");
        let (status, none) = pages.ask(None, get(path)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(!none.contains("elbe"), "{none}");
    }
    let (_, region) = pages
        .ask(only(), get("/regions/Elbe?from=2024-10-27&to=2024-10-28"))
        .await;
    assert!(region.contains("<strong>1 net</strong>"), "{region}");
    // What may not be seen is answered like what is not there.
    let foreign = pages.ask(only(), get("/nets/elbe-2")).await;
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);
    assert_eq!(foreign, pages.ask(only(), get("/nets/elbe-3")).await);
}

on_both!(a_day_of_25_hours_is_a_page, "pages_day");
async fn a_day_of_25_hours_is_a_page(store: Location) {
    let pages = Pages::new(World::at(store), |world| {
        vec![world.net("elbe-1", "<b>Elbe</b>", 5, days())]
    })
    .await;
    let (status, html) = pages.get(DAY).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    for told in [
        "1-0:1.8.0*255 of elbe-1, Sun 2024-10-27",
        "97 values between",
        // Both hours from two o'clock on.
        "Sun 2024-10-27 02:00 CEST: ",
        "Sun 2024-10-27 02:00 CET: gap: no sum, ✕ 1 failed; the day before ",
        "&lt;b&gt;Elbe&lt;/b&gt;",
        "/regions/%3Cb%3EElbe%3C%2Fb%3E",
        "97 values",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert!(!html.contains("style=") && !html.contains("<b>Elbe"));
    // A gap is never a 0.
    assert!(!html.contains("no sum, 0") && !html.contains(">0.000"));
}

#[tokio::test]
async fn nothing_is_changed_and_questions_without_an_answer_say_why() {
    let pages = Pages::new(World::new(), |world| {
        vec![world.net("elbe-1", "Elbe", 5, days())]
    })
    .await;
    for method in ["POST", "PUT", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(Body::empty());
        let (status, _) = pages.ask(Some(Scope::All), request.unwrap()).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let foreign = Request::get("/").header("sec-fetch-site", "cross-site");
    let (status, _) = pages
        .ask(Some(Scope::All), foreign.body(Body::empty()).unwrap())
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for (path, expected, told) in [
        (
            "/nets/elbe-1?from=never",
            400,
            "&quot;never&quot; is no time",
        ),
        (
            "/nets/elbe-1?from=2024-10-01&to=2024-10-28",
            400,
            "a week at most",
        ),
        ("/nets/elbe-1?slot=1", 400, "has 1 slots"),
        ("/nets/elbe-1?zoom=1", 400, "unknown field"),
        ("/?state=bad", 400, "none of late, failed"),
        ("/nets/elbe-9", 404, "no such page"),
        ("/nets/no%20net", 404, "no such page"),
        ("/regions/Rhein", 404, "no such page"),
        ("/nets", 404, "no such page"),
    ] {
        let (status, html) = pages.get(path).await;
        assert_eq!(status.as_u16(), expected, "{path}");
        assert!(html.contains(told), "{path}: {html}");
    }
    for path in ["/dashboard.css", "/dashboard.js", "/icon.svg"] {
        assert_eq!(pages.get(path).await.0, StatusCode::OK);
    }
}

on_both!(many_nets_come_worst_first_a_page_at_a_time, "pages_many");
/// `DCNET_OVERVIEW_NETS=1000` measures with as many.
async fn many_nets_come_worst_first_a_page_at_a_time(store: Location) {
    let count = std::env::var("DCNET_OVERVIEW_NETS").map_or(120, |text| text.parse().unwrap());
    let now = crate::service::now().secs() / INTERVAL;
    let seeds = |world: &World| -> Vec<_> {
        (0..count)
            .map(|number| {
                let last = if number == 77 {
                    RoundStatus::TooFewPresent
                } else {
                    RoundStatus::Complete
                };
                let mut outcomes: Vec<_> = (1..97)
                    .rev()
                    .map(|ago| outcome(now - ago, RoundStatus::Complete, 1))
                    .collect();
                outcomes.pop();
                outcomes.push(outcome(now - 1, last, 1));
                let region = format!("region {}", number % 7);
                world.net(&format!("net-{number:04}"), &region, 5, outcomes)
            })
            .collect()
    };
    let pages = Pages::new(World::at(store), seeds).await;
    let begun = std::time::Instant::now();
    let (_, first) = pages.get("/").await;
    println!("{count} nets: {:?}, {} bytes", begun.elapsed(), first.len());
    let names = |html: &str| -> Vec<String> {
        let parts = html.split("<h2><a href=\"/nets/").skip(1);
        parts
            .map(|part| part.split('"').next().unwrap().to_owned())
            .collect()
    };
    let shown = names(&first);
    assert_eq!(
        (shown.len(), shown[0].as_str(), shown[1].as_str()),
        (50, "net-0077", "net-0000")
    );
    assert!(first.contains(&format!("page 1 of {}", usize::div_ceil(count, 50))));
    let (_, second) = pages.get("/?page=1").await;
    assert_eq!(names(&second)[0], "net-0049");
    let (_, found) = pages.get("/?sort=name&find=REGION+3").await;
    let found = names(&found);
    assert_eq!(found[..2], ["net-0003", "net-0010"]);
    let (_, failed) = pages.get("/?state=failed").await;
    assert_eq!(names(&failed), ["net-0077"]);
    let (_, beyond) = pages.get("/?page=999999").await;
    assert!(!names(&beyond).is_empty());
    let (_, rounds) = pages.get("/rounds").await;
    assert_eq!(rounds.matches("<th scope=\"row\">").count(), 100);
}

#[tokio::test]
async fn evidence_is_verified_and_counted_for_the_very_net() {
    let world = World::new();
    let net = world.net("elbe-1", "Elbe", 6, days());
    let namesake = {
        let mut parameters = net.descriptor.parameters().clone();
        parameters.min_size = 5;
        NetDescriptor::new(parameters).unwrap()
    };
    let folder = world.path().join("evidence");
    std::fs::create_dir(&folder).unwrap();
    let keep = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let two_rosters = |descriptor: &NetDescriptor, others: [usize; 2]| {
        let [one, other] = others.map(|missing| {
            let mut present = MemberBits::none(6);
            for index in (0..6).filter(|index| *index != missing) {
                present.insert(index);
            }
            let head = net.epoch.head();
            let round = net.epoch.first_round;
            let roster = Roster::new(descriptor, &head, round, (1, false), present, 5);
            world.sign(roster.unwrap())
        });
        let evidence = Evidence::Rosters(Box::new((one, other)));
        EvidenceFile::new(descriptor.clone(), evidence).to_bytes()
    };
    keep("lie.bin", &two_rosters(&net.descriptor, [1, 2]));
    keep("truth.bin", &two_rosters(&net.descriptor, [1, 1]));
    keep("namesake.bin", &two_rosters(&namesake, [1, 2]));
    keep("broken.bin", b"no evidence");
    keep("letter.txt", b"not looked at");
    let evidence = evidence_folder(&folder).unwrap();
    let extras = Extras::load("UTC", None, Some(evidence)).unwrap();
    let overview = world.overview(&[net], extras).await;
    let pages = Pages {
        router: router(Dashboard::new(overview)),
        _world: world,
    };
    let (_, html) = pages.get("/evidence").await;
    for told in [
        "1 file proves something",
        "two rosters of round",
        "proves nothing",
        "Of nets that are not here",
        "namesake.bin",
        "broken.bin",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert!(!html.contains("letter.txt"));
    for path in ["/", "/nets/elbe-1?from=2024-10-27"] {
        let (_, html) = pages.get(path).await;
        assert!(html.contains("1 file<"), "{path}: {html}");
    }
    // Of files that belong to no net of the scope nothing is told.
    let only = Some(Scope::Nets(["elbe-2".parse().unwrap()].into()));
    let (_, html) = pages.ask(only, get("/evidence")).await;
    assert!(
        !html.contains(".bin") && html.contains("0 files prove"),
        "{html}"
    );
}
