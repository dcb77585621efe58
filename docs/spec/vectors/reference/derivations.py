"""Groups of derived keys, opened envelopes, pads and superpositions."""

import messages as m
import world
from case import Group
from codec import decode, to_json
from dcnet import (
    add,
    correct,
    edge_key,
    mask,
    open_envelope,
    pad_words,
    seal_envelope,
    signed_pads,
    to_signed,
    tunnel_key,
)
from primitives import Refused, chacha20_keystream, sha256, x25519

H = world.DESCRIPTOR_HASH
FIELD = 2**255 - 19

# Public keys that give an all-zero shared secret with every private key: the points whose order
# divides 8 on the curve and on its twist, reduced and, where 255 bits allow it, not reduced;
# X25519 ignores the top bit (RFC 7748 section 5).
LOW_ORDER = {
    "0": 0,
    "1": 1,
    "p - 1": FIELD - 1,
    "p, not reduced": FIELD,
    "p + 1, not reduced": FIELD + 1,
    "order 8": int.from_bytes(
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"
    ),
    "another of order 8": int.from_bytes(
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"
    ),
    "0 with the top bit": 1 << 255,
    "1 with the top bit": (1 << 255) + 1,
}


def _ends(own, peer, peer_public=None):
    """What one end knows, as the vectors carry it."""
    peer_package = world.package(peer)
    if peer_public is not None:
        peer_package["public_key"] = peer_public
    return {
        "descriptor": H.hex(),
        "own_secret": world.agreement_secret(own).hex(),
        "own_package": m.KeyPackage.encode(world.package(own)).hex(),
        "peer_package": m.KeyPackage.encode(peer_package).hex(),
    }


def _edge_key(own, peer, epoch, descriptor=H):
    return edge_key(
        descriptor,
        world.agreement_secret(own),
        world.package(peer)["public_key"],
        world.identity(own),
        world.identity(peer),
        epoch,
    )


def edge_keys():
    g = Group("edge-keys", "3.5", "The key of an edge in one epoch, derived by one of its ends.")
    pairs = [("gw-1", "gw-10"), ("gw-10", "gw-2"), ("Zwinger.3", "a"), ("a", "gw-1")]
    for own, peer in pairs:
        if _edge_key(own, peer, 3) != _edge_key(peer, own, 3):
            raise ValueError("both ends must derive one key")
        g.accepted(f"{own} with {peer}", **_ends(own, peer), epoch="3", key=_edge_key(own, peer, 3).hex())
        g.accepted(f"{peer} with {own}", **_ends(peer, own), epoch="3", key=_edge_key(peer, own, 3).hex())
    for epoch in (0, 1, 256, 2**64 - 1):
        key = _edge_key("gw-1", "a", epoch)
        g.accepted(f"epoch {epoch}", **_ends("gw-1", "a"), epoch=str(epoch), key=key.hex())
    other = sha256(b"other parameters")
    g.accepted(
        "other parameters",
        **{**_ends("gw-1", "a"), "descriptor": other.hex()},
        epoch="3",
        key=_edge_key("gw-1", "a", 3, other).hex(),
    )
    newer = world.package("a", serial=2)
    key = edge_key(
        H,
        world.agreement_secret("gw-1"),
        newer["public_key"],
        world.identity("gw-1"),
        ("a", m.package_hash(newer)),
        3,
    )
    ends = {**_ends("gw-1", "a"), "peer_package": m.KeyPackage.encode(newer).hex()}
    g.accepted("the same public key in a newer package", **ends, epoch="3", key=key.hex())
    if len({v["key"] for v in g.vectors}) != len(g.vectors) - len(pairs):
        raise ValueError("keys that should differ are equal")

    for name, u in LOW_ORDER.items():
        public = u.to_bytes(32, "little")
        _refuse_agreement(g, f"low order: {name}", public)
    return g


def _refuse_agreement(g, name, public):
    try:
        x25519(world.agreement_secret("gw-1"), public)
    except Refused as refusal:
        g.refused(name, str(refusal), **_ends("gw-1", "a", public), epoch="3")
    else:
        raise ValueError(f"{name} was accepted")


