-- The provider's store. Every key begins with the net, so that nets can later be spread over
-- several databases. Numbers are BIGINT, names TEXT COLLATE "C", encodings of docs/spec/protocol.md BYTEA.

CREATE TABLE nets (
    net        TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    descriptor BYTEA  NOT NULL, -- NetDescriptor
    authority  BYTEA  NOT NULL, -- certificate of the gateways' authority, DER
    created    BIGINT NOT NULL  -- milliseconds since 1970-01-01T00:00:00Z
);

CREATE TABLE members (
    net    TEXT COLLATE "C"  NOT NULL REFERENCES nets (net),
    client TEXT COLLATE "C"  NOT NULL,
    record BYTEA NOT NULL, -- MemberRecord
    PRIMARY KEY (net, client)
);

CREATE TABLE epochs (
    net         TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    epoch       BIGINT NOT NULL,
    first_round BIGINT NOT NULL,
    record      BYTEA  NOT NULL, -- EpochRecord
    PRIMARY KEY (net, epoch)
);

-- Local superpositions of rounds that are not final. Erased with the round's outcome.
CREATE TABLE frames (
    net          TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    round        BIGINT NOT NULL,
    client       TEXT COLLATE "C"   NOT NULL,
    epoch        BIGINT NOT NULL,
    transmission BOOL   NOT NULL,
    words        BYTEA  NOT NULL, -- 64-bit words, big endian
    hash         BYTEA  NOT NULL, -- SHA-256 of the frame as received
    PRIMARY KEY (net, round, client)
);

-- Corrected superpositions, kept beside the originals. Erased with the round's outcome.
CREATE TABLE resent (
    net          TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    round        BIGINT NOT NULL,
    client       TEXT COLLATE "C"   NOT NULL,
    epoch        BIGINT NOT NULL,
    transmission BOOL   NOT NULL,
    words        BYTEA  NOT NULL,
    hash         BYTEA  NOT NULL,
    PRIMARY KEY (net, round, client)
);

-- Corrections of rounds that are not final. Erased with the round's outcome, which names the
-- missing for good.
CREATE TABLE corrections (
    net     TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    round   BIGINT NOT NULL,
    missing BYTEA  NOT NULL, -- ClientSet
    asked   BYTEA  NOT NULL, -- ClientSet
    PRIMARY KEY (net, round)
);

CREATE TABLE rounds (
    net     TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    round   BIGINT NOT NULL,
    outcome BYTEA  NOT NULL, -- RoundOutcome
    PRIMARY KEY (net, round)
);

CREATE TABLE inbox (
    net      TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    client   TEXT COLLATE "C"   NOT NULL,
    sequence BIGINT NOT NULL,
    message  BYTEA  NOT NULL, -- Message
    PRIMARY KEY (net, client, sequence)
);

-- The last sequence number ever used in an inbox: numbers are not reused after deletion.
CREATE TABLE inbox_heads (
    net    TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    client TEXT COLLATE "C"   NOT NULL,
    last   BIGINT NOT NULL,
    PRIMARY KEY (net, client)
);
