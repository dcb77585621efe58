"""Groups of what a provider signs so that it can be held to it: receipts, evidence."""

import formats
import messages as m
import rosters
import world
from case import FormatGroup, Group, patched, swapped
from codec import decode, to_json
from frames import PLAIN, frame
from merkle import mth, path
from primitives import Refused, p256_public, p256_scalar, sha256

H = world.MASKED_HASH


def receipt(client="gw-1", **changes):
    sent = frame(m.TRANSMIT, PLAIN, client=client, descriptor=H)
    return {
        "net": world.NET,
        "descriptor": H,
        "client": client,
        "epoch": 12,
        "round": 2_000_005,
        "notification": m.TRANSMIT,
        "frame_hash": sha256(m.Frame.encode(sent)),
        **changes,
    }


def batch(all_receipts, key=world.PROVIDER, label=m.RECEIPTS, **changes):
    """The receipts with one signature, in their order."""
    leaves = [m.Receipt.encode(one) for one in all_receipts]
    body = {"net": world.NET, "descriptor": H, "size": len(leaves), "root": mth(leaves), **changes}
    signed = {"body": body, "signature": m.sign(key, label, m.ReceiptBatch, body)}
    return [
        {"receipt": one, "batch": signed, "index": index, "path": path(index, leaves)}
        for index, one in enumerate(all_receipts)
    ]


def receipts():
    g = FormatGroup(
        "receipts",
        "4.10",
        "Receipts. With `signed`: signed receipts under a descriptor; `receipts` are all of their batch.",
        m.Receipt,
    )
    value = receipt()
    encoded = g.good("transmit", value)
    for number in (1, 2, 3, 4, 6, 7):
        g.good(f"notification {number}", {**value, "notification": number})
    g.usual_suspects(encoded)
    g.bad("notification 0", patched(encoded, len(encoded) - 33, b"\x00"))
    g.bad("notification 8", patched(encoded, len(encoded) - 33, b"\x08"))
    g.bad("hash of 31 bytes", encoded[:-1])
    g.bad("without a descriptor hash", swapped(encoded, H, b""))
    g.bad("client without a name", swapped(encoded, b"\x04gw-1", b"\x00"))
    _signed(g)
    return g


