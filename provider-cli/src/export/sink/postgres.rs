//! A table in PostgreSQL; the cursor stands beside it and moves in the same transaction.

use std::str::FromStr as _;

use dcnet_protocol::names::NetId;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::super::secret::Secret;
use super::super::{ExportError, Value};
use super::SinkError;
use super::tls::is_this_machine;

/// Longest name that PostgreSQL keeps.
const MAX_NAME: usize = 63;

/// A database: over a socket of this machine, or with TLS if the address ends in `?sslmode=verify-full`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostgresConfig {
    url: String,
    pub(crate) password: Option<Secret>,
    #[serde(default = "table")]
    table: String,
}

impl PostgresConfig {
    /// Server, database and table.
    pub(crate) fn place(&self) -> String {
        let table = &self.table;
        // An address that is none was refused before.
        self.options().map_or_else(
            |_| String::new(),
            |options| {
                let server = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let database = options.get_database().unwrap_or_default();
                format!("{server}/{database}, table {table}")
            },
        )
    }

    /// How to connect. The password is not in it.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, SinkError> {
        let wrong = |what: String| SinkError::Url(what);
        let url = reqwest::Url::parse(&self.url).map_err(|error| wrong(error.to_string()))?;
        let in_query = url.query_pairs().any(|(name, _)| name == "password");
        if url.password().is_some() || in_query {
            return Err(wrong(
                "leave the password out; `password` takes it".to_owned(),
            ));
        }
        let is_name = |name: &str| {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let begins = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            name.len() <= MAX_NAME
                && name.bytes().all(plain)
                && name.bytes().next().is_some_and(begins)
        };
        let parts: Vec<&str> = self.table.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(SinkError::Table);
        }
        let options =
            PgConnectOptions::from_str(&self.url).map_err(|error| wrong(error.to_string()))?;
        let is_here = options.get_socket().is_some() || is_this_machine(options.get_host());
        let is_verified = matches!(
            options.get_ssl_mode(),
            PgSslMode::VerifyFull | PgSslMode::VerifyCa
        );
        if self.password.is_some() && !is_here && !is_verified {
            return Err(wrong(
                "a secret is sent to a server that is verified only (?sslmode=verify-full), or to this machine"
                    .to_owned(),
            ));
        }
        Ok(options
            .application_name("dcnet-export")
            .disable_statement_logging())
    }
}

pub(super) struct PostgresSink {
    config: PostgresConfig,
    options: PgConnectOptions,
    exporter: String,
    connection: Option<PgConnection>,
}

impl PostgresSink {
    pub(super) fn new(config: PostgresConfig, exporter: &str) -> Result<Self, SinkError> {
        Ok(Self {
            options: config.options()?,
            config,
            exporter: exporter.to_owned(),
            connection: None,
        })
    }

    /// The newest round of a net that is in the table.
    pub(super) async fn reached(&mut self, net: NetId) -> Result<Option<u64>, ExportError> {
        let mut connection = self.connection().await?;
        let exporter = self.exporter.as_str();
        let row =
            sqlx::query("SELECT round FROM dcnet_export_cursors WHERE exporter = $1 AND net = $2")
                .bind(exporter)
                .bind(net.as_str())
                .fetch_optional(&mut connection)
                .await?;
        let round = row.map(|row| row.try_get::<i64, _>(0)).transpose()?;
        self.connection = Some(connection);
        Ok(round.and_then(|round| u64::try_from(round).ok()))
    }

