//! What the tests take for a statement that cannot be spread.

use crate::common::statements::fault;

#[test]
fn what_would_be_refused_is_seen() {
    for bad in [
        "SELECT 1 FROM nets LEFT JOIN leases ON leases.net = nets.net",
        "SELECT net FROM nets WHERE net = $1 FOR SHARE",
        "DELETE FROM orders WHERE asked < clock_timestamp()",
        "SELECT client, (SELECT COUNT(*) FROM inbox WHERE inbox.net = heads.net) FROM heads WHERE net = $1",
    ] {
        assert!(fault(bad).is_some(), "{bad}");
    }
    for good in [
        "SELECT leases.net FROM leases JOIN UNNEST($1::TEXT[]) AS ours (net) ON true FOR SHARE OF leases",
        "DELETE FROM replicas WHERE until < EXTRACT($1 FROM clock_timestamp())",
        "INSERT INTO frames (net) SELECT * FROM UNNEST($1::TEXT[]) ON CONFLICT DO NOTHING",
        "DELETE FROM rounds WHERE net = $1 AND round IN (SELECT round FROM rounds WHERE net = $1)",
        "SELECT net, COUNT(*) FROM frames GROUP BY net",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
}
