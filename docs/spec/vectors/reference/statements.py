"""Groups of signed statements, key packages and certificates."""

import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

import formats
import messages as m
import world
from case import FormatGroup, Group, swapped
from codec import check_name, decode, to_json
from primitives import P256_ORDER, Refused, p256_public, p256_scalar, p256_secret, p256_sign, sha256

NOW = datetime.datetime(2026, 11, 20, 12, 0, 0)
UTC = datetime.UTC
USAGES = {"tls": ExtendedKeyUsageOID.CLIENT_AUTH, "statement": world.STATEMENT_SIGNING}


def millis(time):
    return int(time.replace(tzinfo=UTC).timestamp()) * 1000


def verify_chain(anchor_der, chain, usage, now):
    """Section 3.3: (client, public key as SEC 1) of the first certificate, or Refused."""
    if not chain:
        raise Refused("no certificate")
    if len(chain) > 4:
        raise Refused("more than four certificates")
    anchor = x509.load_der_x509_certificate(anchor_der)
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError as error:
        raise Refused("not a certificate") from error
    _check_path(certificates, anchor, now)
    leaf = certificates[0]
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused("not certified for this use") from error
    if USAGES[usage] not in usages:
        raise Refused("not certified for this use")
    return _client(leaf), _p256_point(leaf)


def _check_path(certificates, anchor, now):
    for position, certificate in enumerate(certificates):
        if now < certificate.not_valid_before_utc.replace(tzinfo=None):
            raise Refused("not valid yet")
        if now > certificate.not_valid_after_utc.replace(tzinfo=None):
            raise Refused("expired")
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if constraints.ca != (position > 0):
            raise Refused("an end entity where an authority belongs, or the reverse")
        if _issued(certificate, anchor):
            return
        if position + 1 == len(certificates) or not _issued(certificate, certificates[position + 1]):
            raise Refused("not issued by this authority")


def _issued(certificate, issuer):
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _client(leaf):
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise Refused("names no gateway") from error
    prefix = "urn:dcnet:gateway:"
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    ours = [uri.removeprefix(prefix) for uri in uris if uri.startswith(prefix)]
    if len(ours) != 1:
        raise Refused("does not name exactly one gateway")
    check_name(ours[0].encode())
    return ours[0]


def _p256_point(leaf):
    key = leaf.public_key()
    if getattr(getattr(key, "curve", None), "name", None) != "secp256r1":
        raise Refused("not a P-256 key")
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def certificates():
    g = Group(
        "certificates",
        "3.3",
        "Chains (leaf first) under one anchor, for one use at one time in Unix milliseconds.",
    )

    def check(name, chain, usage="statement", now=NOW, anchor=world.CA_CERTIFICATE):
        content = {
            "anchor": anchor.hex(),
            "chain": [der.hex() for der in chain],
            "usage": usage,
            "now_ms": str(millis(now)),
        }
        try:
            client, key = verify_chain(anchor, chain, usage, now)
        except Refused as refusal:
            g.refused(name, str(refusal), **content)
        else:
            g.accepted(name, **content, client=client, key=key.hex())

    statement, tls = world.statement_certificate("gw-1"), world.tls_certificate("gw-1")
    key = world.statement_key("gw-1")
    signing = [world.STATEMENT_SIGNING]
    name = world.uri("gw-1")
    check("statement certificate", [statement])
    check("TLS certificate", [tls], "tls")
    check("longest name", [world.statement_certificate("g" * 32)])
    check(
        "another name of another kind beside it", [world.certificate(key, [name, "https://example.org/gw-1"], signing)]
    )
    check("first second of validity", [statement], now=world.VALID_FROM)
    check("last second of validity", [statement], now=world.VALID_UNTIL)
    sub_key = p256_secret(world.seed("subordinate authority"))
    subordinate = _subordinate(sub_key)
    under = world.certificate(key, [name], signing, issuer=sub_key, issuer_name="Subordinate")
    check("under a subordinate authority", [under, subordinate])
    check("an unneeded certificate behind it", [statement, subordinate])

    check("statement certificate for TLS", [statement], "tls")
    check("TLS certificate for statements", [tls], "statement")
    check("no extended key usage", [world.certificate(key, [name], None)])
    check("server certificate", [world.certificate(key, [name], [ExtendedKeyUsageOID.SERVER_AUTH])], "tls")
    check("any extended key usage", [world.certificate(key, [name], [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])])
    check("a second too early", [statement], now=world.VALID_FROM - datetime.timedelta(seconds=1))
    check("a second too late", [statement], now=world.VALID_UNTIL + datetime.timedelta(seconds=1))
    check("another authority of the same name", [world.statement_certificate("gw-1", issuer=world.OTHER_CA)])
    check("under another anchor", [statement], anchor=world.OTHER_CA_CERTIFICATE)
    self_signed = world.certificate(key, [name], signing, issuer=key, issuer_name="gateway")
    check("self-signed", [self_signed])
    check(
        "issued by an end entity",
        [world.certificate(world.tls_key("gw-1"), [name], signing, issuer=key, issuer_name="gateway"), statement],
    )
    check("without its subordinate authority", [under])
    check("no chain", [])
    check("five certificates", [statement] + [subordinate] * 4)
    check("the authority itself", [world.CA_CERTIFICATE])
    check("not DER", [b"certificate"])
    check("DER cut off", [statement[:-1]])
    check("DER with a trailing byte", [statement + b"\x00"])
    flipped = statement[:-1] + bytes([statement[-1] ^ 1])
    check("signature flipped", [flipped])
    check("name flipped", [swapped(statement, b"gateway:gw-1", b"gateway:gw-2")])
    check("no subject alternative name", [world.certificate(key, [], signing)])
    check("two gateways", [world.certificate(key, [name, world.uri("gw-2")], signing)])
    check("name of another scheme", [world.certificate(key, ["urn:dcnet:provider:gw-1"], signing)])
    check("name in upper case scheme", [world.certificate(key, ["URN:dcnet:gateway:gw-1"], signing)])
    check("empty name", [world.certificate(key, ["urn:dcnet:gateway:"], signing)])
    check("name of 33 characters", [world.certificate(key, [world.uri("g" * 33)], signing)])
    check("name with a slash", [world.certificate(key, [world.uri("gw/1")], signing)])
    p384 = ec.derive_private_key(int.from_bytes(sha256(b"p384"), "big"), ec.SECP384R1())
    check("key on P-384", [_with_key(p384, name)])
    check("TLS certificate at the time of another anchor", [tls], "tls", anchor=world.OTHER_CA_CERTIFICATE)
    return g


