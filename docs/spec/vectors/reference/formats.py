"""Groups of encoded types: names, net descriptor, envelopes, inboxes, lists."""

import messages as m
import world
from case import FormatGroup, patched, swapped
from codec import CLIENTS, NAME
from dcnet import agreement, seal_envelope, tunnel_key
from merkle import mth
from primitives import sha256

H = world.DESCRIPTOR_HASH


def names():
    g = FormatGroup("names", "2.2", "Names of nets and clients.", NAME)
    for text in ["a", "7", "gw-1", "Zwinger.3", "A_b.C-d", "0" * 32, "x" + "." * 31]:
        g.good(f"{len(text)} characters: {text[:12]}", text)
    g.bad("empty name", b"\x00")
    g.bad("33 characters", b"\x21" + b"a" * 33)
    for first in b"-._":
        g.bad(f"begins with {chr(first)}", bytes([2, first]) + b"a")
    for code in b" /@[`{:,*\x00\x1f\x7f\x80\xff":
        g.bad(f"character 0x{code:02x}", bytes([3]) + b"a" + bytes([code]) + b"b")
    g.bad("UTF-8 umlaut", b"\x03a\xc3\xbc")
    g.bad("length too long", b"\x03ab")
    g.bad("trailing byte", b"\x02abc")
    g.bad("no length", b"")
    return g


def client_lists():
    g = FormatGroup("client-lists", "2.4", "Sets of clients: ascending by the bytes of the text.", CLIENTS)
    g.good("empty", [])
    g.good("one", ["gw-1"])
    g.good("bytes, not numbers: gw-1, gw-10, gw-2", ["gw-1", "gw-10", "gw-2"])
    g.good("upper case before lower case", ["Z", "a"])
    g.good("punctuation", ["a", "a-", "a.", "a0", "aA", "a_", "aa"])
    g.good("70 members", sorted(f"gw-{n}" for n in range(70)))

    def raw(*texts):
        content = b"".join(NAME.encode(t) for t in texts)
        return len(content).to_bytes(4, "big") + content

    g.bad("descending", raw("b", "a"))
    g.bad("the same twice", raw("a", "a"))
    g.bad("numeric order", raw("gw-2", "gw-10"))
    g.bad("shorter after longer", raw("gw-10", "gw-1"))
    g.bad("case-insensitive order", raw("a", "Z"))
    g.bad("an empty name in it", b"\x00\x00\x00\x03\x01a\x00")
    g.bad("a name crosses the end", b"\x00\x00\x00\x03\x01a\x02bc")
    g.bad("length counts members, not bytes", b"\x00\x00\x00\x02\x01a\x01b")
    g.bad("16-bit length", b"\x00\x04\x01a\x01b")
    g.bad("trailing byte", raw("a", "b") + b"\x00")
    return g


