"""Groups of membership-log.md: member trees, entries, checkpoints, following a log."""

import merkle as mk
import messages as m
import world
from case import Group, patched, swapped
from codec import HASH, NAME, U32, U64, Int, Select, Struct, Vector, decode, to_json
from primitives import Refused, p256_public, p256_scalar, p256_sign, p256_verify

# Sections 3 to 5.
DrawList = Struct(round=U64, members=U32, root=HASH)
Moment = Struct(client=NAME, round=U64)
ADMITTED, EXITED, SUSPENDED, RESUMED, EPOCH, DRAW_LIST = 1, 2, 3, 4, 5, 6
LogEntry = Select(
    head=Struct(kind=Int(1)),
    tag="kind",
    cases={
        ADMITTED: m.MemberLeaf,
        EXITED: m.signed(m.ExitStatement),
        SUSPENDED: Moment,
        RESUMED: Moment,
        EPOCH: m.EpochHead,
        DRAW_LIST: DrawList,
    },
    what="kind of entry",
)
SignedCheckpoint = m.signed(m.Checkpoint)
LEAVES = Vector(m.MemberLeaf, 4)

H = world.DESCRIPTOR_HASH


def leaf(client, serial=1):
    return {"client": client, "package": m.package_hash(world.package(client, serial=serial))}


def member_tree(leaves):
    """Section 3: the leaves as bytes, of a list that must be strictly ascending by client."""
    names = [member["client"].encode("ascii") for member in leaves]
    if any(b <= a for a, b in zip(names, names[1:])):
        raise Refused("not strictly ascending")
    return [m.MemberLeaf.encode(member) for member in leaves]


def head(epoch, first_round, clients):
    leaves = member_tree([leaf(client) for client in sorted(clients)])
    return {"epoch": epoch, "first_round": first_round, "members": len(leaves), "member_root": mk.mth(leaves)}


def exit_of(client, serial=9):
    others = sorted(c for c in world.CLIENTS if c != client)
    body = {"net": world.NET, "descriptor": H, "client": client, "serial": serial, "neighbours": others}
    return {"body": body, "signature": m.sign(world.statement_key(client), m.EXIT, m.ExitStatement, body)}


def entry(kind, **body):
    return {"kind": kind, "body": body}


def history():
    """Five members, a renewed package, one missing and back, one leaving."""
    everybody, four = list(world.CLIENTS), [c for c in world.CLIENTS if c != "gw-2"]
    entries = [entry(ADMITTED, **leaf(client)) for client in everybody]
    listed = member_tree([leaf(client) for client in sorted(everybody)])
    entries.append(entry(DRAW_LIST, round=1_990_000, members=5, root=mk.mth(listed)))
    entries.append(entry(EPOCH, **head(1, 1_990_001, everybody)))
    entries.append(entry(SUSPENDED, client="gw-2", round=1_990_004))
    entries.append(entry(EPOCH, **head(2, 1_990_005, four)))
    entries.append(entry(RESUMED, client="gw-2", round=1_990_006))
    entries.append(entry(EPOCH, **head(3, 1_990_007, everybody)))
    entries.append(entry(EXITED, **exit_of("gw-2")))
    entries.append(entry(EPOCH, **head(4, 1_990_009, four)))
    return entries


def checkpoint(leaves, **changes):
    body = {"net": world.NET, "descriptor": H, "size": len(leaves), "root": mk.mth(leaves), **changes}
    return signed(body)


def signed(body, key=world.PROVIDER, label=m.CHECKPOINT):
    return {"body": body, "signature": m.sign(key, label, m.Checkpoint, body)}


def verified(encoded, key):
    got = decode(SignedCheckpoint, encoded)
    p256_verify(key, m.CHECKPOINT + b"\x00" + m.Checkpoint.encode(got["body"]), got["signature"])
    return got


