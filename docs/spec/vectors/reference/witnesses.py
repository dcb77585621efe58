"""Group of membership-log.md section 7.3: what a witness cosigns, and what of it counts at a gateway."""

import logs
import merkle as mk
import messages as m
import world
from case import Group
from codec import U64, Struct, Vector, decode
from primitives import Refused, p256_public, p256_scalar, p256_secret, p256_verify

SignedCosignature = m.signed(m.Cosignature)
Cosignatures = Vector(SignedCosignature, 2)
MOST = 32
NOW = 1_791_000_123_999

NAMES = ["w-1", "w-2", "w-3"]
KEYS = {name: p256_secret(world.seed(f"witness {name}")) for name in NAMES}


def cosign(checkpoint, name="w-1", key=None, label=m.COSIGNATURE, **changes):
    body = {"witness": name, **checkpoint["body"], "time_s": NOW // 1000, **changes}
    return {"body": body, "signature": m.sign(key or KEYS[name], label, m.Cosignature, body)}


def ask(known, old_size, encoded, path, key, net, descriptor):
    """What a witness that cosigned `known` last does; the new last checkpoint."""
    size = known["size"] if known else 0
    try:
        step = logs.follow(known, encoded, path, key, net, descriptor)
    except Refused as refusal:
        # Only a path can be excused by another size.
        body = logs.decode(logs.SignedCheckpoint, encoded)["body"]
        settled = known is not None and body["size"] <= known["size"]
        foreign = (body["net"], body["descriptor"]) != (net, descriptor)
        unsigned = False
        try:
            logs.verified(encoded, key)
        except Refused:
            unsigned = True
        if old_size != size and not (settled or foreign or unsigned):
            raise Refused("old size") from refusal
        raise
    if old_size != size:
        raise Refused("old size")
    if step == "older":
        raise Refused("shrunk")
    return step


def counted(checkpoint, quorum, encoded):
    """How many of the witnesses of `quorum`, names and keys, have cosigned."""
    cosignatures = decode(Cosignatures, encoded)
    if len(cosignatures) > MOST:
        raise Refused("too many cosignatures")
    have = set()
    for one in cosignatures:
        body = one["body"]
        key = quorum.get(body["witness"])
        about = {field: body[field] for field in ("net", "descriptor", "size", "root")}
        if key is None or about != checkpoint["body"]:
            continue
        try:
            p256_verify(key, m.COSIGNATURE + b"\x00" + m.Cosignature.encode(body), one["signature"])
        except Refused:
            continue
        have.add(body["witness"])
    return len(have)


class WitnessGroup(Group):
    def ask(self, name, known, old_size, shown, hashes=(), net=world.NET, descriptor=logs.H):
        key = p256_public(world.PROVIDER)
        encoded, path = logs.SignedCheckpoint.encode(shown), mk.PATH.encode(hashes)
        content = {"kind": "ask", "witness": "w-1", "signing_scalar": p256_scalar(KEYS["w-1"]).hex()}
        content |= {"descriptor": m.NetDescriptor.encode(world.descriptor()).hex(), "now": str(NOW)}
        if known is not None:
            content["known"] = logs.SignedCheckpoint.encode(known).hex()
        request = U64.encode(old_size) + path + encoded
        content["request"] = request.hex()
        try:
            ask(known and known["body"], old_size, encoded, path, key, net, descriptor)
        except Refused as refusal:
            if str(refusal) == "old size":
                content["size"] = str(known["body"]["size"] if known else 0)
            if str(refusal) == "fork":
                content["evidence"] = "fork"
            self.refused(f"ask: {name}", str(refusal), **content)
        else:
            self.accepted(f"ask: {name}", **content, cosignature=SignedCosignature.encode(cosign(shown)).hex())

    def count(self, name, checkpoint, cosignatures=(), needed=2, encoded=None):
        encoded = Cosignatures.encode(list(cosignatures)) if encoded is None else encoded
        quorum = {name: p256_public(KEYS[name]) for name in ("w-1", "w-2")}
        content = {"kind": "count", "needed": str(needed), "cosignatures": encoded.hex()}
        content["checkpoint"] = m.Checkpoint.encode(checkpoint["body"]).hex()
        content["witnesses"] = {name: key.hex() for name, key in quorum.items()}
        try:
            got = counted(checkpoint, quorum, encoded)
        except Refused as refusal:
            self.refused(f"count: {name}", str(refusal), **content)
            return
        content["count"] = str(got)
        if got < needed:
            self.refused(f"count: {name}", "too few cosignatures", **content)
        else:
            self.accepted(f"count: {name}", **content)


def witnesses():
    g = WitnessGroup("witnesses", "membership-log 7.3", "What a witness cosigns, and which cosignatures count.")
    _asking(g)
    _counting(g)
    return g


def _asking(g):
    leaves = [logs.LogEntry.encode(e) for e in logs.history()]
    forked = leaves[:4] + [logs.LogEntry.encode(logs.entry(logs.ADMITTED, **logs.leaf("gw-666")))] + leaves[5:]
    at = {size: logs.checkpoint(leaves[:size]) for size in range(len(leaves) + 1)}
    other = {size: logs.checkpoint(forked[:size]) for size in range(len(leaves) + 1)}
    last = len(leaves)

    g.ask("the first", None, 0, at[5])
    g.ask("the first, of no entries", None, 0, at[0])
    for old, new in [(0, 3), (1, 2), (5, 9), (7, last)]:
        g.ask(f"{old} to {new} entries", at[old], old, at[new], mk.proof(old, leaves[:new]))
    g.ask("the same again", at[7], 7, at[7])
    g.ask("an old size from before", at[7], 5, at[last], mk.proof(5, leaves))
    g.ask("an old size from before, the same checkpoint", at[7], 5, at[7], mk.proof(5, leaves[:7]))
    g.ask("an old size, with the path from the right one", at[7], 5, at[last], mk.proof(7, leaves))
    g.ask("an old size above", at[7], 9, at[last], mk.proof(9, leaves))
    g.ask("an old size where none was cosigned", None, 5, at[last], mk.proof(5, leaves))
    g.ask("shrunk", at[9], 9, at[5])
    g.ask("two logs of one size", at[7], 7, other[7])
    g.ask("two logs of one size, under another old size", at[7], 5, other[7], mk.proof(5, forked[:7]))
    g.ask("another history", at[7], 7, other[last], mk.proof(7, forked))
    g.ask("another history with the honest path", at[7], 7, other[last], mk.proof(7, leaves))
    g.ask("no path", at[7], 7, at[last])
    g.ask("of another net", at[7], 7, logs.checkpoint(leaves, net="pieschen-2"), mk.proof(7, leaves))
    g.ask("of other parameters", at[7], 7, logs.checkpoint(leaves, descriptor=bytes(32)), mk.proof(7, leaves))
    foreign = logs.signed(at[last]["body"], key=world.OTHER_PROVIDER)
    g.ask("signed by another provider", at[7], 7, foreign, mk.proof(7, leaves))
    g.ask("signed by another provider, under another old size", at[7], 3, foreign, mk.proof(7, leaves))


def _counting(g):
    leaves = [logs.LogEntry.encode(e) for e in logs.history()]
    head, older = logs.checkpoint(leaves), logs.checkpoint(leaves[:7])
    one, two, unknown = (cosign(head, name) for name in NAMES)
    g.count("both", head, [one, two])
    g.count("both, in the other order", head, [two, one])
    g.count("both, and one that nobody knows", head, [unknown, one, two])
    g.count("one of two, one is demanded", head, [two], needed=1)
    g.count("none, none is demanded", head, [], needed=0)
    g.count("none", head, [])
    g.count("one", head, [one])
    g.count("one twice", head, [one, one])
    g.count("one twice, at two times", head, [one, cosign(head, time_s=7)])
    g.count("one, and one that nobody knows", head, [one, unknown])
    g.count("the second with the key of the first", head, [one, cosign(head, "w-2", KEYS["w-1"])])
    g.count("the second under another label", head, [one, cosign(head, "w-2", label=m.CHECKPOINT)])
    g.count("the second of an older checkpoint", head, [one, cosign(older, "w-2")])
    for field, value in [("net", "pieschen-2"), ("descriptor", bytes(32)), ("size", 12), ("root", bytes(32))]:
        g.count(f"the second with another {field}", head, [one, cosign(head, "w-2", **{field: value})])
    late = {**two, "body": {**two["body"], "time_s": 1}}
    g.count("the second with its time changed", head, [one, late])
    g.count("a bad one before the good one", head, [{**two, "signature": bytes(64)}, one, two])
    g.count("32", head, [unknown] * 30 + [one, two])
    g.count("33", head, [unknown] * 31 + [one, two])
    encoded = Cosignatures.encode([one, two])
    g.count("cut off", head, encoded=encoded[:-1])
    g.count("a byte behind", head, encoded=encoded + b"\x00")


GROUPS = [witnesses]
