"""Checks the primitives against published vectors and against a second library."""

from Crypto.Cipher import ChaCha20 as OtherChaCha20
from Crypto.Cipher import ChaCha20_Poly1305
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from cryptography.hazmat.primitives.asymmetric import ec

import primitives as p
import shamir

SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
    b"future, sunscreen would be it."
)


def _hex(text):
    return bytes.fromhex(text)


def _expect(name, got, wanted):
    if got != wanted:
        raise SystemExit(f"selftest {name}: got {got!r}, expected {wanted!r}")


def published():
    key = bytes(range(32))
    _expect(
        "RFC 8439 section 2.3.2",
        p.chacha20_block(key, 1, _hex("000000090000004a00000000")),
        _hex(
            "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
        ),
    )
    _expect(
        "RFC 8439 section 2.5.2",
        p.poly1305(
            _hex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
            b"Cryptographic Forum Research Group",
        ),
        _hex("a8061dc1305136c6c22b8baf0c0127a9"),
    )
    _expect(
        "draft-irtf-cfrg-xchacha-03 section 2.2.1",
        p.hchacha20(key, _hex("000000090000004a0000000031415927")),
        _hex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"),
    )
    sealed = p.xchacha20poly1305_seal(
        bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)), _hex("50515253c0c1c2c3c4c5c6c7"), SUNSCREEN
    )
    _expect("draft-irtf-cfrg-xchacha-03 A.3.1", sealed[-16:], _hex("c0875924c1c7987947deafd8780acf49"))
    _expect(
        "RFC 5869 A.1",
        p.hkdf_sha256(bytes(range(13)), b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42),
        _hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    )
    _expect(
        "RFC 7748 section 5.2",
        p.x25519(
            _hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            _hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        ),
        _hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    )
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    _expect(
        "RFC 6979 A.2.5",
        p.p256_sign(ec.derive_private_key(secret, ec.SECP256R1()), b"sample"),
        _hex(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
        ),
    )


    _expect("FIPS 197 section 4.2", shamir.multiply(0x57, 0x83), 0xC1)
    _expect("FIPS 197 section 4.2.1", shamir.multiply(0x57, 0x13), 0xFE)
    _expect("inverses", {shamir.multiply(a, shamir.inverse(a)) for a in range(1, 256)}, {1})
    secret, rows = p.sha256(b"secret")[:16], [p.sha256(b"x")[:16], p.sha256(b"x^2")[:16]]
    for at in ((1, 2, 3), (4, 9, 255), (254, 7, 128)):
        shares = {x: shamir.share(secret, rows, x) for x in at}
        _expect("shares", shamir.interpolate(shares), secret)


def second_library():
    for n in range(0, 300, 37):
        key = p.sha256(b"selftest key %d" % n)
        data = p.sha256(b"selftest data") * 10
        nonce12, nonce24 = key[:12], (key + key)[20:44]
        other = OtherChaCha20.new(key=key, nonce=nonce12).encrypt(bytes(n))
        _expect("ChaCha20", p.chacha20_keystream(key, nonce12, n), other)
        cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce24)
        cipher.update(data[: n % 50])
        sealed, tag = cipher.encrypt_and_digest(data[:n])
        own = p.xchacha20poly1305_seal(key, nonce24, data[: n % 50], data[:n])
        _expect("XChaCha20-Poly1305", own, sealed + tag)
        _expect("opening", p.xchacha20poly1305_open(key, nonce24, data[: n % 50], own), data[:n])
        length = n + 1
        other = HKDF(data, length, key, SHA256, context=data[:n])
        _expect("HKDF", p.hkdf_sha256(key, data, data[:n], length), other)


def run():
    published()
    second_library()


if __name__ == "__main__":
    run()
    print("selftest: all primitives agree")
