-- Which server serves a net: docs/adr/0029-nets-are-leased.md.

-- Servers that run. Of no net: the one table whose key does not begin with one.
CREATE TABLE replicas (
    replica TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,   -- where other servers reach it: host and port
    until   BIGINT NOT NULL  -- alive until then: milliseconds since 1970-01-01T00:00:00Z, this database's clock
);

CREATE TABLE leases (
    net     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES nets (net),
    replica TEXT   NOT NULL, -- empty if it was given back
    term    BIGINT NOT NULL  -- raised with each change of hands
);

-- What is deleted at the end of each round is to leave the files soon.
ALTER TABLE frames SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE resent SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE answers SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
