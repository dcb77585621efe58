"""Derivations, pads and superpositions: protocol.md sections 3.4 to 3.9."""

import struct

from codec import NAME
from messages import EDGE_KEY, ENVELOPE, TUNNEL_KEY, EnvelopeHead
from primitives import (
    chacha20_keystream,
    hkdf_sha256,
    x25519,
    xchacha20poly1305_open,
    xchacha20poly1305_seal,
)

MASK = (1 << 64) - 1


def pair(a, b):
    """(lower, upper) of two (client id, key package hash) pairs, by the bytes of the id."""
    return (a, b) if a[0].encode("ascii") < b[0].encode("ascii") else (b, a)


def edge_key(descriptor_hash, secret, peer_public, own, peer, epoch):
    """`own` and `peer` are (client id, key package hash)."""
    (id_lo, h_lo), (id_hi, h_hi) = pair(own, peer)
    info = EDGE_KEY + b"\x00" + NAME.encode(id_lo) + NAME.encode(id_hi) + h_lo + h_hi
    info += struct.pack(">Q", epoch)
    return hkdf_sha256(descriptor_hash, x25519(secret, peer_public), info, 32)


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