def _signed(g):
    descriptor = m.NetDescriptor.encode(world.MASKED).hex()

    def check(name, values=None, encoded=None, **content):
        encoded = encoded or [m.SignedReceipt.encode(value) for value in values]
        content = {"descriptor": descriptor, "signed": [one.hex() for one in encoded], **content}
        reasons, fields = set(), []
        for one in encoded:
            try:
                got = decode(m.SignedReceipt, one)
                m.verify_receipt(world.MASKED, got)
                fields.append(to_json(m.SignedReceipt, got))
            except Refused as refusal:
                reasons.add(str(refusal))
        if fields and reasons:
            raise ValueError(f"{name}: some are accepted, some are not")
        if fields:
            g.accepted(name, **content, fields=fields)
        else:
            g.refused(name, "; ".join(sorted(reasons)), **content)

    scalar = p256_scalar(world.PROVIDER).hex()
    everybody = [receipt(client) for client in (*formats.TREE, "gw-3", "gw-4", "gw-5")]
    for count in (1, 2, 3, 5, 8):
        some = everybody[:count]
        whole = {"receipts": [m.Receipt.encode(one).hex() for one in some], "signing_scalar": scalar}
        check(f"batch of {count}", batch(some), **whole)
    check("the same receipt twice in a batch", batch([everybody[0], everybody[0], everybody[1]]))

    five = batch(everybody[:5])
    third = five[2]
    encoded = m.SignedReceipt.encode(third)

    def changed(**changes):
        return [{**third, **changes}]

    check("path without its first hash", changed(path=third["path"][1:]))
    check("path without its last hash", changed(path=third["path"][:-1]))
    check("empty path", changed(path=[]))
    check("one hash too many", changed(path=[*third["path"], bytes(32)]))
    check("path upside down", changed(path=third["path"][::-1]))
    check("path of another receipt", changed(path=five[1]["path"]))
    check("index of another receipt", changed(index=3))
    check("index behind the last", changed(index=5))
    check("largest index", changed(index=2**32 - 1))
    check("only receipt of a batch with a path", [{**batch(everybody[:1])[0], "path": [bytes(32)]}])
    half = third["path"][:-1] + [third["path"][-1][:31]]
    check("path that is no whole number of hashes", changed(path=half))
    check("path announces more than there is", encoded=[patched(encoded, len(encoded) - 98, b"\x00\x80")])
    check("path with a 32-bit length", encoded=[encoded[:-98] + b"\x00\x00" + encoded[-98:]])
    check("signed, trailing byte", encoded=[encoded + b"\x00"])
    check("without a path", encoded=[encoded[:-98]])
    for field, value in [("round", 2_000_006), ("frame_hash", sha256(b"x")), ("notification", m.PADS)]:
        check(f"{field} of the receipt changed", changed(receipt={**third["receipt"], field: value}))
    body = third["batch"]["body"]
    for field, value in [("root", sha256(b"x")), ("size", 8), ("net", "strehlen-8"), ("descriptor", sha256(b"x"))]:
        check(f"{field} changed after signing", changed(batch={**third["batch"], "body": {**body, field: value}}))
    check("signed by somebody else", batch(everybody[:5], key=world.OTHER_PROVIDER))
    check("signed under the label of a manifest", batch(everybody[:5], label=m.MANIFEST))
    check("batch of another net", batch(everybody[:5], net="strehlen-8"))
    check("batch of other parameters", batch(everybody[:5], descriptor=sha256(b"other")))
    check("receipts of another net", batch([receipt(net="strehlen-8"), receipt("a", net="strehlen-8")]))
    check("receipts of other parameters", batch([receipt(descriptor=world.DESCRIPTOR_HASH)]))
    check("batch of no receipts", batch(everybody[:1], size=0))
    check("root of hashes without prefixes", batch(everybody[:1], root=sha256(m.Receipt.encode(everybody[0]))))


def roster_evidence(one, other, descriptor=None):
    return {
        "magic": b"DCNE\x01",
        "descriptor": descriptor or world.MASKED,
        "kind": 1,
        "body": {"one": one, "other": other},
    }


def masked_manifest(client="gw-10", neighbours=("Zwinger.3", "a", "gw-1", "gw-2"), key=world.PROVIDER, **changes):
    """A manifest of the net of the rosters; `changes` are those of its body."""
    edges = [
        {**formats.end(c, own=client, descriptor=H), "index": formats.TREE.index(c), "role": 3}
        for c in neighbours
    ]
    body = {
        "net": world.NET,
        "descriptor": H,
        "client": client,
        "head": {"epoch": 12, "first_round": 2_000_001, "members": 5, "member_root": mth(rosters.LEAVES)},
        "log_index": 41,
        "index": formats.TREE.index(client),
        "neighbours": edges,
        **changes,
    }
    return {"body": body, "signature": m.sign(key, m.MANIFEST, m.Manifest, body)}


def receipt_evidence(given=None, roster=None, manifest=None):
    """gw-10 has a receipt, and the first roster calls it missing."""
    return {
        "magic": b"DCNE\x01",
        "descriptor": world.MASKED,
        "kind": 2,
        "body": {
            "receipt": given or batch([receipt(), receipt("gw-10"), receipt("a")])[1],
            "roster": roster or rosters.sign(rosters.roster()),
            "manifest": manifest or masked_manifest(),
        },
    }


def evidence():
    g = Group(
        "evidence",
        "4.13",
        "Evidence files: what the statements of a provider prove about a round, or about a log of some "
        "size. Refused: nothing, for "
        "all of it can be true, or is not the provider's, or cannot be read.",
    )

    def check(name, value=None, encoded=None):
        encoded = encoded if encoded is not None else m.Evidence.encode(value)
        try:
            got = decode(m.Evidence, encoded)
            number = m.verify_evidence(got)
        except Refused as refusal:
            g.refused(name, str(refusal), encoded=encoded.hex())
        else:
            about = "size" if got["kind"] == 3 else "round"
            g.accepted(name, encoded=encoded.hex(), kind=got["kind"], **{about: str(number)})
        return encoded

    _two_rosters(check)
    _two_checkpoints(check)
    _receipt_and_roster(check)
    return g