def descriptor():
    g = FormatGroup(
        "descriptor",
        "4.1",
        "Net descriptors and their hash. Refused: by the encoding or by the rules.",
        m.NetDescriptor,
        m.check_descriptor,
    )

    def good(name, **changes):
        value = world.descriptor(**changes)
        return g.good(name, value, hash=m.descriptor_hash(value).hex())

    def bad(name, **changes):
        g.bad(name, m.NetDescriptor.encode(world.descriptor(**changes)))

    encoded = good("quarter hours, three slots")
    good("no region", region="")
    good("region of 64 bytes", region="ü" * 32)
    good("one slot", slots=[world.IMPORT])
    many = [{"obis": bytes([1, 0, n, 7, 0, 255]), "unit": 27, "scale": -3} for n in range(1, 33)]
    good("32 slots", slots=many)
    good("scale 127", slots=[{**world.POWER, "scale": 127}])
    good("scale -128", slots=[{**world.POWER, "scale": -128}])
    good("ten seconds", interval_s=10, submit_window_s=3, correction_window_s=3)
    good("windows leave one second", interval_s=11, submit_window_s=6, correction_window_s=4)
    good("no correction window", correction_window_s=0)
    good("smallest net", min_size=4, out_degree=3, threshold=3)
    good("largest numbers", interval_s=2**32 - 1, min_size=2**32 - 1, out_degree=65535, threshold=65535,
         max_loss_permille=999, epoch_length=2**32 - 1)  # fmt: skip
    good("threshold 0", threshold=0)
    good("double mask", correction_mode=2)
    good("double mask, every holder is needed", correction_mode=2, threshold=4)
    good("double mask, threshold just above half of an odd number", correction_mode=2, out_degree=5, threshold=3)
    good("double mask, most holders, fewest of them needed", correction_mode=2, out_degree=255, threshold=128)
    good("another provider key", provider_key=world.p256_public(world.OTHER_PROVIDER))

    g.usual_suspects(encoded)
    g.bad("version 0", patched(encoded, 0, b"\x00"))
    g.bad("version 2", patched(encoded, 0, b"\x02"))
    g.bad("net with a space", swapped(encoded, b"strehlen-7", b"strehlen 7"))
    g.bad("net without a name", b"\x01\x00" + encoded[12:])
    g.bad("region is not UTF-8", swapped(encoded, b"Dresden", b"Dresd\xff\xfe"))
    bad("region of 65 bytes", region="x" * 65)
    bad("no slot", slots=[])
    bad("33 slots", slots=many + [{"obis": bytes([1, 0, 99, 7, 0, 255]), "unit": 27, "scale": 0}])
    bad("an OBIS code twice", slots=[world.IMPORT, world.POWER, {**world.IMPORT, "scale": 0}])
    g.bad("slot list of 7 bytes", swapped(encoded, b"\x00\x18\x01\x00", b"\x00\x07\x01\x00"))
    bad("interval 0", interval_s=0, submit_window_s=0, correction_window_s=0)
    bad("submission window 0", submit_window_s=0)
    bad("windows fill the interval", interval_s=120)
    bad("windows longer than the interval", interval_s=119)
    bad("windows overflow 32 bits", submit_window_s=2**32 - 1, correction_window_s=2**32 - 1)
    bad("minimum size 3", min_size=3)
    bad("out-degree 2", out_degree=2, threshold=2)
    bad("threshold above out-degree", out_degree=4, threshold=5)
    bad("double mask, threshold above out-degree", correction_mode=2, out_degree=4, threshold=5)
    bad("double mask, threshold half of the out-degree", correction_mode=2, out_degree=4, threshold=2)
    bad("double mask, threshold below half of the out-degree", correction_mode=2, out_degree=5, threshold=2)
    bad("double mask, threshold 1", correction_mode=2, out_degree=3, threshold=1)
    bad("double mask, threshold 0", correction_mode=2, threshold=0)
    bad("double mask, 256 holders", correction_mode=2, out_degree=256, threshold=129)
    bad("double mask, 65535 holders and twice the threshold overflows", correction_mode=2, out_degree=65535,
        threshold=65535)  # fmt: skip
    bad("loss of everything", max_loss_permille=1000)
    bad("epoch of no rounds", epoch_length=0)
    mode = len(encoded) - 32 - 33 - 4 - 1
    g.bad("correction mode 0", patched(encoded, mode, b"\x00"))
    g.bad("correction mode 3", patched(encoded, mode, b"\x03"))
    bad("provider key at infinity", provider_key=bytes(33))
    bad("provider key not on the curve", provider_key=b"\x02" + b"\xff" * 32)
    uncompressed_tag = b"\x04" + world.p256_public(world.PROVIDER)[1:]
    bad("provider key with the tag of an uncompressed point", provider_key=uncompressed_tag)
    return g


def edge_sets():
    g = FormatGroup("edge-sets", "4.3", "Sets of ends of edges: ascending by client, no client twice.", m.EDGES)
    g.good("empty", [])
    encoded = g.good("one", ends(["gw-1"]))
    g.good("bytes, not numbers: gw-1, gw-10, gw-2", ends(["gw-1", "gw-10", "gw-2"]))
    backwards = [{"client": "a", "agreement": b"\xff" * 32}, {"client": "b", "agreement": bytes(32)}]
    g.good("the order is that of the clients, not of the hashes", backwards)
    g.good("two clients with one hash", [{**end("gw-1"), "client": client} for client in ("a", "b")])
    g.good("70 members", ends(sorted(f"gw-{n}" for n in range(70))))
    for name, edges in unordered_edges().items():
        g.bad(name, m.EDGES.encode(edges))
    g.bad("numeric order", m.EDGES.encode(ends(["gw-2", "gw-10"])))
    g.bad("case-insensitive order", m.EDGES.encode(ends(["a", "Zwinger.3"])))

    def raw(*pieces):
        content = b"".join(pieces)
        return len(content).to_bytes(4, "big") + content

    first, second = m.EdgeEnd.encode(end("a")), m.EdgeEnd.encode(end("gw-1"))
    g.bad("clients without hashes", m.CLIENTS.encode(["a", "gw-1"]))
    g.bad("the last hash cut short", raw(first, second[:-1]))
    g.bad("the first hash cut short", raw(first[:-1], second))
    g.bad("the last hash left out", raw(first, second[:5]))
    g.bad("hashes of 33 bytes", raw(first + b"\x00", second + b"\x00"))
    g.bad("a hash before its client", raw(first[2:] + first[:2]))
    g.bad("an end without a name", raw(b"\x00" + first[2:]))
    g.bad("a hash crosses the end", (len(first) - 1).to_bytes(4, "big") + first)
    g.bad("length counts members, not bytes", b"\x00\x00\x00\x02" + first + second)
    g.bad("16-bit length", raw(first, second)[2:])
    g.usual_suspects(encoded)
    return g


