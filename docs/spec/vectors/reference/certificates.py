"""Path validation of gateways' certificates (section 3.3) and its group."""

import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

import world
from case import Group, swapped
from codec import check_name
from primitives import Refused, p256_secret, sha256

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
    _check_path(certificates, anchor, usage, now)
    leaf = certificates[0]
    return _client(leaf), _p256_point(leaf)


def _check_path(certificates, anchor, usage, now):
    for position, certificate in enumerate(certificates):
        if now < certificate.not_valid_before_utc.replace(tzinfo=None):
            raise Refused("not valid yet")
        if now > certificate.not_valid_after_utc.replace(tzinfo=None):
            raise Refused("expired")
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if constraints.ca != (position > 0):
            raise Refused("an end entity where an authority belongs, or the reverse")
        if not _is_for(certificate, usage):
            raise Refused("not certified for this use")
        if _issued(certificate, anchor):
            return
        if position + 1 == len(certificates) or not _issued(certificate, certificates[position + 1]):
            raise Refused("not issued by this authority")


def _is_for(certificate, usage):
    try:
        return USAGES[usage] in certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False


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
    subordinate = _subordinate(sub_key, signing)
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
    check("subordinate authority for no stated use", [under, _subordinate(sub_key, None)])
    tls_only = _subordinate(sub_key, [ExtendedKeyUsageOID.CLIENT_AUTH])
    check("subordinate authority for another use", [under, tls_only])
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
    check("TLS certificate under another anchor", [tls], "tls", anchor=world.OTHER_CA_CERTIFICATE)
    return g


def _subordinate(key, usages):
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
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
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


GROUPS = [certificates]