def _two_rosters(check):
    roster, sign = rosters.roster, rosters.sign
    first = sign(roster())

    def two(name, other, one=first, **changes):
        check(f"rosters: {name}", roster_evidence(one, other, **changes))

    encoded = check("rosters: one step, another member", roster_evidence(first, sign(roster((0, 1, 2, 3)))))
    two("the other way round", first, one=sign(roster((0, 1, 2, 3))))
    two("one step, other contributors", sign(roster(contributors=3)))
    two("the next step has one more", sign(roster(range(5), step=2)))
    two("the later one in front", first, one=sign(roster(range(5), step=2)))
    two("the next step is about other members", sign(roster(step=2, member_root=sha256(b"x"))))
    two("a step behind a reveal", sign(roster((0, 1), step=3)), one=sign(roster(step=2, reveal=1)))

    two("the same twice", first)
    shrinks = sign(roster((0, 1, 2), step=2))
    two("they only shrink", shrinks)
    two("pads and then a reveal", sign(roster(step=2, reveal=1)))
    two("of two rounds", sign(roster((0, 1, 2, 3), round=2_000_006)))
    two("one is of another net", sign(roster((0, 1, 2, 3), net="strehlen-8")))
    two("one is of other parameters", sign(roster((0, 1, 2, 3), descriptor=sha256(b"other"))))
    foreign = {"descriptor": world.DESCRIPTOR_HASH}
    two("both are of other parameters", sign(roster((0, 1, 2, 3), **foreign)), one=sign(roster(**foreign)))
    two("one is signed by somebody else", sign(roster((0, 1, 2, 3)), world.OTHER_PROVIDER))
    two("one is signed as a manifest", sign(roster((0, 1, 2, 3)), label=m.MANIFEST))
    altered = {**first, "body": roster((0, 1, 2, 3))}
    two("one was changed after signing", altered)
    theirs = world.descriptor(**{**world.MASKED, "provider_key": p256_public(world.OTHER_PROVIDER)})
    two("under the descriptor of another provider", sign(roster((0, 1, 2, 3))), descriptor=theirs)
    two("one is malformed", sign(roster(step=0)))

    def cut(name, data):
        check(f"file: {name}", encoded=data)

    cut("no bytes", b"")
    cut("magic only", encoded[:5])
    cut("magic of version 2", patched(encoded, 4, b"\x02"))
    cut("magic in lower case", patched(encoded, 0, b"dcne"))
    cut("without magic", encoded[5:])
    cut("trailing byte", encoded + b"\x00")
    cut("last byte missing", encoded[:-1])
    cut("one roster only", encoded[: -len(m.signed(m.Roster).encode(first))])
    at = 5 + len(m.NetDescriptor.encode(world.MASKED))
    for kind in (0, 2, 3, 4, 255):
        cut(f"two rosters as kind {kind}", patched(encoded, at, bytes([kind])))
    cut("descriptor of version 2", patched(encoded, 5, b"\x02"))
    unsound = roster_evidence(first, shrinks, descriptor={**world.MASKED, "threshold": 2})
    cut("descriptor that breaks a rule", m.Evidence.encode(unsound))


