-- The membership log and what belongs to it. Every key begins with the net here, too.

-- Entries of the membership log, whose checkpoints are signed: only ever appended, never changed or
-- deleted. A second entry of an index that is there is refused by the key.
CREATE TABLE membership_log (
    net   TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    idx   BIGINT NOT NULL, -- counted from 0, without gaps
    entry BYTEA  NOT NULL, -- LogEntry
    PRIMARY KEY (net, idx)
);

-- The latest draw lists: the log has them by their root. Older ones are deleted when one is added.
CREATE TABLE draw_lists (
    net    TEXT COLLATE "C"   NOT NULL REFERENCES nets (net),
    idx    BIGINT NOT NULL, -- of the list's entry in the log
    record BYTEA  NOT NULL, -- DrawListRecord
    PRIMARY KEY (net, idx)
);
