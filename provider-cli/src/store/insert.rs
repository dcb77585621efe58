//! Many rows in one prepared statement.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use sqlx::AssertSqlSafe;

use super::StoreError;
use super::database::{Value, Writing, bind_sqlite};

/// Rows per statement of SQLite, largest first. Few sizes, so that each stays prepared; at most 12
/// columns, so that the largest stays far below SQLite's limit of 32,766 parameters.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    Bytes,
    Bool,
    /// Bytes, or none.
    Maybe,
}

/// An `INSERT` whose number of rows varies.
pub(super) struct Insert<const N: usize> {
    what: &'static str,
    pub(super) table: &'static str,
    pub(super) columns: [(&'static str, Kind); N],
    /// What follows the rows, such as `ON CONFLICT …`.
    tail: &'static str,
    /// Whether a later row replaces an earlier one with the same first two columns.
    replaces: bool,
    sqlite: OnceLock<[Arc<str>; SIZES.len()]>,
    postgres: OnceLock<Arc<str>>,
}

impl<const N: usize> Insert<N> {
    /// Rows whose key is new.
    pub(super) const fn new(
        what: &'static str,
        table: &'static str,
        columns: [(&'static str, Kind); N],
    ) -> Self {
        Self::with_tail(what, table, columns, "", false)
    }

    /// Rows that are left out if their key is there.
    pub(super) const fn unless_there(
        what: &'static str,
        table: &'static str,
        columns: [(&'static str, Kind); N],
    ) -> Self {
        Self::with_tail(what, table, columns, "ON CONFLICT DO NOTHING", false)
    }

    /// Rows of which a later one replaces an earlier one, as `tail` says; their key is the first two
    /// columns, of text.
    pub(super) const fn replacing(
        what: &'static str,
        table: &'static str,
        columns: [(&'static str, Kind); N],
        tail: &'static str,
    ) -> Self {
        Self::with_tail(what, table, columns, tail, true)
    }

    const fn with_tail(
        what: &'static str,
        table: &'static str,
        columns: [(&'static str, Kind); N],
        tail: &'static str,
        replaces: bool,
    ) -> Self {
        Self {
            what,
            table,
            columns,
            tail,
            replaces,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// Inserts `rows` in order.
    pub(super) async fn run(
        &self,
        writing: &mut Writing<'_>,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), StoreError> {
        match writing {
            _ if rows.is_empty() => Ok(()),
            Writing::Sqlite(transaction) => self.run_sqlite(transaction, rows).await,
            Writing::Postgres(transaction) => self.run_postgres(transaction, rows).await,
        }
        .map_err(StoreError::database(self.what))
    }

    async fn run_sqlite(
        &self,
        connection: &mut sqlx::SqliteConnection,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), sqlx::Error> {
        let texts = self
            .sqlite
            .get_or_init(|| SIZES.map(|rows| self.sqlite_text(rows)));
        let mut rest = rows;
        for (size, text) in SIZES.into_iter().zip(texts) {
            while let Some((now, later)) = rest.split_at_checked(size) {
                // Built from constants of this module only; every value is bound.
                let query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
                let values = now.iter().flatten().copied();
                values
                    .fold(query, bind_sqlite)
                    .execute(&mut *connection)
                    .await?;
                rest = later;
            }
        }
        Ok(())
    }

    /// An array for each column: one statement for any number of rows.
    async fn run_postgres(
        &self,
        connection: &mut sqlx::PgConnection,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), sqlx::Error> {
        let latest;
        let rows = if self.replaces {
            // PostgreSQL replaces a row once in a statement.
            latest = latest_of_each(rows);
            &latest
        } else {
            rows
        };
        let text = self.postgres.get_or_init(|| self.postgres_text());
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        for (index, (_, kind)) in self.columns.iter().enumerate() {
            let column = rows.iter().filter_map(|row| row.get(index).copied());
            query = match kind {
                Kind::Text => query.bind(column.filter_map(Value::text).collect::<Vec<_>>()),
                Kind::Integer => query.bind(column.filter_map(Value::integer).collect::<Vec<_>>()),
                Kind::Bytes => query.bind(column.filter_map(Value::bytes).collect::<Vec<_>>()),
                Kind::Bool => query.bind(column.filter_map(Value::bool).collect::<Vec<_>>()),
                Kind::Maybe => query.bind(column.map(Value::bytes).collect::<Vec<_>>()),
            };
        }
        query.execute(connection).await.map(drop)
    }

    /// Placeholders are SQLite's nameless `?`: it looks `$n` up by walking through all of a
    /// statement's names, for every value bound, which takes a quarter of the time of a large insert.
    fn sqlite_text(&self, rows: usize) -> Arc<str> {
        let row = format!("({})", ["?"; N].join(", "));
        format!(
            "{} VALUES {} {}",
            self.head(),
            vec![row; rows].join(", "),
            self.tail
        )
        .into()
    }

    fn postgres_text(&self) -> Arc<str> {
        let arrays = self.columns.iter().zip(1..).map(|((_, kind), number)| {
            let array = match kind {
                Kind::Text => "TEXT[]",
                Kind::Integer => "BIGINT[]",
                Kind::Bytes | Kind::Maybe => "BYTEA[]",
                Kind::Bool => "BOOL[]",
            };
            format!("${number}::{array}")
        });
        format!(
            "{} SELECT * FROM UNNEST({}) {}",
            self.head(),
            arrays.collect::<Vec<_>>().join(", "),
            self.tail
        )
        .into()
    }

    fn head(&self) -> String {
        let names = self.columns.map(|(name, _)| name).join(", ");
        format!("INSERT INTO {} ({names})", self.table)
    }
}

/// Without those rows whose first two columns come again.
fn latest_of_each<'a, const N: usize>(rows: &[[Value<'a>; N]]) -> Vec<[Value<'a>; N]> {
    let mut seen = HashSet::new();
    let mut latest: Vec<_> = rows
        .iter()
        .rev()
        .filter(|row| {
            let mut key = row.iter().copied().filter_map(Value::text);
            seen.insert((key.next(), key.next()))
        })
        .copied()
        .collect();
    latest.reverse();
    latest
}

impl<'a> Value<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Maybe(bytes) => bytes,
            _ => None,
        }
    }

    fn bool(self) -> Option<bool> {
        match self {
            Self::Bool(is) => Some(is),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_placeholders() {
        let insert = Insert::unless_there("t", "t", [("a", Kind::Text), ("b", Kind::Maybe)]);
        assert_eq!(
            &*insert.sqlite_text(2),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            &*insert.postgres_text(),
            "INSERT INTO t (a, b) SELECT * FROM UNNEST($1::TEXT[], $2::BYTEA[]) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn the_last_row_of_a_key_stays() {
        let row = |client: &'static str, last: i64| ["elbe".into(), client.into(), last.into()];
        let latest = latest_of_each(&[row("gw-1", 1), row("gw-2", 1), row("gw-1", 2)]);
        let shown: Vec<_> = latest
            .iter()
            .map(|[_, client, last]| (client.text(), last.integer()))
            .collect();
        assert_eq!(shown, [(Some("gw-2"), Some(1)), (Some("gw-1"), Some(2))]);
    }
}