def _tunnel(sender, receiver, descriptor=H, by=None):
    """The key for envelopes from sender to receiver, computed by `by`."""
    by = by or sender
    peer = receiver if by == sender else sender
    return tunnel_key(
        descriptor,
        world.agreement_secret(by),
        world.package(peer)["public_key"],
        world.identity(sender),
        world.identity(receiver),
    )


def _head(sender, receiver, kind=1, **changes):
    return {"net": world.NET, "descriptor": H, "from": sender, "to": receiver, "kind": kind, **changes}


def _notice(reason, own, peer):
    return m.EdgeNotice.encode(
        {
            "reason": reason,
            "own_package_hash": world.identity(own)[1],
            "peer_package_hash": world.identity(peer)[1],
        }
    )


def tunnel():
    g = Group("tunnel", "3.6", "Envelopes opened by their addressee with the key shared with the sender.")
    nonce = sha256(b"tunnel nonce")[:24]

    def check(name, envelope, sender="gw-1", receiver="a"):
        content = {
            **_ends(receiver, sender),
            "envelope": m.Envelope.encode(envelope).hex(),
        }
        try:
            text = open_envelope(_tunnel(sender, receiver, by=receiver), envelope)
            notice = decode(m.EdgeNotice, text)
        except Refused as refusal:
            g.refused(name, str(refusal), **content)
        else:
            g.accepted(
                name,
                **content,
                sender_secret=world.agreement_secret(sender).hex(),
                key=_tunnel(sender, receiver).hex(),
                plaintext=text.hex(),
                fields=to_json(m.EdgeNotice, notice),
            )

    def seal(sender="gw-1", receiver="a", kind=1, reason=1, key=None, head=None, text=None):
        head = head or _head(sender, receiver, kind)
        text = _notice(reason, sender, receiver) if text is None else text
        return seal_envelope(key or _tunnel(sender, receiver), head, nonce, text)

    good = seal()
    check("offer, drawn", good)
    check("offer, bridge", seal(reason=2))
    check("offer, emergency", seal(reason=3))
    check("accept", seal(kind=2))
    check("the other direction", seal("a", "gw-1"), "a", "gw-1")
    check("upper case to lower case", seal("Zwinger.3", "gw-10"), "Zwinger.3", "gw-10")

    check("sealed with the key of the other direction", seal(key=_tunnel("a", "gw-1")))
    check("sealed with an edge key", seal(key=_edge_key("gw-1", "a", 3)))
    check("sealed under other parameters", seal(key=_tunnel("gw-1", "a", sha256(b"other"))))
    check("sealed for somebody else", seal(key=_tunnel("gw-1", "gw-2")))
    check("kind flipped on the way", {**good, "kind": 2})
    check("sender changed on the way", {**good, "from": "gw-2"})
    check("addressee changed on the way", {**good, "to": "gw-2"})
    check("net changed on the way", {**good, "net": "strehlen-8"})
    for what, field in (("nonce", "nonce"), ("ciphertext", "ciphertext")):
        first = bytes([good[field][0] ^ 1]) + good[field][1:]
        last = good[field][:-1] + bytes([good[field][-1] ^ 0x80])
        check(f"first bit of the {what} flipped", {**good, field: first})
        check(f"last bit of the {what} flipped", {**good, field: last})
    check("tag cut off", {**good, "ciphertext": good["ciphertext"][:-16]})
    check("ciphertext shorter than a tag", {**good, "ciphertext": good["ciphertext"][:15]})
    check("empty ciphertext", {**good, "ciphertext": b""})
    check("a byte behind the tag", {**good, "ciphertext": good["ciphertext"] + b"\x00"})
    text = _notice(1, "gw-1", "a")
    check("sealed text of reason 0", seal(text=b"\x00" + text[1:]))
    check("sealed text of reason 4", seal(text=b"\x04" + text[1:]))
    check("sealed text with a trailing byte", seal(text=text + b"\x00"))
    check("sealed text cut off", seal(text=text[:-1]))
    check("sealed empty text", seal(text=b""))
    return g


