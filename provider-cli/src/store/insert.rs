//! Many rows in one prepared statement.

use std::sync::{Arc, OnceLock};

use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, SqliteConnection};

/// Rows per statement, largest first. Few sizes, so that each stays prepared; at most 8 columns,
/// so that the largest stays far below SQLite's limit of 32,766 parameters.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// An `INSERT` whose number of rows varies.
pub(super) struct Insert {
    /// `INSERT INTO table (a, b)`.
    head: &'static str,
    /// What follows the rows, such as `ON CONFLICT …`.
    tail: &'static str,
    columns: usize,
    texts: OnceLock<[Arc<str>; SIZES.len()]>,
}

impl Insert {
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            head,
            tail,
            columns,
            texts: OnceLock::new(),
        }
    }

    /// Inserts `rows` in order; `bind` binds the columns of one row in order.
    pub(super) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl for<'q> Fn(Query<'q>, &'q T) -> Query<'q>,
    ) -> Result<(), sqlx::Error> {
        let texts = self.texts.get_or_init(|| SIZES.map(|rows| self.text(rows)));
        let mut rest = rows;
        for (size, text) in SIZES.into_iter().zip(texts) {
            while let Some((now, later)) = rest.split_at_checked(size) {
                // Built from constants of this module only; every value is bound.
                let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
                for row in now {
                    query = bind(query, row);
                }
                query.execute(&mut *connection).await?;
                rest = later;
            }
        }
        Ok(())
    }

    /// Placeholders are SQLite's nameless `?`: it looks `$n` up by walking through all of a
    /// statement's names, for every value bound, which takes a quarter of the time of a large
    /// insert. PostgreSQL will want `$n` here, and only here.
    fn text(&self, rows: usize) -> Arc<str> {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        format!(
            "{} VALUES {} {}",
            self.head,
            vec![row; rows].join(", "),
            self.tail
        )
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_placeholders() {
        let insert = Insert::new("INSERT INTO t (a, b)", 2, "ON CONFLICT DO NOTHING");
        assert_eq!(
            &*insert.text(2),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
        );
    }
}