def follow(known, encoded, path, key, net, descriptor):
    """Section 6. The word for what became of it."""
    body = verified(encoded, key)["body"]
    if (body["net"], body["descriptor"]) != (net, descriptor):
        raise Refused("another net or other parameters")
    hashes = mk.decode_path(path)
    if known is None:
        mk.verify_consistency(mk.mth([]), 0, body["root"], body["size"], hashes)
        return "first"
    if body["size"] < known["size"]:
        return "older"
    if body["size"] == known["size"]:
        if body["root"] != known["root"]:
            raise Refused("fork")
        return "same"
    mk.verify_consistency(known["root"], known["size"], body["root"], body["size"], hashes)
    return "extended"


class LogGroup(Group):
    def add(self, name, expected, **content):
        super().add(f"{content['kind']}: {name}", expected, **content)

    def entry(self, name, value=None, encoded=None):
        encoded = LogEntry.encode(value) if encoded is None else encoded
        content = {"kind": "entry", "encoded": encoded.hex()}
        try:
            got = decode(LogEntry, encoded)
        except Refused as refusal:
            self.refused(name, str(refusal), **content)
        else:
            self.accepted(name, **content, fields=to_json(LogEntry, got))
        return encoded

    def members(self, name, leaves, epoch=1, first_round=1_990_000):
        content = {"kind": "members", "leaves": LEAVES.encode(leaves).hex()}
        content |= {"epoch": str(epoch), "first_round": str(first_round)}
        try:
            tree = member_tree(leaves)
        except Refused as refusal:
            self.refused(name, str(refusal), **content)
        else:
            made = {"epoch": epoch, "first_round": first_round, "members": len(tree), "member_root": mk.mth(tree)}
            paths = [mk.PATH.encode(mk.path(index, tree)).hex() for index in range(len(tree))]
            self.accepted(name, **content, encoded=m.EpochHead.encode(made).hex(), paths=paths)

    def checkpoint(self, name, value=None, encoded=None, key=None):
        encoded = SignedCheckpoint.encode(value) if encoded is None else encoded
        key = key or p256_public(world.PROVIDER)
        content = {"kind": "checkpoint", "key": key.hex(), "encoded": encoded.hex()}
        try:
            got = verified(encoded, key)
        except Refused as refusal:
            self.refused(name, str(refusal), **content)
        else:
            fields = to_json(SignedCheckpoint, got)
            self.accepted(name, **content, fields=fields, signing_scalar=p256_scalar(world.PROVIDER).hex())
        return encoded

    def log(self, name, entries):
        encoded = [LogEntry.encode(e) for e in entries]
        heads = [SignedCheckpoint.encode(checkpoint(encoded[:size])).hex() for size in range(len(encoded) + 1)]
        self.accepted(
            name,
            kind="log",
            net=world.NET,
            descriptor=H.hex(),
            signing_scalar=p256_scalar(world.PROVIDER).hex(),
            entries=[e.hex() for e in encoded],
            heads=heads,
            inclusion=[mk.PATH.encode(mk.path(i, encoded)).hex() for i in range(len(encoded))],
            consistency=[mk.PATH.encode(mk.proof(i, encoded)).hex() for i in range(len(encoded) + 1)],
        )

    def follow(self, name, known, shown, hashes=(), path=None, key=None, net=world.NET, descriptor=H):
        key = key or p256_public(world.PROVIDER)
        encoded = SignedCheckpoint.encode(shown)
        path = mk.PATH.encode(hashes) if path is None else path
        content = {"kind": "follow", "net": net, "descriptor": descriptor.hex(), "key": key.hex()}
        if known is not None:
            content["known"] = SignedCheckpoint.encode(known).hex()
        content |= {"shown": encoded.hex(), "path": path.hex()}
        try:
            step = follow(known and known["body"], encoded, path, key, net, descriptor)
        except Refused as refusal:
            evidence = {"evidence": "fork"} if str(refusal) == "fork" else {}
            self.refused(name, str(refusal), **content, **evidence)
        else:
            self.accepted(name, **content, step=step)


def log():
    g = LogGroup("log", "membership-log 3 to 6", "Member trees, entries, checkpoints, logs and following them.")
    _members(g)
    _entries(g)
    g.log("a history", history())
    g.log("no entries", [])
    _checkpoints(g)
    _following(g)
    return g