def pads():
    g = Group(
        "pads",
        "3.7",
        "Pad words of one edge in one round, before and after the sign of each end. No input is "
        "malformed here: every 64-bit round and every number of slots from 1 to 32 is a pad.",
    )

    def check(name, own, peer, epoch, round_number, slots):
        key = _edge_key(own, peer, epoch)
        g.accepted(
            name,
            **_ends(own, peer),
            epoch=str(epoch),
            round=str(round_number),
            slots=slots,
            key=key.hex(),
            words=[str(w) for w in pad_words(key, round_number, slots)],
            signed_words=[str(w) for w in signed_pads(own, peer, key, round_number, slots)],
        )

    for slots in (1, 2, 3, 7, 8, 9, 16, 17, 31, 32):
        check(f"{slots} slots", "gw-1", "gw-10", 12, 2_000_005, slots)
    check("seen from the other end", "gw-10", "gw-1", 12, 2_000_005, 9)
    check("the upper case id is smaller", "a", "Zwinger.3", 12, 2_000_005, 9)
    check("next round", "gw-1", "gw-10", 12, 2_000_006, 9)
    check("next epoch", "gw-1", "gw-10", 13, 2_000_005, 9)
    for round_number in (0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1):
        check(f"round {round_number}", "gw-1", "gw-10", 12, round_number, 9)
    everything = [w for v in g.vectors for w in v["words"]]
    if "0" in everything:
        raise ValueError("a word that is not masked")
    return g


MEMBERS = ["gw-1", "gw-10", "gw-2", "Zwinger.3", "a", "gw-3"]


def _complete(n):
    return [(x, y) for i, x in enumerate(MEMBERS[:n]) for y in MEMBERS[i + 1 : n]]


def _edges_of(own, edges, epoch):
    peers = [b if a == own else a for a, b in edges if own in (a, b)]
    return {peer: _edge_key(own, peer, epoch) for peer in peers}


def _frames(edges, epoch, round_number, readings, slots):
    return {own: mask(own, _edges_of(own, edges, epoch), round_number, slots, r) for own, r in readings.items()}


def _net(n, edges, epoch, round_number, slots, readings):
    members = sorted(readings, key=str.encode)
    masked = _frames(edges, epoch, round_number, readings, slots)
    return {
        "descriptor": H.hex(),
        "epoch": str(epoch),
        "round": str(round_number),
        "slots": slots,
        "members": [
            {
                "client": c,
                "secret": world.agreement_secret(c).hex(),
                "package": m.KeyPackage.encode(world.package(c)).hex(),
                "neighbours": sorted(_edges_of(c, edges, epoch), key=str.encode),
                "reading": None if readings[c] is None else [str(v) for v in readings[c]],
                "masked": [str(w) for w in masked[c]],
            }
            for c in members
        ],
    }, masked


def _values(seed, slots):
    """Deterministic values of both signs within what a reading may hold (section 3.8)."""
    stream = chacha20_keystream(sha256(seed.encode()), bytes(12), 8 * slots)
    words = [int.from_bytes(stream[8 * i : 8 * i + 8], "little") for i in range(slots)]
    return [w % 2_000_001 - 1_000_000 for w in words]


LIMIT = 1 << 42