def unordered_edges():
    """Neighbours that are not strictly ascending by client: name and list."""
    newer = end("a", serial=2)
    return {
        "neighbours not sorted": ends(["a", "Zwinger.3", "gw-10"]),
        "a neighbour twice with one hash": ends(["Zwinger.3", "a", "a", "gw-10"]),
        "a neighbour twice with different hashes": [end("Zwinger.3"), end("a"), newer, end("gw-10")],
        "a neighbour twice with different hashes, the other way": [end("Zwinger.3"), newer, end("a"), end("gw-10")],
    }


def _signed(label, kind, client, **fields):
    key = world.statement_key(client)
    body = {"net": world.NET, "descriptor": H, "client": client, **fields}
    return {"body": body, "signature": m.sign(key, label, kind, body)}


def leaf(client, **changes):
    return {"client": client, "package": m.package_hash(world.package(client, **changes))}


def end(client, own="gw-1", descriptor=H, **changes):
    """The end of an edge of `own` at `client`; `changes` are those of that one's key package."""
    ends = world.edge_end(own, client, descriptor=descriptor), world.edge_end(
        client, own, descriptor=descriptor, **changes
    )
    return {"client": client, "agreement": agreement(descriptor, *ends)}


def ends(clients):
    return [end(client) for client in clients]


THREE = ("Zwinger.3", "a", "gw-10")


TWO = ("Zwinger.3", "gw-10")


def neighbourhood(client="gw-1", serial=7, neighbours=THREE, package=None, edges=None, holders=TWO):
    fields = {
        "package": package or leaf(client)["package"],
        "serial": serial,
        "neighbours": ends(neighbours) if edges is None else edges,
        "holders": list(holders),
    }
    return _signed(m.NEIGHBOURHOOD, m.Neighbourhood, client, **fields)


def exit_statement(client="gw-1", serial=8, neighbours=THREE):
    return _signed(m.EXIT, m.ExitStatement, client, serial=serial, neighbours=list(neighbours))


# The five members of the net in the order of the member tree.
TREE = sorted(world.CLIENTS, key=str.encode)


def manifest_edges(edges, roles=(3, 2, 1, 0)):
    """Ends of edges as a manifest has them: with an index in the member tree and a role."""
    order = TREE if {end["client"] for end in edges} <= set(TREE) else [end["client"] for end in edges]
    return [
        {**end, "index": order.index(end["client"]), "role": roles[i % len(roles)]} for i, end in enumerate(edges)
    ]


def head(**changes):
    leaves = [m.MemberLeaf.encode(leaf(client)) for client in TREE]
    return {"epoch": 12, "first_round": 2_000_001, "members": 5, "member_root": mth(leaves), **changes}


FOUR = ("Zwinger.3", "a", "gw-10", "gw-2")


def manifest(neighbours=FOUR, index=TREE.index("gw-1"), edges=None, log_index=41, **changes):
    """Of gw-1; `changes` are those of the head of its epoch."""
    body = {
        "net": world.NET,
        "descriptor": H,
        "client": "gw-1",
        "head": head(**changes),
        "log_index": log_index,
        "index": index,
        "neighbours": manifest_edges(ends(neighbours)) if edges is None else edges,
    }
    return {"body": body, "signature": m.sign(world.PROVIDER, m.MANIFEST, m.Manifest, body)}


def correction(**changes):
    body = {
        "net": world.NET,
        "descriptor": H,
        "epoch": 12,
        "round": 2_000_005,
        "missing": ["gw-2"],
        **changes,
    }
    return {"body": body, "signature": m.sign(world.PROVIDER, m.CORRECTION, m.Correction, body)}


def checkpoint(size=40, root=None, key=world.PROVIDER, label=m.CHECKPOINT, **changes):
    body = {"net": world.NET, "descriptor": H, "size": size, "root": root or sha256(b"log"), **changes}
    return {"body": body, "signature": m.sign(key, label, m.Checkpoint, body)}


def notice(reason, sender, receiver, shown=None, kind=m.OFFER, **changes):
    """`shown` is the sender's newest checkpoint."""
    value = {
        "reason": reason,
        "own_package_hash": world.identity(sender)[1],
        "peer_package_hash": world.identity(receiver)[1],
        "own": None if kind == m.SHOW else world.ephemeral(sender, receiver),
        "peer": world.ephemeral(receiver, sender) if kind == m.ACCEPT else None,
        "checkpoint": shown,
        **changes,
    }
    return m.EdgeNotice.encode(value)


