-- Orders of operators: docs/adr/0036-orders-of-the-operator.md. Whoever asks writes a row; the server that
-- serves the net takes it once, and writes the answer in one transaction with all that follows from it.
-- Kept for good: from those that were taken a net knows who is suspended, and whether it is closed.
CREATE TABLE orders (
    net      TEXT COLLATE "C" NOT NULL REFERENCES nets (net),
    number   BIGINT NOT NULL, -- counts the orders of the net from 1
    kind     TEXT   NOT NULL, -- suspend, resume, close, remind
    member   TEXT   NOT NULL, -- whom to suspend or resume; empty otherwise
    round    BIGINT NOT NULL, -- of which to remind; 0 otherwise
    reason   TEXT   NOT NULL, -- the operator's words
    asked_by TEXT   NOT NULL,
    asked    BIGINT NOT NULL, -- milliseconds since 1970-01-01T00:00:00Z
    answered BIGINT NOT NULL, -- the same; 0 as long as no server has taken it
    outcome  TEXT   NOT NULL, -- taken, or the name of the refusal; empty as long as it waits
    detail   TEXT   NOT NULL, -- the answer in words
    record   BYTEA  NOT NULL, -- OrderRecord; empty if it changes nothing for good
    PRIMARY KEY (net, number)
);

CREATE INDEX orders_waiting ON orders (net, number) WHERE answered = 0;
