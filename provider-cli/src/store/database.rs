//! SQLite and PostgreSQL behind one face: the same statements, the same columns.
//!
//! Statements have `$n` placeholders and only BIGINT, TEXT, BYTEA and BOOL columns, which both know.
//! What differs between the two is in this file, in `insert`, `erase` and `open`.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, Transaction};

use super::StoreError;

/// A value of a column, borrowed.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Bytes(&'a [u8]),
    Bool(bool),
    /// Bytes, or none.
    Maybe(Option<&'a [u8]>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// Connections for reading.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A connection of its own.
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A row that was read.
pub(super) enum AnyRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub(super) trait Column: Sized {
    fn of(row: &AnyRow, name: &str) -> Result<Self, sqlx::Error>;
}

impl<T> Column for T
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    fn of(row: &AnyRow, name: &str) -> Result<Self, sqlx::Error> {
        match row {
            AnyRow::Sqlite(row) => row.try_get(name),
            AnyRow::Postgres(row) => row.try_get(name),
        }
    }
}

impl AnyRow {
    pub(super) fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        T::of(self, column).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// A number that is never negative.
    pub(super) fn number(&self, column: &str) -> Result<u64, StoreError> {
        let value: i64 = self.get(column)?;
        u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is {value}")))
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;
type PostgresQuery<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// A statement out of the constants of this module; every value is bound.
fn sqlite<'q>(statement: &'static str, values: &[Value<'q>]) -> SqliteQuery<'q> {
    with_sqlite(sqlx::query(AssertSqlSafe(statement)), values)
}

fn with_sqlite<'q>(query: SqliteQuery<'q>, values: &[Value<'q>]) -> SqliteQuery<'q> {
    values
        .iter()
        .fold(query, |query, value| bind_sqlite(query, *value))
}

pub(super) fn bind_sqlite<'q>(query: SqliteQuery<'q>, value: Value<'q>) -> SqliteQuery<'q> {
    match value {
        Value::Text(text) => query.bind(text),
        Value::Integer(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Bool(is) => query.bind(is),
        Value::Maybe(bytes) => query.bind(bytes),
    }
}

fn postgres<'q>(statement: &'static str, values: &[Value<'q>]) -> PostgresQuery<'q> {
    with_postgres(sqlx::query(AssertSqlSafe(statement)), values)
}

fn with_postgres<'q>(query: PostgresQuery<'q>, values: &[Value<'q>]) -> PostgresQuery<'q> {
    values.iter().fold(query, |query, value| match *value {
        Value::Text(text) => query.bind(text),
        Value::Integer(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Bool(is) => query.bind(is),
        Value::Maybe(bytes) => query.bind(bytes),
    })
}

impl Pool {
    /// All rows.
    pub(super) async fn all(
        &self,
        what: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<AnyRow>, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite(statement, values)
                .fetch_all(pool)
                .await
                .map(|rows| rows.into_iter().map(AnyRow::Sqlite).collect()),
            Self::Postgres(pool) => postgres(statement, values)
                .fetch_all(pool)
                .await
                .map(|rows| rows.into_iter().map(AnyRow::Postgres).collect()),
        }
        .map_err(StoreError::database(what))
    }

    /// The first row, if there is one.
    pub(super) async fn first(
        &self,
        what: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<AnyRow>, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite(statement, values)
                .fetch_optional(pool)
                .await
                .map(|row| row.map(AnyRow::Sqlite)),
            Self::Postgres(pool) => postgres(statement, values)
                .fetch_optional(pool)
                .await
                .map(|row| row.map(AnyRow::Postgres)),
        }
        .map_err(StoreError::database(what))
    }

    /// Carries a statement out for itself; the number of rows that it changed.
    pub(super) async fn execute(
        &self,
        what: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite(statement, values)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(pool) => postgres(statement, values)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err(StoreError::database(what))
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction for reading.
pub(super) enum Reading<'c> {
    Sqlite(Transaction<'c, Sqlite>),
    Postgres(Transaction<'c, Postgres>),
}

impl Reading<'_> {
    /// All rows of a statement that is put together from constants of `store`.
    pub(super) async fn all(
        &mut self,
        what: &'static str,
        statement: Arc<str>,
        values: &[Value<'_>],
    ) -> Result<Vec<AnyRow>, StoreError> {
        match self {
            Self::Sqlite(transaction) => with_sqlite(sqlx::query(AssertSqlSafe(statement)), values)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| rows.into_iter().map(AnyRow::Sqlite).collect()),
            Self::Postgres(transaction) => {
                with_postgres(sqlx::query(AssertSqlSafe(statement)), values)
                    .fetch_all(&mut **transaction)
                    .await
                    .map(|rows| rows.into_iter().map(AnyRow::Postgres).collect())
            }
        }
        .map_err(StoreError::database(what))
    }
}

/// A transaction for writing.
pub(super) enum Writing<'c> {
    Sqlite(Transaction<'c, Sqlite>),
    Postgres(Transaction<'c, Postgres>),
}

impl Connection {
    pub(super) async fn begin(&mut self) -> Result<Writing<'_>, StoreError> {
        match self {
            // IMMEDIATE takes the lock for writing at once and waits for it, where a deferred
            // transaction would fail at its first write.
            Self::Sqlite(connection) => connection
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Writing::Sqlite),
            Self::Postgres(connection) => connection.begin().await.map(Writing::Postgres),
        }
        .map_err(StoreError::database("begin a transaction"))
    }

    /// A transaction that sees one state of the store, however much is written meanwhile.
    pub(super) async fn snapshot(&mut self) -> Result<Reading<'_>, StoreError> {
        match self {
            Self::Sqlite(connection) => connection.begin().await.map(Reading::Sqlite),
            Self::Postgres(connection) => connection
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map(Reading::Postgres),
        }
        .map_err(StoreError::database("begin to read"))
    }

    pub(super) async fn close(self) {
        // Closing rolls back what is open; if even that fails there is nothing left to do.
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

impl Writing<'_> {
    /// The number of rows that it changed.
    pub(super) async fn execute(
        &mut self,
        what: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => sqlite(statement, values)
                .execute(&mut **transaction)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(transaction) => postgres(statement, values)
                .execute(&mut **transaction)
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err(StoreError::database(what))
    }

    /// The first row, if there is one.
    pub(super) async fn first(
        &mut self,
        what: &'static str,
        statement: &'static str,
    ) -> Result<Option<AnyRow>, StoreError> {
        match self {
            Self::Sqlite(transaction) => sqlite(statement, &[])
                .fetch_optional(&mut **transaction)
                .await
                .map(|row| row.map(AnyRow::Sqlite)),
            Self::Postgres(transaction) => postgres(statement, &[])
                .fetch_optional(&mut **transaction)
                .await
                .map(|row| row.map(AnyRow::Postgres)),
        }
        .map_err(StoreError::database(what))
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
        .map_err(StoreError::database("commit"))
    }
}
