//! Ids of requests in answers, problems and logs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use common::{Lab, Net, Server, on_both};

on_both!(a_request_has_one_id_in_answer_problem_and_log, beside others);
async fn a_request_has_one_id_in_answer_problem_and_log(lab: Lab) {
    lab.create_net("elbe-4");
    for (form, of_line) in [
        ("text", "request{request_id=mine.1}"),
        ("json", "\"request_id\":\"mine.1\""),
    ] {
        let ca = lab.authority.certificate_path();
        let mut command = lab.serve_command(&ca, &["--log-format", form]);
        let server = Server::spawn(command.env("DCNET_LOG", "dcnet_provider=debug"));
        let gateway = lab.gateway(&format!("gw-{form}"));
        let net = Net::fetch(&server, &gateway, "elbe-4").await;
        let url = format!("{}/v1/nets/elbe-4/frames", server.url);
        let post = async |id: &str, frame: Vec<u8>| {
            let request = gateway.http.post(&url).header("x-request-id", id);
            let request = request
                .header("content-type", common::MEDIA_TYPE)
                .body(frame);
            request.send().await.unwrap()
        };
        let accepted = post("mine.1", gateway.register_frame(&net)).await;
        assert_eq!(accepted.status(), 200);
        assert_eq!(accepted.headers()["x-request-id"], "mine.1");

        let refused = post("not mine", b"x".to_vec()).await;
        assert_eq!(refused.status(), 400);
        let id = refused.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(id.len(), 16, "{id}");
        let length: usize = refused.headers()["content-length"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let body = refused.bytes().await.unwrap();
        assert_eq!(length, body.len());
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["request_id"], id);

        // Without a body, with the length that it would have.
        let head = gateway.http.head(format!("{}/nowhere", server.url));
        let head = head.send().await.unwrap();
        assert_eq!(head.status(), 404);
        assert!(head.headers().contains_key("x-request-id"));
        assert!(head.bytes().await.unwrap().is_empty());

        let (_, log) = server.end("-TERM");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(of_line)).collect();
        // That a member was registered, and the answer.
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[1].contains("/v1/nets/{net}/frames"), "{log}");
        let of_refusal = log.lines().find(|line| line.contains(&id)).unwrap();
        assert!(of_refusal.contains("malformed"), "{of_refusal}");
        let unsafe_id = log.lines().any(|line| line.contains("not mine"));
        assert!(!unsafe_id, "{log}");
    }
}
