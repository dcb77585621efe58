"""Groups of superpositions: whole small nets, complete or with members missing."""

import messages as m
import world
from case import Group
from dcnet import add, correct, mask, signed_pads, to_signed
from derivations import H, derived_edge_key
from primitives import chacha20_keystream, sha256

MEMBERS = ["gw-1", "gw-10", "gw-2", "Zwinger.3", "a", "gw-3"]


def _complete(n):
    return [(x, y) for i, x in enumerate(MEMBERS[:n]) for y in MEMBERS[i + 1 : n]]


def _edges_of(own, edges, epoch):
    peers = [b if a == own else a for a, b in edges if own in (a, b)]
    return {peer: derived_edge_key(own, peer, epoch) for peer in peers}


def _frames(edges, epoch, round_number, readings, slots):
    return {own: mask(own, _edges_of(own, edges, epoch), round_number, slots, r) for own, r in readings.items()}


def _net(n, edges, epoch, round_number, slots, readings):
    members = sorted(readings, key=str.encode)
    masked = _frames(edges, epoch, round_number, readings, slots)
    return {
        "descriptor": H.hex(),
        "epoch": str(epoch),
        "head": m.EpochHead.encode(world.epoch_head(epoch)).hex(),
        "round": str(round_number),
        "slots": slots,
        "members": [
            {
                "client": c,
                "index": world.INDEX[c],
                "secret": world.agreement_secret(c).hex(),
                "package": m.KeyPackage.encode(world.package(c)).hex(),
                "neighbours": sorted(_edges_of(c, edges, epoch), key=str.encode),
                "ephemerals": world.ephemerals(c, sorted(_edges_of(c, edges, epoch), key=str.encode)),
                "reading": None if readings[c] is None else [str(v) for v in readings[c]],
                "masked": [str(w) for w in masked[c]],
            }
            for c in members
        ],
    }, masked


def reading_of(seed, slots):
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
        return {c: reading_of(f"{seed} {c}", slots) for c in MEMBERS[:n]}

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
        readings = {c: None if c in silent else reading_of(f"corrected {c}", slots) for c in MEMBERS[:n]}
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
        key = derived_edge_key("a", "gw-2", 12)
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


GROUPS = [superpositions, corrected]
