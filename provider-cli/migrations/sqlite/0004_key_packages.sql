-- Key packages as they were registered, those that were replaced, too: whoever audits the membership log
-- verifies admissions and exits with them. Kept for good.
CREATE TABLE key_packages (
    net     TEXT  NOT NULL REFERENCES nets (net),
    hash    BYTEA NOT NULL, -- of the key package
    signed  BYTEA NOT NULL, -- SHA-256 of the next: one package may come under renewed certificates
    package BYTEA NOT NULL, -- SignedKeyPackage
    PRIMARY KEY (net, hash, signed)
);