def sealed(sender="gw-1", receiver="a", kind=1, reason=1, shown=None):
    key = tunnel_key(
        H,
        world.agreement_secret(sender),
        world.package(receiver)["public_key"],
        world.identity(sender),
        world.identity(receiver),
    )
    head = {"net": world.NET, "descriptor": H, "from": sender, "to": receiver, "kind": kind}
    nonce = sha256(f"nonce {sender} {receiver} {kind} {reason}".encode())[:24]
    return seal_envelope(key, head, nonce, notice(reason, sender, receiver, shown, kind))


def envelopes():
    g = FormatGroup("envelopes", "4.6", "Envelopes as the provider sees them: no key needed.", m.Envelope)
    value = sealed()
    encoded = g.good("offer", value)
    g.good("accept", sealed("a", "gw-1", 2))
    g.good("checkpoint", sealed(kind=3, shown=checkpoint()))
    g.good("84 zeros", {**value, "ciphertext": bytes(84)})
    g.good("335 zeros", {**value, "ciphertext": bytes(335)})
    g.good("to itself is well formed", {**value, "to": "gw-1"})
    g.usual_suspects(encoded)
    for length in (0, 1, 16, 67, 82, 83, 336, 400):
        g.bad(f"ciphertext of {length} bytes", m.Envelope.encode({**value, "ciphertext": bytes(length)}))
    kind = 11 + 32 + 5 + 2
    g.bad("kind 0", patched(encoded, kind, b"\x00"))
    g.bad("kind 4", patched(encoded, kind, b"\x04"))
    g.bad("receiver without a name", swapped(encoded, b"\x04gw-1\x01a", b"\x04gw-1\x00"))
    g.bad("sender begins with a dash", swapped(encoded, b"\x04gw-1\x01a", b"\x04-w-1\x01a"))
    g.bad("nonce of 12 bytes", swapped(encoded, value["nonce"], value["nonce"][:12]))
    g.bad("ciphertext announces 4 GiB", patched(encoded, kind + 25, b"\xff\xff\xff\xff"))
    g.bad("ciphertext announces one byte less", patched(encoded, kind + 25, b"\x00\x00\x00\x51"))
    g.bad("ciphertext with a 16-bit length", encoded[: kind + 25] + b"\x00\x52" + encoded[kind + 29 :])
    return g


def messages():
    g = FormatGroup("inbox", "4.9", "Inboxes with all four kinds of message.", m.Inbox)
    all_four = [
        {"sequence": 1, "message": {"kind": 1, "body": sealed()}},
        {"sequence": 2, "message": {"kind": 2, "body": manifest()}},
        {"sequence": 5, "message": {"kind": 3, "body": correction()}},
        {"sequence": 2**64 - 1, "message": {"kind": 4, "body": exit_statement()}},
    ]
    g.good("empty", {"deliveries": []})
    for item, what in zip(all_four, ["envelope", "manifest", "correction", "exit"]):
        g.good(f"one {what}", {"deliveries": [item]})
    encoded = g.good("one of each kind", {"deliveries": all_four})
    g.usual_suspects(encoded)
    one = m.Inbox.encode({"deliveries": [all_four[1]]})
    g.bad("kind 0", patched(one, 12, b"\x00"))
    g.bad("kind 5", patched(one, 12, b"\x05"))
    g.bad("manifest announced as correction", patched(one, 12, b"\x03"))
    g.bad("length one too short", (len(one) - 5).to_bytes(4, "big") + one[4:])
    g.bad("length 4 GiB", patched(one, 0, b"\xff\xff\xff\xff"))
    g.bad("16-bit length", one[2:])
    g.bad("half a delivery", b"\x00\x00\x00\x08" + one[4:12])
    return g


def member_lists():
    g = FormatGroup("member-lists", "4.11", "Member lists: ascending by client.", m.MemberList)

    def summary(client, serial=1):
        return {"client": client, "serial": serial, "package_hash": world.identity(client)[1]}

    g.good("empty", {"members": []})
    g.good("one", {"members": [summary("gw-1")]})
    members = sorted(world.CLIENTS, key=str.encode)
    encoded = g.good("five", {"members": [summary(c) for c in members]})
    g.usual_suspects(encoded)
    unsorted = [summary("gw-2"), summary("gw-1")]
    g.bad("not ascending", m.MemberList.encode({"members": unsorted}))
    twice = [summary("gw-1"), summary("gw-1", 2)]
    g.bad("one client with two serials", m.MemberList.encode({"members": twice}))
    g.bad("length in members", b"\x00\x00\x00\x05" + encoded[4:])
    return g


GROUPS = [names, client_lists, edge_sets, descriptor, envelopes, messages, member_lists]
