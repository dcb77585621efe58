-- Several servers share a PostgreSQL database by leases. A file has one server, which locks it: here is
-- nothing to do, so that equal numbers of migrations mean equal schemas.
SELECT 1;
