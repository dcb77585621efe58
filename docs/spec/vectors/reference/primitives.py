"""Primitives of protocol.md section 3.

HKDF, ChaCha20, HChaCha20, Poly1305 and XChaCha20-Poly1305 are written out here from their RFCs so
that the vectors do not depend on a library that the code under test could share. X25519, ECDSA and
certificates come from the package `cryptography` (OpenSSL). `selftest.py` checks all of them
against the published vectors and against a second library.
"""

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ENCODED = serialization.Encoding
PUBLIC = serialization.PublicFormat


class Refused(Exception):
    """The input is malformed or does not verify; the text says why."""


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf_sha256(salt, ikm, info, length):
    """RFC 5869."""
    return hkdf_expand(hmac.new(salt, ikm, hashlib.sha256).digest(), info, length)


def hkdf_expand(prk, info, length):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


def _rotl(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF


def _quarter(x, a, b, c, d):
    x[a] = (x[a] + x[b]) & 0xFFFFFFFF
    x[d] = _rotl(x[d] ^ x[a], 16)
    x[c] = (x[c] + x[d]) & 0xFFFFFFFF
    x[b] = _rotl(x[b] ^ x[c], 12)
    x[a] = (x[a] + x[b]) & 0xFFFFFFFF
    x[d] = _rotl(x[d] ^ x[a], 8)
    x[c] = (x[c] + x[d]) & 0xFFFFFFFF
    x[b] = _rotl(x[b] ^ x[c], 7)


_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def _rounds(state):
    x = list(state)
    for _ in range(10):
        _quarter(x, 0, 4, 8, 12)
        _quarter(x, 1, 5, 9, 13)
        _quarter(x, 2, 6, 10, 14)
        _quarter(x, 3, 7, 11, 15)
        _quarter(x, 0, 5, 10, 15)
        _quarter(x, 1, 6, 11, 12)
        _quarter(x, 2, 7, 8, 13)
        _quarter(x, 3, 4, 9, 14)
    return x


def chacha20_block(key, counter, nonce):
    """RFC 8439 section 2.3: 32-byte key, 32-bit counter, 12-byte nonce."""
    state = [*_CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    mixed = _rounds(state)
    return struct.pack("<16I", *((m + s) & 0xFFFFFFFF for m, s in zip(mixed, state)))


def chacha20_keystream(key, nonce, length, counter=0):
    out = b""
    while len(out) < length:
        out += chacha20_block(key, counter, nonce)
        counter += 1
    return out[:length]


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha-03 section 2.2."""
    x = _rounds([*_CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce16)])
    return struct.pack("<8I", *x[:4], *x[12:])


def poly1305(key, message):
    """RFC 8439 section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(key[16:], "little")
    accumulator = 0
    for start in range(0, len(message), 16):
        block = message[start : start + 16] + b"\x01"
        accumulator = (accumulator + int.from_bytes(block, "little")) * r % ((1 << 130) - 5)
    return ((accumulator + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def _pad16(data):
    return b"\x00" * (-len(data) % 16)


def _xchacha_parts(key, nonce, aad, ciphertext):
    subkey = hchacha20(key, nonce[:16])
    short_nonce = b"\x00" * 4 + nonce[16:]
    authenticated = aad + _pad16(aad) + ciphertext + _pad16(ciphertext)
    authenticated += struct.pack("<QQ", len(aad), len(ciphertext))
    tag = poly1305(chacha20_keystream(subkey, short_nonce, 32), authenticated)
    return subkey, short_nonce, tag


def _xor(data, stream):
    return bytes(a ^ b for a, b in zip(data, stream))


def xchacha20poly1305_seal(key, nonce, aad, plaintext):
    """draft-irtf-cfrg-xchacha-03 section 2.3: ciphertext || tag."""
    subkey, short_nonce = hchacha20(key, nonce[:16]), b"\x00" * 4 + nonce[16:]
    ciphertext = _xor(plaintext, chacha20_keystream(subkey, short_nonce, len(plaintext), 1))
    return ciphertext + _xchacha_parts(key, nonce, aad, ciphertext)[2]


def xchacha20poly1305_open(key, nonce, aad, sealed):
    if len(sealed) < 16:
        raise Refused("shorter than the tag")
    ciphertext, tag = sealed[:-16], sealed[-16:]
    subkey, short_nonce, expected = _xchacha_parts(key, nonce, aad, ciphertext)
    if not hmac.compare_digest(tag, expected):
        raise Refused("the tag does not verify")
    return _xor(ciphertext, chacha20_keystream(subkey, short_nonce, len(ciphertext), 1))


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(ENCODED.Raw, PUBLIC.Raw)


def x25519(secret, public):
    """RFC 7748; an all-zero shared secret is refused (section 6.1)."""
    try:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise Refused("the shared secret is all zero") from error
    if shared == bytes(32):
        raise Refused("the shared secret is all zero")
    return shared


def p256_secret(seed):
    """A fixed signing key of the vectors, made from a seed."""
    return ec.derive_private_key(int.from_bytes(sha256(seed), "big") % (P256_ORDER - 1) + 1, ec.SECP256R1())


def p256_scalar(key):
    return key.private_numbers().private_value.to_bytes(32, "big")


def p256_public(key):
    """SEC 1 compressed point, 33 bytes."""
    return key.public_key().public_bytes(ENCODED.X962, PUBLIC.CompressedPoint)


def check_p256_point(encoded):
    """SEC 1 compressed: 0x02 or 0x03, then the x coordinate of a point on the curve."""
    if len(encoded) != 33 or encoded[0] not in (2, 3):
        raise Refused("no compressed point")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
    except ValueError as error:
        raise Refused("no point of P-256") from error


def p256_sign(key, message):
    """ECDSA P-256 with SHA-256, deterministic (RFC 6979), r || s."""
    der = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def p256_verify(public, message, signature):
    """`public` is SEC 1 encoded. Raises Refused unless the signature is 64 bytes and verifies."""
    if len(signature) != 64:
        raise Refused("a signature has 64 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        raise Refused("r or s out of range")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature) as error:
        raise Refused("the signature does not verify") from error