def _subordinate(key):
    builder = (
        x509.CertificateBuilder()
        .subject_name(world.common_name("Subordinate"))
        .issuer_name(world.common_name("Gateway administrator"))
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(world.VALID_FROM)
        .not_valid_after(world.VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(world.AUTHORITY_USAGE, critical=True)
    )
    return world.der(builder, world.CA)


def _with_key(key, uri):
    builder = (
        x509.CertificateBuilder()
        .subject_name(world.common_name("gateway"))
        .issuer_name(world.common_name("Gateway administrator"))
        .public_key(key.public_key())
        .serial_number(78)
        .not_valid_before(world.VALID_FROM)
        .not_valid_after(world.VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([world.STATEMENT_SIGNING]), critical=False)
    )
    return world.der(builder, world.CA)


def key_packages():
    g = Group(
        "key-packages",
        "4.2",
        "Signed key packages, verified for net, descriptor and time under the anchor; their hash.",
    )
    h = world.DESCRIPTOR_HASH

    def check(name, value, net=world.NET, descriptor=h, now=NOW, encoded=None):
        encoded = encoded or m.SignedKeyPackage.encode(value)
        content = {
            "anchor": world.CA_CERTIFICATE.hex(),
            "net": net,
            "descriptor": descriptor.hex(),
            "now_ms": str(millis(now)),
            "encoded": encoded.hex(),
        }
        try:
            got = decode(m.SignedKeyPackage, encoded)
            body = got["body"]
            client, key = verify_chain(world.CA_CERTIFICATE, got["chain"], "statement", now)
            if client != body["client"]:
                raise Refused("the certificate names another client")
            if (body["net"], body["descriptor"]) != (net, descriptor):
                raise Refused("for another net or other parameters")
            m.verify(key, m.KEY_PACKAGE, m.KeyPackage, body, got["signature"])
        except Refused as refusal:
            g.refused(name, str(refusal), **content)
        else:
            g.accepted(name, **content, fields=to_json(m.KeyPackage, body), hash=m.package_hash(body).hex())

    good = world.signed_package("gw-1")
    encoded = m.SignedKeyPackage.encode(good)
    for client in world.CLIENTS:
        check(f"of {client}", world.signed_package(client))
    check("serial 2", world.signed_package("gw-1", serial=2))
    check("largest serial", world.signed_package("gw-1", serial=2**64 - 1))
    zero = world.signed_package("gw-1", public_key=bytes(32))
    check("an all-zero public key is refused at agreement, not here", zero)
    high = {**good, "signature": _other_s(good["signature"])}
    check("s and n - s both verify", high)

    check("trailing byte", None, encoded=encoded + b"\x00")
    check("last byte missing", None, encoded=encoded[:-1])
    check("signed under the label of an exit", world.signed_package("gw-1", label=m.EXIT))
    check("signed under the label of its hash", world.signed_package("gw-1", label=m.KEY_PACKAGE_HASH))
    check(
        "signed without the zero byte after the label",
        _resigned(good, m.KEY_PACKAGE + m.KeyPackage.encode(good["body"])),
    )
    check("signed by the TLS key", world.signed_package("gw-1", key=world.tls_key("gw-1")))
    check("signed by another gateway", world.signed_package("gw-1", key=world.statement_key("gw-2")))
    check(
        "under the TLS certificate",
        world.signed_package("gw-1", chain=[world.tls_certificate("gw-1")], key=world.tls_key("gw-1")),
    )
    other = world.signed_package("gw-1", chain=[world.statement_certificate("gw-2")], key=world.statement_key("gw-2"))
    check("under the certificate of another gateway", other)
    check(
        "under another authority",
        world.signed_package("gw-1", chain=[world.statement_certificate("gw-1", issuer=world.OTHER_CA)]),
    )
    check("without a certificate", world.signed_package("gw-1", chain=[]))
    check("after the certificate expired", good, now=world.VALID_UNTIL + datetime.timedelta(days=1))
    check("for another net", world.signed_package("gw-1", net="pieschen-2"))
    check("for other parameters", world.signed_package("gw-1", descriptor=sha256(b"other")))
    check("asked for in another net", good, net="pieschen-2")
    check("asked for under other parameters", good, descriptor=sha256(b"other"))
    for field, value in [("serial", 9), ("public_key", bytes(range(32)))]:
        check(f"{field} changed after signing", {**good, "body": {**good["body"], field: value}})
    check("signature of zeros", {**good, "signature": bytes(64)})
    check("r = n", {**good, "signature": P256_ORDER.to_bytes(32, "big") + good["signature"][32:]})
    check("s = 0", {**good, "signature": good["signature"][:32] + bytes(32)})
    check("r and s exchanged", {**good, "signature": good["signature"][32:] + good["signature"][:32]})
    return g


def _other_s(signature):
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")


def _resigned(value, message, client="gw-1"):
    return {**value, "signature": p256_sign(world.statement_key(client), message)}


class StatementGroup(FormatGroup):
    """Decoding and verifying `Signed<T>` with a given key."""

    def __init__(self, name, section, comment, body_kind, label, signer):
        super().__init__(name, section, comment, m.signed(body_kind))
        self.body_kind, self.label, self.signer = body_kind, label, signer

    def check(self, name, value=None, encoded=None, key=None):
        encoded = encoded if encoded is not None else self.kind.encode(value)
        key = key or p256_public(self.signer)
        content = {"key": key.hex(), "encoded": encoded.hex()}
        try:
            got = decode(self.kind, encoded)
            m.verify(key, self.label, self.body_kind, got["body"], got["signature"])
        except Refused as refusal:
            self.refused(name, str(refusal), **content)
        else:
            scalar = p256_scalar(self.signer).hex()
            deterministic = m.sign(self.signer, self.label, self.body_kind, got["body"]) == got["signature"]
            self.accepted(
                name,
                **content,
                fields=to_json(self.kind, got),
                **({"signing_scalar": scalar} if deterministic else {}),
            )
        return encoded

    def common(self, good, foreign_label, foreign_signer):
        """What must be refused whatever the statement is."""
        encoded = self.check("plain", good)
        self.check("s and n - s both verify", {**good, "signature": _other_s(good["signature"])})
        body = good["body"]
        message = self.label + b"\x00" + self.body_kind.encode(body)

        def signed_as(name, key, data):
            self.check(name, {"body": body, "signature": p256_sign(key, data)})

        signed_as(
            "signed under the label of another statement", self.signer, foreign_label + message[len(self.label) :]
        )
        signed_as("signed without a label", self.signer, self.body_kind.encode(body))
        signed_as("signed without the zero byte after the label", self.signer, message.replace(b"\x00", b"", 1))
        signed_as("signed by somebody else", foreign_signer, message)
        self.check("verified with somebody else's key", good, key=p256_public(foreign_signer))
        self.check("another descriptor after signing", {**good, "body": {**body, "descriptor": sha256(b"x")}})
        self.check("another net after signing", {**good, "body": {**body, "net": "strehlen-8"}})
        self.check("signature of zeros", {**good, "signature": bytes(64)})
        self.check("s = n", {**good, "signature": good["signature"][:32] + P256_ORDER.to_bytes(32, "big")})
        der = _der(good["signature"])
        self.check("signature in DER", encoded=encoded[:-66] + len(der).to_bytes(2, "big") + der)
        self.check("trailing byte", encoded=encoded + b"\x00")
        self.check("last byte missing", encoded=encoded[:-1])
        self.check("body only", encoded=encoded[:-66])
        self.check("no bytes at all", encoded=b"")


def _der(signature):
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def manifests():
    g = StatementGroup("manifests", "4.7", "Manifests signed by the provider.", m.Manifest, m.MANIFEST, world.PROVIDER)
    good = formats.manifest()
    g.common(good, m.CORRECTION, world.OTHER_PROVIDER)
    g.check("released: no neighbours", formats.manifest(neighbours=[], members=4))
    g.check("62 neighbours", formats.manifest(neighbours=sorted(f"gw-{n}" for n in range(2, 64)), members=100))
    g.check("largest numbers", formats.manifest(epoch=2**64 - 1, first_round=2**64 - 1, members=2**32 - 1))
    encoded = g.kind.encode(good)
    g.check("neighbours not sorted", encoded=swapped(encoded, b"\x01a\x05gw-10", b"\x05gw-10\x01a"))
    g.check("epoch changed after signing", {**good, "body": {**good["body"], "epoch": 13}})
    g.check("first round changed after signing", {**good, "body": {**good["body"], "first_round": 2_000_002}})
    g.check("members changed after signing", {**good, "body": {**good["body"], "members": 100}})
    g.check("client changed after signing", {**good, "body": {**good["body"], "client": "gw-3"}})
    g.check(
        "neighbour left out after signing", {**good, "body": {**good["body"], "neighbours": ["Zwinger.3", "a", "gw-2"]}}
    )
    return g


def corrections():
    g = StatementGroup(
        "corrections", "4.8", "Corrections signed by the provider.", m.Correction, m.CORRECTION, world.PROVIDER
    )
    good = formats.correction()
    g.common(good, m.MANIFEST, world.OTHER_PROVIDER)
    g.check("three missing", formats.correction(missing=["Zwinger.3", "a", "gw-2"]))
    g.check("nobody missing is well formed", formats.correction(missing=[]))
    encoded = g.kind.encode(formats.correction(missing=["a", "gw-2"]))
    g.check("missing not sorted", encoded=swapped(encoded, b"\x01a\x04gw-2", b"\x04gw-2\x01a"))
    g.check("one missing twice", encoded=swapped(encoded, b"\x07\x01a\x04gw-2", b"\x04\x01a\x01a"))
    for field, value in [("round", 2_000_006), ("epoch", 11), ("missing", ["gw-10"])]:
        g.check(f"{field} changed after signing", {**good, "body": {**good["body"], field: value}})
    return g


def neighbourhoods():
    signer = world.statement_key("gw-1")
    g = StatementGroup(
        "neighbourhoods", "4.3", "Neighbourhoods signed by a member.", m.Neighbourhood, m.NEIGHBOURHOOD, signer
    )
    good = formats.neighbourhood()
    g.common(good, m.EXIT, world.statement_key("gw-2"))
    g.check("no neighbours is well formed", formats.neighbourhood(neighbours=[]))
    encoded = g.kind.encode(good)
    g.check("neighbours not sorted", encoded=swapped(encoded, b"\x01a\x05gw-10", b"\x05gw-10\x01a"))
    g.check("an exit is no neighbourhood", formats.exit_statement(serial=7))
    g.check("serial changed after signing", {**good, "body": {**good["body"], "serial": 8}})
    g.check(
        "neighbour added after signing",
        {**good, "body": {**good["body"], "neighbours": ["Zwinger.3", "a", "gw-10", "gw-2"]}},
    )
    return g


def exits():
    signer = world.statement_key("gw-1")
    g = StatementGroup("exits", "4.4", "Exit statements signed by the leaver.", m.ExitStatement, m.EXIT, signer)
    good = formats.exit_statement()
    g.common(good, m.NEIGHBOURHOOD, world.statement_key("gw-2"))
    g.check("without neighbours", formats.exit_statement(neighbours=[]))
    encoded = g.kind.encode(good)
    g.check("neighbours not sorted", encoded=swapped(encoded, b"\x01a\x05gw-10", b"\x05gw-10\x01a"))
    g.check("a neighbourhood is no exit", formats.neighbourhood(serial=8))
    g.check("serial changed after signing", {**good, "body": {**good["body"], "serial": 9}})
    return g


GROUPS = [certificates, key_packages, neighbourhoods, exits, manifests, corrections]
