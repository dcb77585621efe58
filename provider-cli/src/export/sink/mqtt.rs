//! Values as messages: `TOPIC/NET/OBIS`, a JSON object each, at least once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::v5::ConnectReturnCode;
use rumqttc::{
    AsyncClient, ConnectionError, EventLoop, MqttOptions, PublishOptions, TlsConfiguration,
    Transport,
};
use serde::Deserialize;

use super::super::secret::Secret;
use super::super::{ExportError, Value};
use super::{NO_USER, SinkError, tls};

/// Seconds between two signs of life of an idle connection.
const KEEP_ALIVE: u16 = 30;
/// Time for a page of values to be acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);
/// Messages that may wait for the broker.
const WAITING: usize = 128;

/// A broker: over TLS if there are roots for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttConfig {
    pub(crate) host: String,
    port: Option<u16>,
    /// What topics begin with.
    #[serde(default = "topic")]
    pub(crate) topic: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Root certificates, PEM: with them the broker is spoken to over TLS.
    pub(crate) ca: Option<PathBuf>,
}

pub(super) struct MqttSink {
    config: MqttConfig,
    transport: Transport,
    client_id: String,
}

impl MqttConfig {
    /// As brokers listen, if nothing is said.
    pub(crate) fn port(&self) -> u16 {
        let usual = if self.ca.is_some() { 8883 } else { 1883 };
        self.port.unwrap_or(usual)
    }

    /// How the broker is spoken to.
    pub(crate) fn transport(&self) -> Result<Transport, SinkError> {
        if self.password.is_some() && self.user.is_none() {
            return Err(SinkError::Keys(NO_USER));
        }
        if let Some(roots) = &self.ca {
            let config = Arc::new(tls::under(Some(roots))?);
            let config = TlsConfiguration::Rustls(config);
            return Ok(Transport::tls_with_config(config));
        }
        if self.password.is_some() && !tls::is_this_machine(&self.host) {
            return Err(SinkError::Keys(
                "a secret is sent over TLS only (`ca`, the file of the roots that are trusted), or to this machine",
            ));
        }
        Ok(Transport::tcp())
    }
}

impl MqttSink {
    pub(super) fn new(config: MqttConfig, exporter: &str) -> Result<Self, SinkError> {
        Ok(Self {
            transport: config.transport()?,
            config,
            client_id: format!("dcnet-export-{exporter}-{}", std::process::id()),
        })
    }

    /// Publishes values over a connection of its own; returns when the broker has acknowledged all.
    /// Rounds are minutes apart: to connect again costs less than to keep a connection alive.
    pub(super) async fn publish(&self, values: &[Value]) -> Result<(), ExportError> {
        let (client, mut connection) = AsyncClient::builder(self.options()?)
            .capacity(WAITING)
            .build();
        let exchange = async {
            tokio::select! {
                sent = self.send(&client, values) => sent,
                end = ended(&mut connection) => Err(self.told(&end)),
            }
        };
        let sent = tokio::time::timeout(PATIENCE, exchange).await;
        let sent = sent.unwrap_or_else(|_| Err("it does not acknowledge".to_owned()));
        sent.map_err(|reason| self.failed(reason))?;
        // Said goodbye as far as possible; all that matters is acknowledged.
        if client.disconnect().await.is_ok() {
            let goodbye = ended(&mut connection);
            let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        }
        Ok(())
    }

    async fn send(&self, client: &AsyncClient, values: &[Value]) -> Result<(), String> {
        let mut notices = Vec::new();
        for value in values {
            let topic = format!("{}/{}/{}", self.config.topic, value.net, value.obis);
            let payload = serde_json::to_vec(&value.line()).map_err(|error| error.to_string())?;
            let published = client
                .publish_tracked(topic, payload, PublishOptions::at_least_once())
                .await;
            notices.push(published.map_err(|error| error.to_string())?);
        }
        for notice in notices {
            let acknowledged = notice.wait_completion_async().await;
            acknowledged.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn options(&self) -> Result<MqttOptions, ExportError> {
        let address = (self.config.host.clone(), self.config.port());
        let mut options = MqttOptions::new(self.client_id.clone(), address);
        options
            .set_transport(self.transport.clone())
            .set_keep_alive(KEEP_ALIVE)
            .set_connect_timeout(Duration::from_secs(10));
        if let Some(user) = &self.config.user {
            let password = match &self.config.password {
                None => Vec::new(),
                Some(secret) => {
                    let read = secret.read();
                    let password = read.map_err(|error| self.failed(error.to_string()))?;
                    password.as_bytes().to_vec()
                }
            };
            options.set_credentials(user.clone(), password);
        }
        Ok(options)
    }

    /// Why a connection ended, in words.
    fn told(&self, end: &ConnectionError) -> String {
        match end {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword,
            ) => match &self.config.user {
                Some(user) => format!("it does not accept user {user} with this password"),
                None => "it asks for `user` and `password`".to_owned(),
            },
            other => other.to_string(),
        }
    }

    fn failed(&self, reason: String) -> ExportError {
        ExportError::Mqtt {
            broker: format!("{}:{}", self.config.host, self.config.port()),
            reason,
        }
    }
}

/// Drives a connection to its end; says what ended it.
async fn ended(connection: &mut EventLoop) -> ConnectionError {
    loop {
        if let Err(error) = connection.poll().await {
            return error;
        }
    }
}

fn topic() -> String {
    "dcnet".to_owned()
}