def superpositions():
    g = Group(
        "superpositions",
        "3.8",
        "Masked words of every member of a small net, and their sum. 'refused' here means that the "
        "sum over the given members is not the sum of their readings, or that no frame may be made.",
    )

    def check(name, n, edges, epoch, round_number, slots, readings):
        net, masked = _net(n, edges, epoch, round_number, slots, readings)
        total = add(masked.values())
        present = [r for r in readings.values() if r is not None]
        expected = [sum(column) for column in zip(*present)] if present else [0] * slots
        if [to_signed(w) for w in total] != expected:
            raise ValueError(f"{name}: the pads do not cancel")
        g.accepted(name, **net, sum=[str(w) for w in total], signed_sum=[str(v) for v in expected])

    def readings(n, slots, seed):
        return {c: _values(f"{seed} {c}", slots) for c in MEMBERS[:n]}

    for n in (3, 4, 5, 6):
        check(f"complete graph of {n}, 3 slots", n, _complete(n), 12, 2_000_005, 3, readings(n, 3, "complete"))
    check("one slot", 4, _complete(4), 1, 1, 1, readings(4, 1, "one"))
    check("nine slots, over a block of keystream", 4, _complete(4), 1, 1, 9, readings(4, 9, "nine"))
    check("32 slots", 5, _complete(5), 2, 7, 32, readings(5, 32, "thirty-two"))
    octahedron = [e for e in _complete(6) if e not in {("gw-1", "gw-10"), ("gw-2", "Zwinger.3"), ("a", "gw-3")}]
    check("six members, four neighbours each", 6, octahedron, 12, 2_000_005, 3, readings(6, 3, "octahedron"))
    silent = readings(5, 3, "silent")
    silent["gw-2"] = None
    check("one member without a reading", 5, _complete(5), 12, 2_000_005, 3, silent)
    check("nobody has a reading", 4, _complete(4), 12, 2_000_005, 3, dict.fromkeys(MEMBERS[:4]))
    check("all readings 0", 4, _complete(4), 12, 2_000_005, 3, {c: [0, 0, 0] for c in MEMBERS[:4]})
    check("largest readings", 4, _complete(4), 12, 2_000_005, 2, {c: [LIMIT, -LIMIT] for c in MEMBERS[:4]})
    check("the sum is negative", 3, _complete(3), 12, 2_000_005, 1, {c: [-1] for c in MEMBERS[:3]})

    def fails(name, why, n, edges, frames, slots=3, **content):
        net, masked = frames
        total = add(masked.values())
        expected = [
            sum(int(member["reading"][s]) for member in net["members"] if member["reading"]) & (2**64 - 1)
            for s in range(slots)
        ]
        if any(a == b for a, b in zip(total, expected)):
            raise ValueError(f"{name}: a word cancels by accident")
        g.refused(name, why, **net, sum=[str(w) for w in total], **content)

    values = readings(5, 3, "broken")
    net, masked = _net(5, _complete(5), 12, 2_000_005, 3, values)
    short = {c: w for c, w in masked.items() if c != "gw-2"}
    fails(
        "one frame is missing",
        "pads towards the missing member do not cancel",
        5,
        None,
        ({**net, "members": [x for x in net["members"] if x["client"] != "gw-2"]}, short),
    )
    for name, why, epoch, round_number in [
        ("one member is an epoch behind", "edge keys of different epochs", 11, 2_000_005),
        ("one member is a round behind", "pads of different rounds", 12, 2_000_004),
    ]:
        edges = _edges_of("gw-2", _complete(5), epoch)
        other = {**masked, "gw-2": mask("gw-2", edges, round_number, 3, values["gw-2"])}
        fails(
            name,
            why,
            5,
            None,
            (_with_masked(net, other), other),
            odd_one={"client": "gw-2", "epoch": str(epoch), "round": str(round_number)},
        )
    edges = {p: k for p, k in _edges_of("gw-2", _complete(5), 12).items() if p != "a"}
    other = {**masked, "gw-2": mask("gw-2", edges, 2_000_005, 3, values["gw-2"])}
    one_sided = _with_masked(net, other)
    one_sided["members"] = [
        {**x, "neighbours": [p for p in x["neighbours"] if p != "a"]} if x["client"] == "gw-2" else x
        for x in one_sided["members"]
    ]
    fails("an edge at one end only", "a pad that nobody subtracts", 5, None, (one_sided, other))

    for name, reading in [
        ("no value", []),
        ("a value too few", [1, 2]),
        ("a value too many", [1, 2, 3, 4]),
        ("33 values", [0] * 33),
        ("a value above 2^42", [LIMIT + 1, 0, 0]),
        ("a value below -2^42", [0, 0, -LIMIT - 1]),
        ("the smallest 64-bit value", [-(2**63), 0, 0]),
    ]:
        g.refused(name, "not a reading of this net", reading_only=[str(v) for v in reading], slots=3)
    return g


def _with_masked(net, masked):
    return {**net, "members": [{**x, "masked": [str(w) for w in masked[x["client"]]]} for x in net["members"]]}