def _members(g):
    ascending = [leaf(client) for client in sorted(world.CLIENTS)]
    g.members("nobody", [])
    g.members("one member", ascending[:1])
    g.members("five members", ascending, epoch=7)
    g.members("70 members", [leaf(client) for client in sorted(f"gw-{n}" for n in range(70))])
    g.members("largest numbers", ascending[:4], epoch=2**64 - 1, first_round=2**64 - 1)
    g.members("descending", ascending[::-1])
    g.members("a member twice", [ascending[0], ascending[0]])
    g.members("a member with two packages", [leaf("a"), leaf("a", serial=2)])
    g.members("numeric order", [leaf("gw-2"), leaf("gw-10")])
    g.members("case-insensitive order", [leaf("a"), leaf("Zwinger.3")])
    g.members("the last two exchanged", ascending[:3] + ascending[:2:-1])


def _entries(g):
    shown = {}
    names = {ADMITTED: "admitted", EXITED: "exited", SUSPENDED: "suspended", RESUMED: "resumed", EPOCH: "epoch",
             DRAW_LIST: "draw list"}  # fmt: skip
    for value in history():
        shown.setdefault(value["kind"], value)
    for kind, value in sorted(shown.items()):
        encoded = g.entry(names[kind], value)
        g.entry(f"{names[kind]}, trailing byte", encoded=encoded + b"\x00")
        g.entry(f"{names[kind]}, last byte missing", encoded=encoded[:-1])
        g.entry(f"{names[kind]}, its body under kind 0", encoded=b"\x00" + encoded[1:])
    g.entry("longest name", entry(ADMITTED, **leaf("x" * 32)))
    g.entry("largest round", entry(SUSPENDED, client="a", round=2**64 - 1))
    g.entry("epoch of nobody", entry(EPOCH, **head(9, 1_990_020, [])))
    g.entry("an exit by whomever: the entry only holds it", entry(EXITED, **{**exit_of("a"), "signature": bytes(64)}))
    g.entry("kind 7", encoded=patched(LogEntry.encode(shown[ADMITTED]), 0, b"\x07"))
    g.entry("kind 255", encoded=patched(LogEntry.encode(shown[ADMITTED]), 0, b"\xff"))
    g.entry("admitted under the kind of suspended", encoded=patched(LogEntry.encode(shown[ADMITTED]), 0, b"\x03"))
    g.entry("epoch under the kind of a draw list", encoded=patched(LogEntry.encode(shown[EPOCH]), 0, b"\x06"))
    g.entry("exit statement without its signature", encoded=LogEntry.encode(shown[EXITED])[:-66])
    exited = LogEntry.encode(entry(EXITED, **exit_of("gw-2")))
    g.entry("exit whose neighbours are not sorted", encoded=swapped(exited, b"\x01a\x04gw-1", b"\x04gw-1\x01a"))
    g.entry("admitted with an empty name", encoded=b"\x01\x00" + bytes(32))
    g.entry("admitted with a name with a space", encoded=b"\x01\x03g w" + bytes(32))
    g.entry("kind only", encoded=b"\x01")
    g.entry("no bytes at all", encoded=b"")


def _checkpoints(g):
    leaves = [LogEntry.encode(e) for e in history()]
    good = checkpoint(leaves)
    body = good["body"]
    encoded = g.checkpoint("checkpoint", good)
    g.checkpoint("checkpoint of no entries", checkpoint([]))
    g.checkpoint("checkpoint of the largest size", checkpoint(leaves, size=2**64 - 1))
    g.checkpoint("signed by another provider", signed(body, key=world.OTHER_PROVIDER))
    g.checkpoint("signed by a member", signed(body, key=world.statement_key("gw-1")))
    g.checkpoint("verified with another key", good, key=p256_public(world.OTHER_PROVIDER))
    g.checkpoint("signed under the label of a manifest", signed(body, label=m.MANIFEST))
    bare = {"body": body, "signature": p256_sign(world.PROVIDER, m.Checkpoint.encode(body))}
    g.checkpoint("signed without a label", bare)
    glued = {"body": body, "signature": p256_sign(world.PROVIDER, m.CHECKPOINT + m.Checkpoint.encode(body))}
    g.checkpoint("signed without the zero byte after the label", glued)
    for field, value in [("size", 12), ("root", bytes(32)), ("net", "pieschen-2"), ("descriptor", bytes(32))]:
        g.checkpoint(f"{field} changed after signing", {**good, "body": {**body, field: value}})
    g.checkpoint("signature of zeros", {**good, "signature": bytes(64)})
    g.checkpoint("checkpoint, trailing byte", encoded=encoded + b"\x00")
    g.checkpoint("checkpoint, last byte missing", encoded=encoded[:-1])
    g.checkpoint("checkpoint without a signature", encoded=encoded[:-66])


