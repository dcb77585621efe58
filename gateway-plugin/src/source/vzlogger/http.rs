//! vzlogger's local HTTP interface is asked.

use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::meter::HttpAddress;
use tokio::time::{Instant, sleep_until};

use super::super::SourceState;
use super::super::feed::Gone;
use super::super::gather::TOGETHER;
use super::intake::Intake;
use super::samples;

/// Time for an answer. vzlogger holds it back for up to `local.timeout`, 30 s, while a channel has
/// no new value.
const PATIENCE: Duration = Duration::from_secs(40);
/// Largest answer taken, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

pub(super) async fn run(address: &HttpAddress, every: u64, mut intake: Intake) -> Result<(), Gone> {
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            let what = format!("the HTTP client cannot be set up: {error}");
            intake.feed.state(SourceState::Broken { what }).await?;
            intake.feed.gone().await;
            return Err(Gone);
        }
    };
    let mut heard = Instant::now();
    loop {
        let begun = Instant::now();
        let before = intake.feed.counters().telegrams();
        let fault = ask(&client, address, &mut intake).await?;
        intake.flush().await?;
        if intake.feed.counters().telegrams() > before {
            heard = Instant::now();
        } else if let Some(what) = fault {
            intake.feed.state(SourceState::Broken { what }).await?;
        } else if heard.elapsed() > intake.silence {
            intake.silent().await?;
        }
        let next = begun + Duration::from_secs(every).max(Duration::from_millis(TOGETHER));
        tokio::select! {
            () = sleep_until(next) => {}
            () = intake.feed.gone() => return Err(Gone),
        }
    }
}

/// All channels, or one after the other if `index` is off. What is wrong, if something is.
async fn ask(
    client: &reqwest::Client,
    address: &HttpAddress,
    intake: &mut Intake,
) -> Result<Option<String>, Gone> {
    let fault = match fetch(client, &format!("{address}/")).await {
        Ok(text) => return take(&text, intake).await,
        Err(fault) => fault,
    };
    let uuids: Vec<_> = intake.channels().map(str::to_owned).collect();
    let mut worst = uuids.is_empty().then(|| {
        format!(
            "{fault}; switch on `index` below `local` in vzlogger.conf, or name the UUIDs below \
             vzlogger.channels"
        )
    });
    for uuid in uuids {
        worst = match fetch(client, &format!("{address}/{uuid}")).await {
            Ok(text) => take(&text, intake).await?,
            Err(fault) => Some(fault),
        }
        .or(worst);
    }
    Ok(worst)
}

async fn take(text: &str, intake: &mut Intake) -> Result<Option<String>, Gone> {
    match samples::document(text) {
        Ok(samples) => intake.take(samples).await.map(|()| None),
        Err(error) => {
            intake.refused(&error);
            Ok(Some(format!("vzlogger's answer is of no use: {error}")))
        }
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<String, String> {
    let refused = |error: &dyn std::fmt::Display| format!("vzlogger at {url}: {error}");
    let mut response = client
        .get(url)
        .send()
        .await
        .map_err(|error| refused(&innermost(&error)))?;
    if !response.status().is_success() {
        return Err(refused(&response.status()));
    }
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| refused(&innermost(&error)))?
    {
        if body.len() + piece.len() > MAX_BODY {
            return Err(refused(&"the answer is too large"));
        }
        body.extend_from_slice(&piece);
    }
    String::from_utf8(body).map_err(|_| refused(&"the answer is no text"))
}

/// The HTTP library wraps what happened several times.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn client() -> Result<reqwest::Client, String> {
    // Plain HTTP only, but the library wants to know how TLS would be done.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| error.to_string())
}