def corrected():
    g = Group(
        "corrected-superpositions",
        "3.9",
        "A net of which some members are missing: every remaining member's words without its pads "
        "towards them, and the sum of the remaining readings. 'refused': the sum is not that.",
    )

    def check(name, n, edges, missing, slots=3, silent=()):
        epoch, round_number = 12, 2_000_005
        readings = {c: None if c in silent else _values(f"corrected {c}", slots) for c in MEMBERS[:n]}
        net, masked = _net(n, edges, epoch, round_number, slots, readings)
        rest = {
            c: correct(c, _edges_of(c, edges, epoch), round_number, words, missing)
            for c, words in masked.items()
            if c not in missing
        }
        total = add(rest.values())
        present = [r for c, r in readings.items() if c not in missing and r is not None]
        if [to_signed(w) for w in total] != [sum(column) for column in zip(*present)]:
            raise ValueError(f"{name}: the pads do not cancel")
        return _corrected_vector(net, rest, missing), total

    def good(name, *args, **kwargs):
        vector, total = check(name, *args, **kwargs)
        g.accepted(name, **vector, sum=[str(w) for w in total])

    octahedron = [e for e in _complete(6) if e not in {("gw-1", "gw-10"), ("gw-2", "Zwinger.3"), ("a", "gw-3")}]
    good("one of 4 missing", 4, _complete(4), ["gw-1"])
    good("one of 5 missing", 5, _complete(5), ["gw-2"])
    good("two of 6 missing, neighbours of each other", 6, _complete(6), ["a", "gw-10"])
    good("two of 6 missing, strangers to each other", 6, octahedron, ["a", "gw-3"])
    good("one of 6 missing, one of the rest does not know it", 6, octahedron, ["gw-1"])
    good("nine slots", 5, _complete(5), ["Zwinger.3"], slots=9)
    good("a neighbour has no reading", 5, _complete(5), ["gw-2"], silent=("a",))

    def bad(name, why, n, edges, missing, tamper):
        vector, _ = check(name, n, edges, missing)
        tamper(vector)
        rest = [x for x in vector["members"] if x["client"] not in missing]
        total = add([[int(w) for w in x["corrected"]] for x in rest])
        expected = [sum(int(x["reading"][s]) for x in rest) & (2**64 - 1) for s in range(3)]
        if any(a == b for a, b in zip(total, expected)):
            raise ValueError(f"{name}: a word cancels by accident")
        g.refused(name, why, **vector, sum=[str(w) for w in total])

    def one_original(vector):
        member = next(x for x in vector["members"] if x["client"] == "a")
        member["corrected"] = member["masked"]

    bad(
        "one neighbour did not resend",
        "its pad towards the missing member stays",
        5,
        _complete(5),
        ["gw-2"],
        one_original,
    )

    def wrong_sign(vector):
        member = next(x for x in vector["members"] if x["client"] == "a")
        key = _edge_key("a", "gw-2", 12)
        pads_ = signed_pads("a", "gw-2", key, 2_000_005, 3)
        member["corrected"] = [str((int(w) + p) & (2**64 - 1)) for w, p in zip(member["masked"], pads_)]

    bad(
        "one neighbour took the pad out with the wrong sign",
        "the pad is in twice",
        5,
        _complete(5),
        ["gw-2"],
        wrong_sign,
    )

    def wrong_member(vector):
        member = next(x for x in vector["members"] if x["client"] == "a")
        edges = _edges_of("a", _complete(5), 12)
        words = correct("a", edges, 2_000_005, [int(w) for w in member["masked"]], ["gw-1"])
        member["corrected"] = [str(w) for w in words]

    bad("one neighbour corrected for another member", "two pads stay", 5, _complete(5), ["gw-2"], wrong_member)
    return g


def _corrected_vector(net, rest, missing):
    members = [
        {**x, **({"corrected": [str(w) for w in rest[x["client"]]]} if x["client"] in rest else {})}
        for x in net["members"]
    ]
    return {**net, "members": members, "missing": sorted(missing, key=str.encode)}


GROUPS = [edge_keys, tunnel, pads, superpositions, corrected]
