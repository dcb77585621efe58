"""The fixed net, keys and certificates that the vectors use. Nothing here is a secret."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from messages import KEY_PACKAGE, KeyPackage, descriptor_hash, package_hash, sign
from primitives import p256_public, p256_secret, sha256, x25519_public

# Section 3.3.
STATEMENT_SIGNING = ObjectIdentifier("1.3.6.1.4.1.32473.1.1")

NET = "strehlen-7"
CLIENTS = ["gw-1", "gw-10", "gw-2", "Zwinger.3", "a"]


def seed(label):
    return sha256(b"dcnet test vector: " + label.encode())


PROVIDER = p256_secret(seed("provider"))
OTHER_PROVIDER = p256_secret(seed("another provider"))
CA = p256_secret(seed("gateway administrator"))
OTHER_CA = p256_secret(seed("another administrator"))

IMPORT = {"obis": bytes([1, 0, 1, 8, 0, 255]), "unit": 30, "scale": -1}
EXPORT = {"obis": bytes([1, 0, 2, 8, 0, 255]), "unit": 30, "scale": -1}
POWER = {"obis": bytes([1, 0, 16, 7, 0, 255]), "unit": 27, "scale": 0}


def _key_usage(**granted):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]  # fmt: skip
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


AUTHORITY_USAGE = _key_usage(key_cert_sign=True, crl_sign=True)
END_ENTITY_USAGE = _key_usage(digital_signature=True)

VALID_FROM = datetime.datetime(2026, 1, 1)
VALID_UNTIL = datetime.datetime(2036, 1, 1)


def agreement_secret(client):
    return seed(f"x25519 {client}")


def statement_key(client):
    return p256_secret(seed(f"statement {client}"))


def tls_key(client):
    return p256_secret(seed(f"tls {client}"))


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def authority(key, name, days=0):
    """A self-signed CA certificate, DER."""
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(name))
        .issuer_name(common_name(name))
        .public_key(public)
        .serial_number(int.from_bytes(seed("serial " + name)[:8], "big"))
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(AUTHORITY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return der(builder, key)


def certificate(key, uris, usages, issuer=None, issuer_name="Gateway administrator", begin=VALID_FROM, end=VALID_UNTIL):
    """An end entity's certificate, DER. `usages` are the extended key usages, None for none."""
    issuer = issuer or CA
    label = f"{issuer_name} {uris} {usages} {begin} {end} {p256_public(key).hex()}"
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name("gateway"))
        .issuer_name(common_name(issuer_name))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(seed("serial " + label)[:8], "big"))
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(END_ENTITY_USAGE, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
    )
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return der(builder, issuer)


def der(builder, key):
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


CA_CERTIFICATE = authority(CA, "Gateway administrator")
OTHER_CA_CERTIFICATE = authority(OTHER_CA, "Gateway administrator")


def uri(client):
    return f"urn:dcnet:gateway:{client}"


def statement_certificate(client, **other):
    return certificate(statement_key(client), [uri(client)], [STATEMENT_SIGNING], **other)


def tls_certificate(client, **other):
    return certificate(tls_key(client), [uri(client)], [ExtendedKeyUsageOID.CLIENT_AUTH], **other)


def descriptor(**changes):
    value = {
        "version": 1,
        "net": NET,
        "region": "Dresden-Strehlen",
        "interval_s": 900,
        "submit_window_s": 60,
        "correction_window_s": 60,
        "slots": [IMPORT, EXPORT, POWER],
        "min_size": 4,
        "out_degree": 4,
        "threshold": 3,
        "max_loss_permille": 200,
        "correction_mode": 1,
        "epoch_length": 1,
        "provider_key": p256_public(PROVIDER),
        "ca_fingerprint": sha256(CA_CERTIFICATE),
    }
    value.update(changes)
    return value


DESCRIPTOR_HASH = descriptor_hash(descriptor())

# The same net, had it chosen to correct by double masks.
MASKED = descriptor(correction_mode=2, max_loss_permille=300)
MASKED_HASH = descriptor_hash(MASKED)


def package(client, **changes):
    value = {
        "net": NET,
        "descriptor": DESCRIPTOR_HASH,
        "client": client,
        "serial": 1,
        "public_key": x25519_public(agreement_secret(client)),
    }
    value.update(changes)
    return value


def signed_package(client, chain=None, key=None, label=KEY_PACKAGE, **changes):
    body = package(client, **changes)
    return {
        "body": body,
        "chain": [statement_certificate(client)] if chain is None else chain,
        "signature": sign(key or statement_key(client), label, KeyPackage, body),
    }


def ephemeral_secret(client, peer):
    """Of the client's ephemeral key for the edge with that peer."""
    return seed(f"ephemeral {client} {peer}")


def ephemeral(client, peer, **changes):
    secret = ephemeral_secret(client, peer)
    serial = 1_800_000_000_000 + int.from_bytes(secret[:2], "big")
    return {"serial": serial, "key": x25519_public(secret), **changes}


def edge_end(client, peer, **changes):
    """One end of the edge with `peer`, both halves of its keys; `changes` are those of its key package."""
    own = package(client, **changes)
    return {
        "client": client,
        "hash": package_hash(own),
        "secret": agreement_secret(client),
        "public": own["public_key"],
        "ephemeral_secret": ephemeral_secret(client, peer),
        "ephemeral": ephemeral(client, peer),
    }


# Where a client stands in the member tree of `epoch_head`: a net of its own has indices of its own.
INDEX = {client: number for number, client in enumerate([*CLIENTS, *(f"gw-{n}" for n in range(3, 10))])}


def epoch_head(epoch):
    return {"epoch": epoch, "first_round": 2_000_001, "members": len(INDEX), "member_root": seed("member root")}


def ephemerals(client, peers):
    """As the vectors carry them."""
    return {
        peer: {"serial": str(ephemeral(client, peer)["serial"]), "secret": ephemeral_secret(client, peer).hex()}
        for peer in peers
    }


def identity(client, **changes):
    """(client id, key package hash) as the derivations want it."""
    return client, package_hash(package(client, **changes))
