"""Groups of derived keys, opened envelopes, pads and superpositions."""

import messages as m
import world
from case import Group
from codec import decode, to_json
from dcnet import (
    agreement,
    chain_at,
    edge_chain,
    edge_key,
    open_envelope,
    pad_words,
    seal_envelope,
    signed_pads,
    tunnel_key,
)
from formats import checkpoint, notice
from primitives import Refused, sha256, x25519_public

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


def _ends(own, peer, **changes):
    """What one end knows, as the vectors carry it; `changes` are those of the peer's package."""
    return {
        "descriptor": H.hex(),
        "own_secret": world.agreement_secret(own).hex(),
        "own_package": m.KeyPackage.encode(world.package(own)).hex(),
        "peer_package": m.KeyPackage.encode(world.package(peer, **changes)).hex(),
    }


def _ephemerals(own, peer):
    """The secret half of the one end's ephemeral key, and the other's public half."""
    serial = world.ephemeral(own, peer)["serial"]
    return {
        "own_ephemeral": {"serial": str(serial), "secret": world.ephemeral_secret(own, peer).hex()},
        "peer_ephemeral": m.Ephemeral.encode(world.ephemeral(peer, own)).hex(),
    }


def derived_edge_key(own, peer, epoch, descriptor=H):
    ends = world.edge_end(own, peer), world.edge_end(peer, own)
    return edge_key(descriptor, *ends, world.epoch_head(epoch), world.INDEX)


def edge_keys():
    g = Group(
        "edge-keys",
        "3.5",
        "What two ends agree (3.4), the chain of their keys, and the key of one epoch: `step` is C of that "
        "epoch, `block` is B of the block behind it.",
    )

    def check(name, own="gw-1", peer="a", epoch=3, descriptor=H, ours=None, theirs=None, head=None, index=None, **package):
        """`ours` and `theirs` are other ephemeral keys, `package` changes the peer's key package."""
        ends = [world.edge_end(own, peer), world.edge_end(peer, own, **package)]
        content = {**_ends(own, peer, **package), **_ephemerals(own, peer), "descriptor": descriptor.hex()}
        if ours:
            serial, secret = ours
            public = {"serial": serial, "key": x25519_public(secret)}
            ends[0] = {**ends[0], "ephemeral_secret": secret, "ephemeral": public}
            content["own_ephemeral"] = {"serial": str(serial), "secret": secret.hex()}
        if theirs:
            ends[1] = {**ends[1], "ephemeral": theirs}
            content["peer_ephemeral"] = m.Ephemeral.encode(theirs).hex()
        head = {**world.epoch_head(epoch), **(head or {})}
        content["head"] = m.EpochHead.encode(head).hex()
        index = {**world.INDEX, **(index or {})}
        content.update(own_index=index[own], peer_index=index[peer])
        try:
            step, block = chain_at(edge_chain(descriptor, *ends), epoch)
        except Refused as refusal:
            g.refused(name, str(refusal), **content)
            return None
        g.accepted(
            name,
            **content,
            agreement=agreement(descriptor, *ends).hex(),
            step=step.hex(),
            block=block.hex(),
            key=edge_key(descriptor, *ends, head, index).hex(),
        )
        return g.vectors[-1]["key"]

    pairs = [("gw-1", "gw-10"), ("gw-10", "gw-2"), ("Zwinger.3", "a"), ("a", "gw-1")]
    for own, peer in pairs:
        if check(f"{own} with {peer}", own, peer) != check(f"{peer} with {own}", peer, own):
            raise ValueError("both ends must derive one key")
    for epoch in (0, 1, 2, 254, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 2**24 - 2, 2**24 - 1):
        check(f"epoch {epoch}", epoch=epoch)
    check("other parameters", descriptor=sha256(b"other parameters"))
    check("the same public key in a newer package", serial=2)
    serial, secret = world.ephemeral("gw-1", "a")["serial"], world.ephemeral_secret("gw-1", "a")
    check("a later ephemeral key", ours=(serial + 1, sha256(b"another ephemeral key")))
    check("the same ephemeral key with another serial", ours=(serial + 1, secret))
    check("smallest and largest serial", ours=(0, secret), theirs=world.ephemeral("a", "gw-1", serial=2**64 - 1))
    for field, value in [("first_round", 2_000_002), ("members", 6), ("member_root", sha256(b"another tree"))]:
        check(f"another head: {field}", head={field: value})
    for name, index in [("own", {"gw-1": 2}), ("peer's", {"a": 0}), ("largest", {"a": 2**32 - 1, "gw-1": 2**32 - 2})]:
        check(f"another index: {name}", index=index)
    check("indices exchanged", index={"a": world.INDEX["gw-1"], "gw-1": world.INDEX["a"]})
    keys = [v["key"] for v in g.vectors]
    # The last pair is the one that all others vary; both ends have one key.
    if len(set(keys)) != len(keys) - len(pairs):
        raise ValueError("keys that should differ are equal")

    for epoch in (2**24, 2**24 + 1, 2**64 - 1):
        check(f"epoch {epoch}", epoch=epoch)
    for name, u in LOW_ORDER.items():
        public = u.to_bytes(32, "little")
        refused = check(f"low order: {name}", public_key=public), check(
            f"low order, ephemeral: {name}", theirs=world.ephemeral("a", "gw-1", key=public)
        )
        if refused != (None, None):
            raise ValueError(f"{name} was accepted")
    return g


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
            m.check_notice(arrived["kind"], opened)
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
        text = notice(reason, sender, receiver, shown, kind) if text is None else text
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
    check("ciphertext of 336 bytes", seal(text=bytes(320)))
    known = world.ephemeral("a", "gw-1")
    check("offer to a known neighbour", seal(text=notice(1, "gw-1", "a", peer=known)))
    check("offer without an ephemeral key", seal(text=notice(1, "gw-1", "a", own=None)))
    check("offer with the addressee's ephemeral key only", seal(text=notice(1, "gw-1", "a", own=None, peer=known)))
    check("accept without the addressee's ephemeral key", seal(kind=2, text=notice(1, "gw-1", "a")))
    check("accept without ephemeral keys", seal(kind=2, text=notice(1, "gw-1", "a", own=None)))
    check("accept without the sender's", seal(kind=2, text=notice(1, "gw-1", "a", own=None, peer=known)))
    check("checkpoint with an ephemeral key", seal(kind=3, text=notice(1, "gw-1", "a", shown)))
    check("checkpoint with the other's", seal(kind=3, text=notice(1, "gw-1", "a", shown, own=None, peer=known)))
    text = notice(1, "gw-1", "a", shown)
    flags = {"own": 65, "peer": 65 + 41, "checkpoint": 65 + 42}
    for name, at in flags.items():
        check(f"sealed text with flag 2: {name}", seal(text=text[:at] + b"\x02" + text[at + 1 :]))
        check(f"sealed text cut off behind the flag: {name}", seal(text=text[:at] + b"\x01"))
        check(f"sealed text cut off before the flag: {name}", seal(text=text[:at]))
    at = flags["checkpoint"]
    check("sealed text with a checkpoint behind flag 0", seal(text=text[:at] + b"\x00" + text[at + 1 :]))
    check("sealed text with an ephemeral key behind flag 0", seal(text=text[:65] + b"\x00" + text[66:]))
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
            **_ephemerals(own, peer),
            head=m.EpochHead.encode(world.epoch_head(epoch)).hex(),
            own_index=world.INDEX[own],
            peer_index=world.INDEX[peer],
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
