"""Derivations, pads, superpositions and self-masks: protocol.md sections 3.4 to 3.12."""

import functools
import struct

from codec import NAME
from messages import (
    AGREEMENT,
    CHAIN_BLOCK,
    CHAIN_START,
    CHAIN_STEP,
    EDGE_CHAIN,
    EDGE_KEY,
    ENVELOPE,
    SELF_MASK,
    SELF_MASK_COMMITMENT,
    SHARE_CHECK,
    SHARE_KEY,
    TUNNEL_KEY,
    EnvelopeHead,
    EpochHead,
    Ephemeral,
)
from primitives import (
    Refused,
    chacha20_keystream,
    hkdf_expand,
    hkdf_sha256,
    sha256,
    x25519,
    xchacha20poly1305_open,
    xchacha20poly1305_seal,
)
from shamir import interpolate, share

MASK = (1 << 64) - 1


EPOCH_LIMIT = 1 << 24
BLOCK = 256


def pair(a, b):
    """(lower, upper) of two ends, by the bytes of the id."""
    return (a, b) if a["client"].encode("ascii") < b["client"].encode("ascii") else (b, a)


def agreement(descriptor_hash, one, other):
    """Section 3.4. Ends have `client`, `hash` of the key package, and `ephemeral`."""
    low, high = pair(one, other)
    parts = [NAME.encode(low["client"]), NAME.encode(high["client"]), low["hash"], high["hash"]]
    parts += [Ephemeral.encode(low["ephemeral"]), Ephemeral.encode(high["ephemeral"])]
    return sha256(AGREEMENT + b"\x00" + descriptor_hash + b"".join(parts))


def edge_chain(descriptor_hash, own, peer):
    """B(0). `own` also has `secret` and `ephemeral_secret`, `peer` has `public`."""
    fixed = x25519(own["secret"], peer["public"])
    ephemeral = x25519(own["ephemeral_secret"], peer["ephemeral"]["key"])
    info = EDGE_CHAIN + b"\x00" + agreement(descriptor_hash, own, peer)
    return hkdf_sha256(descriptor_hash, fixed + ephemeral, info, 32)


def _derived(key, label, number):
    return hkdf_expand(key, label + b"\x00" + struct.pack(">Q", number), 32)


@functools.lru_cache(maxsize=None)
def chain_at(first, epoch):
    """(C of the epoch, B of the block behind it), from B(0)."""
    if epoch >= EPOCH_LIMIT:
        raise Refused("no keys for epochs from 2^24 on")
    block, number = first, epoch // BLOCK
    for j in range(number):
        block = _derived(block, CHAIN_BLOCK, j + 1)
    step = _derived(block, CHAIN_START, number)
    for e in range(number * BLOCK, epoch):
        step = _derived(step, CHAIN_STEP, e + 1)
    return step, _derived(block, CHAIN_BLOCK, number + 1)


def edge_place(own, peer, head, index):
    """Section 3.5: the head and the indices of both ends; `index` tells that of a client."""
    low, high = pair(own, peer)
    return EpochHead.encode(head) + struct.pack(">II", index[low["client"]], index[high["client"]])


def edge_key(descriptor_hash, own, peer, head, index):
    step, _ = chain_at(edge_chain(descriptor_hash, own, peer), head["epoch"])
    return hkdf_expand(step, EDGE_KEY + b"\x00" + edge_place(own, peer, head, index), 32)


def tunnel_key(descriptor_hash, secret, peer_public, sender, receiver):
    """`sender` and `receiver` are (client id, key package hash)."""
    info = TUNNEL_KEY + b"\x00" + NAME.encode(sender[0]) + NAME.encode(receiver[0])
    info += sender[1] + receiver[1]
    return hkdf_sha256(descriptor_hash, x25519(secret, peer_public), info, 32)


def envelope_aad(head):
    return ENVELOPE + b"\x00" + EnvelopeHead.encode(head)


def seal_envelope(key, head, nonce, plaintext):
    sealed = xchacha20poly1305_seal(key, nonce, envelope_aad(head), plaintext)
    return {**head, "nonce": nonce, "ciphertext": sealed}


def open_envelope(key, envelope):
    head = {name: envelope[name] for name in ("net", "descriptor", "from", "to", "kind")}
    return xchacha20poly1305_open(key, envelope["nonce"], envelope_aad(head), envelope["ciphertext"])


def pad_words(key, round_number, slots):
    nonce = b"\x00" * 4 + struct.pack("<Q", round_number)
    stream = chacha20_keystream(key, nonce, 8 * slots)
    return list(struct.unpack(f"<{slots}Q", stream))


