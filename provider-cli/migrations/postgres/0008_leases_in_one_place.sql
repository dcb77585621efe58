-- Where tables are spread over machines, leases and servers stay in one place (docs/adr/0041-leases-stay-in-one-place.md),
-- and cannot be bound there to a table that is spread. A lease is only ever taken of a net that was read from nets.
ALTER TABLE leases DROP CONSTRAINT leases_net_fkey;
