"""The group of rosters."""

import messages as m
import world
from case import patched, swapped
from formats import TREE
from merkle import mth
from primitives import sha256
from statements import StatementGroup

H = world.MASKED_HASH
LEAVES = [m.MemberLeaf.encode({"client": c, "package": world.identity(c, descriptor=H)[1]}) for c in TREE]


def bits(members, indices):
    """A bitmap of so many members. An index behind its last byte has no place in it."""
    out = bytearray((members + 7) // 8)
    for index in (index for index in indices if index // 8 < len(out)):
        out[index // 8] |= 1 << index % 8
    return bytes(out)


def roster(indices=(0, 1, 2, 4), **changes):
    """A body: that of the first roster of a round, in which gw-10 is missing."""
    members = changes.get("members", len(TREE))
    return {
        "net": world.NET,
        "descriptor": H,
        "epoch": 12,
        "round": 2_000_005,
        "member_root": mth(LEAVES),
        "members": members,
        "step": 1,
        "reveal": 0,
        "contributors": len(indices),
        "present": bits(members, indices),
        **changes,
    }


def sign(body, key=world.PROVIDER, label=m.ROSTER):
    return {"body": body, "signature": m.sign(key, label, m.Roster, body)}


def rosters():
    g = StatementGroup(
        "rosters",
        "4.12",
        "Rosters signed by the provider, with their hash; and pairs of rosters, refused if they "
        "contradict each other.",
        m.Roster,
        m.ROSTER,
        world.PROVIDER,
        more=lambda body: {"hash": m.hashed(m.ROSTER_HASH, m.Roster, body).hex()},
    )
    good = sign(roster())
    g.common(good, m.ROSTER_HASH, world.OTHER_PROVIDER)
    g.check("everybody, reveal", sign(roster(range(5), reveal=1)))
    g.check("nobody has a reading", sign(roster(contributors=0)))
    g.check("nobody is present", sign(roster(())))
    g.check("no members at all is well formed", sign(roster((), members=0)))
    g.check("eight members fill a byte", sign(roster(range(8), members=8)))
    g.check("nine members, the last one only", sign(roster((8,), members=9)))
    g.check("1000 members, every third", sign(roster(range(0, 1000, 3), members=1000)))
    g.check("step 255", sign(roster(step=255)))
    g.check("largest numbers", sign(roster(epoch=2**64 - 1, round=2**64 - 1)))

    def bad(name, **changes):
        g.check(name, sign(roster(**changes)))

    bad("step 0", step=0)
    bad("a bit behind the last member's", present=b"\x37")
    bad("the uppermost bit", present=b"\x97")
    bad("all bits", present=b"\xff")
    bad("a byte more than members need", present=b"\x17\x00")
    bad("a byte fewer than members need", members=9, present=b"\x17")
    bad("no byte", present=b"", contributors=0)
    bad("a byte for no members", members=0, present=b"\x00", contributors=0)
    bad("more contributors than present", contributors=5)
    bad("a contributor and nobody present", present=b"\x00", contributors=1)
    bad("contributors 2^32 - 1", contributors=2**32 - 1)
    bad("one member less than bits", members=4)
    bad("2^32 - 1 members", members=2**32 - 1, present=b"\x17")
    encoded = m.signed(m.Roster).encode(good)
    at = len(encoded) - 66 - 3  # the bits with their length
    g.check("reveal 2", encoded=patched(encoded, at - 5, b"\x02"))
    g.check("reveal 255", encoded=patched(encoded, at - 5, b"\xff"))
    g.check("bits with an 8-bit length", encoded=encoded[:at] + encoded[at + 1 :])
    g.check("bits without a length", encoded=encoded[:at] + encoded[at + 2 :])
    g.check("bits with a 32-bit length", encoded=encoded[:at] + b"\x00\x00" + encoded[at:])
    root = good["body"]["member_root"]
    g.check("member root one byte short", encoded=swapped(encoded, root, root[:-1]))
    for field, value in [
        ("epoch", 13),
        ("round", 2_000_006),
        ("member_root", sha256(b"x")),
        ("members", 6),
        ("step", 2),
        ("reveal", 1),
        ("contributors", 3),
        ("present", b"\x0f"),
    ]:
        g.check(f"{field} changed after signing", {**good, "body": {**good["body"], field: value}})
    _pairs(g)
    return g


def _pairs(g):
    def pair(name, one, other):
        content = {"one": m.Roster.encode(one).hex(), "other": m.Roster.encode(other).hex()}
        why = m.contradict(one, other)
        if m.contradict(other, one) != why:
            raise ValueError(f"{name}: the order matters")
        if why is None:
            g.accepted(f"pair: {name}", **content)
        else:
            g.refused(f"pair: {name}", why, **content)

    first, all_five = roster(), roster(range(5), reveal=1)
    pair("the same", first, first)
    pair("the next step asks for share keys", first, roster(step=2, reveal=1))
    pair("the next step is smaller", first, roster((0, 1, 4), step=2))
    pair("a later step is smaller and reveals", first, roster((0, 1), step=4, reveal=1))
    pair("the next step has the same members and still asks for pads", first, roster(step=2))
    pair("nobody is left", first, roster((), step=2))
    pair("the next step is smaller and has fewer contributors", first, roster((0, 1), step=2, contributors=1))
    pair("the next step has more contributors", roster(contributors=2), roster(step=2, contributors=4))
    pair("the next step has the same members and fewer contributors", first, roster(step=2, contributors=3))
    pair("another round", first, roster((0, 1, 2), round=2_000_006))
    pair("another round, of another epoch", first, roster(range(4), round=2_000_006, epoch=13, member_root=bytes(32)))
    pair("another net", first, roster((0, 1, 2), net="strehlen-8"))
    pair("other parameters", first, roster((0, 1, 2), descriptor=sha256(b"other")))
    pair("two reveals of two rounds", all_five, {**all_five, "round": 2_000_006})

    pair("one step, another member", first, roster((0, 1, 2, 3)))
    pair("one step, fewer members", first, roster((0, 1, 2)))
    pair("one step, another question", first, roster(reveal=1))
    pair("one step, other contributors", first, roster(contributors=3))
    pair("one step, another epoch", first, roster(epoch=13))
    pair("one step, another member tree", first, roster(member_root=sha256(b"x")))
    pair("one step, another number of members", first, roster(members=6))
    pair("the next step, another epoch", first, roster(step=2, epoch=13))
    pair("the next step, another member tree", first, roster(step=2, member_root=sha256(b"x")))
    pair("the next step, another number of members", first, roster(step=2, members=6))
    pair("the next step has one more", first, roster(range(5), step=2))
    pair("the next step has another one", first, roster((0, 1, 2, 3), step=2))
    pair("a later step has one that was missing", first, roster((3,), step=200, reveal=1))
    pair("the next step behind a reveal", all_five, roster(step=2))
    pair("the same members behind a reveal", all_five, roster(range(5), step=2, reveal=1))
    pair("a later step behind a reveal", roster(step=2, reveal=1), roster((0, 1), step=9))


GROUPS = [rosters]
