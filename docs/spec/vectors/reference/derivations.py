"""Groups of derived keys, opened envelopes, pads and superpositions."""

import messages as m
import world
from case import Group
from codec import decode, to_json
from dcnet import (
    edge_key,
    open_envelope,
    pad_words,
    seal_envelope,
    signed_pads,
    tunnel_key,
)
from formats import checkpoint, notice
from primitives import Refused, sha256, x25519

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


def derived_edge_key(own, peer, epoch, descriptor=H):
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
        if derived_edge_key(own, peer, 3) != derived_edge_key(peer, own, 3):
            raise ValueError("both ends must derive one key")
        g.accepted(f"{own} with {peer}", **_ends(own, peer), epoch="3", key=derived_edge_key(own, peer, 3).hex())
        g.accepted(f"{peer} with {own}", **_ends(peer, own), epoch="3", key=derived_edge_key(peer, own, 3).hex())
    for epoch in (0, 1, 256, 2**64 - 1):
        key = derived_edge_key("gw-1", "a", epoch)
        g.accepted(f"epoch {epoch}", **_ends("gw-1", "a"), epoch=str(epoch), key=key.hex())
    other = sha256(b"other parameters")
    g.accepted(
        "other parameters",
        **{**_ends("gw-1", "a"), "descriptor": other.hex()},
        epoch="3",
        key=derived_edge_key("gw-1", "a", 3, other).hex(),
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


def tunnel():
    g = Group("tunnel", "3.6", "Envelopes opened by their addressee with the key shared with the sender.")
    nonce = sha256(b"tunnel nonce")[:24]

    def check(name, envelope, sender="gw-1", receiver="a"):
        content = {
            **_ends(receiver, sender),
            "envelope": m.Envelope.encode(envelope).hex(),
        }
        try:
            arrived = decode(m.Envelope, bytes.fromhex(content["envelope"]))
            text = open_envelope(_tunnel(sender, receiver, by=receiver), arrived)
            opened = decode(m.EdgeNotice, text)
        except Refused as refusal:
            g.refused(name, str(refusal), **content)
        else:
            g.accepted(
                name,
                **content,
                sender_secret=world.agreement_secret(sender).hex(),
                key=_tunnel(sender, receiver).hex(),
                plaintext=text.hex(),
                fields=to_json(m.EdgeNotice, opened),
            )

    def seal(sender="gw-1", receiver="a", kind=1, reason=1, key=None, head=None, text=None, shown=None):
        head = head or _head(sender, receiver, kind)
        text = notice(reason, sender, receiver, shown) if text is None else text
        return seal_envelope(key or _tunnel(sender, receiver), head, nonce, text)

    good = seal()
    check("offer, drawn", good)
    check("offer, bridge", seal(reason=2))
    check("offer, emergency", seal(reason=3))
    check("accept", seal(kind=2))
    shown = checkpoint()
    check("offer with a checkpoint", seal(shown=shown))
    check("accept with a checkpoint", seal(kind=2, shown=shown))
    check("checkpoint", seal(kind=3, shown=shown))
    check("checkpoint without one", seal(kind=3))
    check("checkpoint signed by somebody else", seal(kind=3, shown=checkpoint(key=world.OTHER_PROVIDER)))
    check("checkpoint of the longest net name", seal(kind=3, shown=checkpoint(net="n" * 32)))
    check("the other direction", seal("a", "gw-1"), "a", "gw-1")
    check("upper case to lower case", seal("Zwinger.3", "gw-10"), "Zwinger.3", "gw-10")

    check("sealed with the key of the other direction", seal(key=_tunnel("a", "gw-1")))
    check("sealed with an edge key", seal(key=derived_edge_key("gw-1", "a", 3)))
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
    long = seal(kind=3, shown=shown)
    check("kind of a checkpoint flipped on the way", {**long, "kind": 1})
    check("tag cut off behind a checkpoint", {**long, "ciphertext": long["ciphertext"][:-16]})
    check("ciphertext of 254 bytes", seal(text=bytes(238)))
    text = notice(1, "gw-1", "a", shown)
    check("sealed text with flag 2", seal(text=text[:65] + b"\x02" + text[66:]))
    check("sealed text with a checkpoint behind flag 0", seal(text=text[:65] + b"\x00" + text[66:]))
    check("sealed text with flag 1 and no checkpoint", seal(text=text[:66]))
    check("sealed text without a flag", seal(text=text[:65]))
    check("sealed text with a checkpoint cut off", seal(text=text[:-1]))
    text = notice(1, "gw-1", "a")
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
        key = derived_edge_key(own, peer, epoch)
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


GROUPS = [edge_keys, tunnel, pads]
