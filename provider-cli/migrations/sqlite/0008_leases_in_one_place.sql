-- Leases are of PostgreSQL databases: here is nothing to do, so that equal numbers of migrations mean equal schemas.
SELECT 1;
