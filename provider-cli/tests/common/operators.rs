//! Operators: their authority, their certificates, what they ask.

use std::path::Path;

use dcnet_protocol::names::NetId;
use dcnet_provider::operator::{Operator, Role};
use dcnet_provider::pki::{Authority, AuthorityKind, OperatorFiles};
use reqwest::Client;

use super::{Answer, Lab, Server};

pub fn operators(lab: &Lab) -> Authority {
    Authority::create_for(&lab.path("op-ca"), AuthorityKind::Operators).unwrap()
}

pub fn certify(
    lab: &Lab,
    authority: &Authority,
    name: &str,
    role: Role,
    nets: &[&str],
) -> OperatorFiles {
    let nets: Vec<NetId> = nets.iter().map(|net| net.parse().unwrap()).collect();
    let operator = Operator::new(name.parse().unwrap(), role, nets).unwrap();
    let out = lab.path("operators").join(name);
    authority.issue_operator(&operator, &out, 30).unwrap()
}

pub fn serve(lab: &Lab, operators: &Path, more: &[&str]) -> Server {
    let mut args = vec!["--operator-ca", operators.to_str().unwrap()];
    args.extend(more);
    lab.serve_with(&lab.authority.certificate_path(), &args)
}

pub fn http(lab: &Lab, files: &OperatorFiles) -> Client {
    lab.http(Some((&files.tls_certificate, &files.tls_key)))
}

pub async fn get(client: &Client, server: &Server, path: &str) -> Answer {
    let response = client.get(format!("{}{path}", server.url)).send().await;
    Answer::of(response.unwrap()).await
}
