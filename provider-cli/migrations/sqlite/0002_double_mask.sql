-- What the double-mask correction keeps. Every key begins with the net here, too.

-- SelfMask, in nets that correct by double masks: what takes the frame's self-mask off. Erased with
-- the frame.
ALTER TABLE frames ADD COLUMN mask BYTEA;

-- Rosters as they were signed. Kept for good: they are the provider's word, and whoever was shown
-- one may come back with it.
CREATE TABLE rosters (
    net    TEXT   NOT NULL REFERENCES nets (net),
    round  BIGINT NOT NULL,
    step   BIGINT NOT NULL, -- counts the rosters of a round, from 1
    roster BYTEA  NOT NULL, -- Signed<Roster>
    PRIMARY KEY (net, round, step)
);

-- Answers to rosters of rounds that are not final: pads and share keys. Erased with the round's
-- outcome.
CREATE TABLE answers (
    net    TEXT   NOT NULL REFERENCES nets (net),
    round  BIGINT NOT NULL,
    step   BIGINT NOT NULL, -- of the roster
    client TEXT   NOT NULL,
    answer BYTEA  NOT NULL, -- Answer
    hash   BYTEA  NOT NULL, -- SHA-256 of the frame as received
    PRIMARY KEY (net, round, step, client)
) WITHOUT ROWID;