    /// Writes values and the cursor in one transaction.
    pub(super) async fn deliver(
        &mut self,
        net: NetId,
        last: u64,
        values: &[Value],
    ) -> Result<(), ExportError> {
        // One that failed half-way is not used again: it is dropped on the way out.
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        self.upsert(values).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO dcnet_export_cursors (exporter, net, round) VALUES ($1, $2, $3) \
             ON CONFLICT (exporter, net) DO UPDATE SET round = excluded.round",
        )
        .bind(self.exporter.as_str())
        .bind(net.as_str())
        .bind(whole(last))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.connection = Some(connection);
        Ok(())
    }

    fn upsert(
        &self,
        values: &[Value],
    ) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
        // The name of the table was checked when the configuration was read.
        let statement = format!(
            "INSERT INTO {} (net, region, obis, unit, scale, round, start, \"end\", value, \
             contributors, members, quality, reason) \
             SELECT net, region, obis, unit, scale, round, to_timestamp(start), to_timestamp(\"end\"), \
             value::numeric, contributors, members, quality, reason \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], \
             $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], \
             $13::text[]) AS given (net, region, obis, unit, scale, round, start, \"end\", value, \
             contributors, members, quality, reason) \
             ON CONFLICT (net, obis, start) DO UPDATE SET region = excluded.region, \
             unit = excluded.unit, scale = excluded.scale, round = excluded.round, \
             \"end\" = excluded.\"end\", value = excluded.value, \
             contributors = excluded.contributors, members = excluded.members, \
             quality = excluded.quality, reason = excluded.reason",
            self.config.table
        );
        let text = |of: fn(&Value) -> &str| -> Vec<String> {
            values.iter().map(|value| of(value).to_owned()).collect()
        };
        let number = |of: fn(&Value) -> i64| -> Vec<i64> { values.iter().map(of).collect() };
        sqlx::query(AssertSqlSafe(statement))
            .bind(text(|v| &v.net))
            .bind(text(|v| &v.region))
            .bind(text(|v| &v.obis))
            .bind(text(|v| &v.unit))
            .bind(
                values
                    .iter()
                    .map(|value| i16::from(value.scale))
                    .collect::<Vec<_>>(),
            )
            .bind(number(|v| whole(v.round)))
            .bind(number(|v| v.start.as_second()))
            .bind(number(|v| v.end.as_second()))
            .bind(values.iter().map(Value::decimal).collect::<Vec<_>>())
            .bind(number(|v| v.contributors.into()))
            .bind(number(|v| v.members.into()))
            .bind(text(|v| v.quality.as_str()))
            .bind(
                values
                    .iter()
                    .map(|value| value.reason.map(str::to_owned))
                    .collect::<Vec<_>>(),
            )
    }

    /// The connection, or a new one with the tables in place.
    async fn connection(&mut self) -> Result<PgConnection, ExportError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut options = self.options.clone();
        if let Some(secret) = &self.config.password {
            let read = secret.read();
            let password = read.map_err(|error| sqlx::Error::Configuration(error.into()))?;
            options = options.password(&password);
        }
        let mut connection = options.connect().await?;
        let values = format!(
            "CREATE TABLE IF NOT EXISTS {} (net text NOT NULL, region text NOT NULL, \
             obis text NOT NULL, unit text NOT NULL, scale smallint NOT NULL, round bigint NOT NULL, \
             start timestamptz NOT NULL, \"end\" timestamptz NOT NULL, value numeric, \
             contributors bigint NOT NULL, members bigint NOT NULL, quality text NOT NULL, \
             reason text, PRIMARY KEY (net, obis, start))",
            self.config.table
        );
        let cursors = "CREATE TABLE IF NOT EXISTS dcnet_export_cursors (exporter text NOT NULL, \
                       net text NOT NULL, round bigint NOT NULL, PRIMARY KEY (exporter, net))";
        // Said every time that they are there already, which is not worth a line in the log.
        for statement in ["SET client_min_messages = warning", &values, cursors] {
            sqlx::query(AssertSqlSafe(statement.to_owned()))
                .execute(&mut connection)
                .await?;
        }
        Ok(connection)
    }
}

fn whole(round: u64) -> i64 {
    i64::try_from(round).unwrap_or(i64::MAX)
}

fn table() -> String {
    "dcnet_values".to_owned()
}