def _following(g):
    leaves = [LogEntry.encode(e) for e in history()]
    forked = leaves[:4] + [LogEntry.encode(entry(ADMITTED, **leaf("gw-666")))] + leaves[5:]
    at = {size: checkpoint(leaves[:size]) for size in range(len(leaves) + 1)}
    other = {size: checkpoint(forked[:size]) for size in range(len(leaves) + 1)}
    last = len(leaves)

    g.follow("the first", None, at[5])
    g.follow("the first, of no entries", None, at[0])
    g.follow("the first, of another log: nobody can know", None, other[5])
    for old, new in [(0, 1), (0, last), (1, 2), (4, 8), (5, 6), (7, last), (8, last), (last - 1, last)]:
        g.follow(f"{old} to {new} entries", at[old], at[new], mk.proof(old, leaves[:new]))
    g.follow("the same", at[5], at[5])
    g.follow("the same, with a path that nobody needs", at[5], at[5], [bytes(32)])
    g.follow("older", at[9], at[5])
    g.follow("older, of another log: not compared", at[9], other[7])

    g.follow("two logs of one size", at[5], other[5])
    g.follow("two logs of one size, with a path", at[9], other[9], mk.proof(5, leaves[:9]))
    g.follow("none and some entries under size 0", at[0], checkpoint([], root=mk.mth(leaves)))
    g.follow("another history", at[7], other[last], mk.proof(7, forked))
    g.follow("another history with the honest path", at[7], other[last], mk.proof(7, leaves))
    g.follow("a path from another size", at[7], at[last], mk.proof(6, leaves))
    g.follow("a path to another size", at[7], at[last], mk.proof(7, leaves[:12]))
    g.follow("no path", at[7], at[last])
    g.follow("a hash missing", at[7], at[last], mk.proof(7, leaves)[:-1])
    g.follow("from no entries with a path", at[0], at[last], mk.proof(7, leaves))
    g.follow("the first with a path", None, at[5], mk.proof(3, leaves[:5]))
    g.follow("the first, of no entries, with the root of some", None, checkpoint([], root=mk.mth(leaves)))
    g.follow("the first, larger than any tree", None, checkpoint(leaves, size=2**62 + 1))
    g.follow("larger than any tree", at[7], checkpoint(leaves, size=2**64 - 1), mk.proof(7, leaves))
    path = mk.PATH.encode(mk.proof(7, leaves))
    g.follow("a path cut off", at[7], at[last], path=path[:-1])
    g.follow("a path with a byte behind it", at[7], at[last], path=path + b"\x00")
    g.follow("of another net", at[7], checkpoint(leaves, net="pieschen-2"), mk.proof(7, leaves))
    g.follow("of other parameters", at[7], checkpoint(leaves, descriptor=bytes(32)), mk.proof(7, leaves))
    g.follow("asked for in another net", at[7], at[last], mk.proof(7, leaves), net="pieschen-2")
    foreign = signed(at[last]["body"], key=world.OTHER_PROVIDER)
    g.follow("signed by another provider", at[7], foreign, mk.proof(7, leaves))
    g.follow("an older one, not signed by the provider", at[7], signed(at[5]["body"], key=world.OTHER_PROVIDER))


GROUPS = [log]
