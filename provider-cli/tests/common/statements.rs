//! Whether a database that spreads nets over machines would take what was sent to PostgreSQL:
//! `docs/adr/0041-leases-stay-in-one-place.md`.

use sqlx::{Connection as _, PgConnection};

use super::store::SERVER;

/// Set where the server of `DCNET_POSTGRES` remembers statements, so that the test must not be skipped.
const REMEMBERS: &str = "DCNET_POSTGRES_STATEMENTS";

/// Tables that are not spread.
const IN_ONE_PLACE: [&str; 3] = ["leases", "replicas", "audit_trail"];

/// Looks at every statement that was sent to the database at `url`.
pub async fn can_be_spread(url: &str) {
    if std::env::var_os(REMEMBERS).is_none() {
        eprintln!("statements are not looked at: {REMEMBERS} is not set");
        return;
    }
    let (_, database) = url.rsplit_once('/').unwrap();
    let server = std::env::var(SERVER).unwrap();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let statement = "SELECT query FROM pg_stat_statements AS seen JOIN pg_database ON oid = dbid \
         WHERE datname = $1";
    let statements: Vec<String> = sqlx::query_scalar(statement)
        .bind(database)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert!(
        statements.iter().any(|it| names(it).contains(&"nets")),
        "{statements:#?}"
    );
    for statement in &statements {
        if let Some(fault) = fault(statement) {
            panic!("{fault}: {statement}");
        }
    }
}

/// Why a statement cannot be carried out where tables are spread by their net.
pub fn fault(statement: &str) -> Option<&'static str> {
    let verb = statement.split_whitespace().next()?;
    if !["SELECT", "INSERT", "UPDATE", "DELETE"].contains(&verb) {
        // What makes tables is carried out before they are spread.
        return None;
    }
    let names = names(statement);
    let (here, spread): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| IN_ONE_PLACE.contains(name));
    if spread.is_empty() {
        return None;
    }
    if !here.is_empty() {
        return Some("mixes tables that are spread with those that are not");
    }
    let has = |text: &str| statement.contains(text);
    if has(" FOR SHARE") || has(" FOR UPDATE") {
        return Some("locks rows of a table that is spread");
    }
    if has("clock_timestamp") || has("now()") || has("random()") {
        return Some("asks each machine for itself");
    }
    let bound = statement.matches("net = $").count();
    // Rows go where their net is.
    let read = spread.len() - usize::from(verb == "INSERT");
    let is_bound = spread.len() == 1 || bound >= read;
    (!is_bound && !is_of_a_restore(statement))
        .then_some("looks at several tables, and does not name the net for each of them")
}

/// A restore gives an inbox to each member: both tables have the rows of a net on one machine.
fn is_of_a_restore(statement: &str) -> bool {
    statement.starts_with("INSERT INTO inbox_heads")
        && statement.contains("inbox_heads.net = members.net")
}

/// The store's tables that a statement names, each as often as it does.
fn names(statement: &str) -> Vec<&str> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let pairs = words.windows(2);
    let named = pairs.filter(|pair| ["FROM", "JOIN", "INTO", "UPDATE"].contains(&pair[0]));
    // A function has a bracket: EXTRACT(EPOCH FROM clock_timestamp()).
    let named = named.filter(|pair| !pair[1].contains('('));
    let named = named.map(|pair| pair[1].trim_matches([',', ')', '"']));
    named
        .filter(|name| {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            !name.is_empty()
                && name.chars().all(is_word)
                && !name.starts_with("pg_")
                && !name.starts_with("_sqlx")
        })
        .collect()
}