def signed_pads(own_id, peer_id, key, round_number, slots):
    """The smaller id adds, the larger subtracts."""
    words = pad_words(key, round_number, slots)
    if own_id.encode("ascii") < peer_id.encode("ascii"):
        return words
    return [-w & MASK for w in words]


def mask(own_id, edges, round_number, slots, reading):
    """`edges`: {peer id: edge key}; `reading`: list of signed integers, or None for none."""
    out = [0] * slots if reading is None else [value & MASK for value in reading]
    for peer, key in edges.items():
        pads = signed_pads(own_id, peer, key, round_number, slots)
        out = [(a + b) & MASK for a, b in zip(out, pads)]
    return out


def correct(own_id, edges, round_number, masked, missing):
    out = list(masked)
    for peer in set(missing) & set(edges):
        pads = signed_pads(own_id, peer, edges[peer], round_number, len(masked))
        out = [(a - b) & MASK for a, b in zip(out, pads)]
    return out


def add(superpositions):
    return [sum(column) & MASK for column in zip(*superpositions)]


def to_signed(word):
    return word - (1 << 64) if word >> 63 else word


def place(client, epoch, round_number):
    """Section 3.10: whose frame of which round."""
    return NAME.encode(client) + struct.pack(">QQ", epoch, round_number)


def self_mask_words(descriptor_hash, where, seed, round_number, slots):
    """`where` is a place."""
    key = hkdf_sha256(descriptor_hash, seed, SELF_MASK + b"\x00" + where, 32)
    return pad_words(key, round_number, slots)


def self_mask_commitment(descriptor_hash, where, seed):
    return sha256(SELF_MASK_COMMITMENT + b"\x00" + descriptor_hash + where + seed)


def share_check(descriptor_hash, where, position, share):
    """`position` counts from 1."""
    return sha256(SHARE_CHECK + b"\x00" + descriptor_hash + where + bytes([position]) + share)[:8]


def share_key(descriptor_hash, own, peer, dealer, holder, head, index, round_number):
    """`dealer` and `holder` are client ids; `own` and `peer` are the same two ends, either of them first."""
    step, _ = chain_at(edge_chain(descriptor_hash, own, peer), head["epoch"])
    info = SHARE_KEY + b"\x00" + NAME.encode(dealer) + NAME.encode(holder) + edge_place(own, peer, head, index)
    key = hkdf_expand(step, info, 32)
    return chacha20_keystream(key, b"\x00" * 4 + struct.pack("<Q", round_number), 16)


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def deal(descriptor_hash, where, seed, coefficients, keys):
    """The self-mask that goes along with a frame; `keys` are the share keys of the holders in order."""
    shares = [share(seed, coefficients, x) for x in range(1, len(keys) + 1)]
    sealed = [
        {"ciphertext": xor(piece, key), "check": share_check(descriptor_hash, where, x, piece)}
        for x, (piece, key) in enumerate(zip(shares, keys), 1)
    ]
    commitment = self_mask_commitment(descriptor_hash, where, seed)
    return {"commitment": commitment, "threshold": len(coefficients) + 1, "shares": sealed}


def open_shares(descriptor_hash, where, mask_, told):
    """Section 3.12: ({position: good share}, the positions of wrong ones). `told`: {position: key}."""
    good, wrong = {}, []
    for position, key in sorted(told.items()):
        sealed = mask_["shares"][position - 1]
        piece = xor(sealed["ciphertext"], key)
        if share_check(descriptor_hash, where, position, piece) == sealed["check"]:
            good[position] = piece
        else:
            wrong.append(position)
    return good, wrong


def recover(descriptor_hash, where, mask_, good):
    """The seed out of as many of the good shares as are needed: those with the lowest positions."""
    needed = mask_["threshold"]
    if needed < 2:
        raise Refused("a threshold below 2")
    if len(good) < needed:
        raise Refused("too few good shares")
    seed = interpolate({x: good[x] for x in sorted(good)[:needed]})
    if self_mask_commitment(descriptor_hash, where, seed) != mask_["commitment"]:
        raise Refused("not the seed that was committed to")
    return seed


def to_be_drawn(descriptor, members, confirmed):
    """Section 3.12: d of a member with so many Confirmed edges to neighbours that it drew itself."""
    return max(min(descriptor["out_degree"], members - 1), confirmed)


def threshold(descriptor, drawn):
    """Section 3.12: t' for d."""
    t, k = descriptor["threshold"], descriptor["out_degree"]
    return max(2, -(-t * drawn // k))


def needed_holders(descriptor, drawn):
    alive = -(-(1000 - descriptor["max_loss_permille"]) * drawn // 1000)
    return max(alive, 3, threshold(descriptor, drawn))