def _two_checkpoints(check):
    def checkpoint(root=b"log", size=40, **changes):
        return formats.checkpoint(size, sha256(root), **{"descriptor": H, **changes})

    def two(name, shown, known=None):
        body = {"known": known or checkpoint(), "shown": shown}
        value = {"magic": b"DCNE\x01", "descriptor": world.MASKED, "kind": 3, "body": body}
        return check(f"checkpoints: {name}", value)

    other = checkpoint(b"another log")
    encoded = two("one size, two roots", other)
    two("the other way round", checkpoint(), known=other)
    two("of no entries", checkpoint(b"a", 0), known=checkpoint(b"b", 0))
    two("of all entries", checkpoint(b"a", 2**64 - 1), known=checkpoint(b"b", 2**64 - 1))
    two("the same twice", checkpoint())
    two("another size and another root", checkpoint(b"another log", 41))
    two("another size and the same root", checkpoint(size=41))
    two("one is of another net", checkpoint(b"another log", net="strehlen-8"))
    two("one is of other parameters", checkpoint(b"another log", descriptor=world.DESCRIPTOR_HASH))
    theirs = {"descriptor": world.DESCRIPTOR_HASH}
    two("both are of other parameters", checkpoint(b"another log", **theirs), known=checkpoint(**theirs))
    two("one is signed by somebody else", checkpoint(b"another log", key=world.OTHER_PROVIDER))
    two("one is signed as a roster", checkpoint(b"another log", label=m.ROSTER))
    two("one was changed after signing", {**checkpoint(), "body": other["body"]})
    check("checkpoints: last byte missing", encoded=encoded[:-1])
    check("checkpoints: trailing byte", encoded=encoded + b"\x00")
    check("checkpoints: one only", encoded=encoded[: -len(m.signed(m.Checkpoint).encode(other))])


def _receipt_and_roster(check):
    roster, sign = rosters.roster, rosters.sign

    def one(name, **parts):
        return check(f"receipt: {name}", receipt_evidence(**parts))

    def given(key=world.PROVIDER, client="gw-10", **changes):
        return batch([receipt(), receipt(client, **changes)], key)[1]

    encoded = one("called missing")
    one("the roster reveals at once", roster=sign(roster(reveal=1)))
    one("several are missing", roster=sign(roster((0, 1))))
    one("the epoch began with this round", manifest=masked_manifest(head=_head(first_round=2_000_005)))
    one("a single neighbour", manifest=masked_manifest(neighbours=("a",)))

    one("it stands in the roster", roster=sign(roster(range(5))))
    one("the roster is the second", roster=sign(roster(step=2)))
    one("the receipt is for another notification", given=given(notification=m.RESEND))
    one("the receipt is for an answer", given=given(notification=m.PADS))
    one("the receipt is of another round", given=given(round=2_000_004))
    one("the receipt is of another epoch", given=given(epoch=11))
    one("the receipt is another member's", given=given(client="gw-1"))
    one("the receipt is of other parameters", given=given(descriptor=world.DESCRIPTOR_HASH))
    one("the receipt is signed by somebody else", given=given(key=world.OTHER_PROVIDER))
    one("the receipt is not in its batch", given={**given(), "index": 0})
    one("the roster is of another round", roster=sign(roster(round=2_000_006)))
    one("the roster is of another epoch", roster=sign(roster(epoch=13)))
    one("the roster is about other members", roster=sign(roster(member_root=sha256(b"x"))))
    one("the roster is of another net", roster=sign(roster(net="strehlen-8")))
    one("the roster is signed by somebody else", roster=sign(roster(), world.OTHER_PROVIDER))
    one("the manifest is another member's", manifest=masked_manifest("gw-1", ("Zwinger.3", "a", "gw-10")))
    one("the manifest is of another epoch", manifest=masked_manifest(head=_head(epoch=11)))
    one("the manifest is about other members", manifest=masked_manifest(head=_head(member_root=sha256(b"x"))))
    one("the manifest has no neighbours", manifest=masked_manifest(neighbours=()))
    one("the manifest has another index", manifest=masked_manifest(index=4))
    one("the manifest's index has no bit", manifest=masked_manifest(index=5))
    one("the manifest's index is the greatest", manifest=masked_manifest(index=2**32 - 1))
    one("the manifest is of another net", manifest=masked_manifest(net="strehlen-8"))
    one("the manifest is of other parameters", manifest=masked_manifest(descriptor=world.DESCRIPTOR_HASH))
    one("the manifest is signed by somebody else", manifest=masked_manifest(key=world.OTHER_PROVIDER))
    check("receipt: last byte missing", encoded=encoded[:-1])
    check("receipt: trailing byte", encoded=encoded + b"\x00")
    check("receipt: without the manifest", encoded=encoded[: -len(m.signed(m.Manifest).encode(masked_manifest()))])


def _head(**changes):
    return {"epoch": 12, "first_round": 2_000_001, "members": 5, "member_root": mth(rosters.LEAVES), **changes}


GROUPS = [receipts, evidence]
