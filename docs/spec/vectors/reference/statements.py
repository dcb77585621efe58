"""Groups of signed statements and key packages."""

import datetime

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import formats
import messages as m
import world
from case import FormatGroup, Group, swapped
from certificates import NOW, millis, verify_chain
from codec import decode, to_json
from primitives import P256_ORDER, Refused, p256_public, p256_scalar, p256_secret, p256_sign, sha256


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
        g.vectors[-1]["agreement_secret"] = world.agreement_secret(client).hex()
        g.vectors[-1]["statement_scalar"] = p256_scalar(world.statement_key(client)).hex()
    renewed = p256_secret(world.seed("statement gw-1, renewed"))
    chain = [world.certificate(renewed, [world.uri("gw-1")], [world.STATEMENT_SIGNING])]
    check("under a renewed certificate with another key", world.signed_package("gw-1", chain=chain, key=renewed))
    g.vectors[-1]["statement_scalar"] = p256_scalar(renewed).hex()
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
    """Decoding and verifying `Signed<T>` with a given key; `more` makes further fields of a body."""

    def __init__(self, name, section, comment, body_kind, label, signer, more=lambda body: {}):
        super().__init__(name, section, comment, m.signed(body_kind))
        self.body_kind, self.label, self.signer, self.more = body_kind, label, signer, more

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
                **self.more(got["body"]),
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


def edges(g, good, encoded, widen=lambda ends: ends):
    """What must be refused of a statement about edges, however well it is signed. `widen` makes the
    statement's list out of ends of edges."""
    body, kind = good["body"], g.body_kind.fields["neighbours"]

    def signed(**changes):
        changed = {**body, **changes}
        return {"body": changed, "signature": m.sign(g.signer, g.label, g.body_kind, changed)}

    for name, wrong in formats.unordered_edges().items():
        g.check(name, signed(neighbours=widen(wrong)))
    newer = [{**end, **formats.end("a", serial=2)} if end["client"] == "a" else end for end in body["neighbours"]]
    g.check("an edge that is agreed anew with the same neighbour", signed(neighbours=newer))
    g.check("what was agreed with a neighbour changed after signing", {**good, "body": {**body, "neighbours": newer}})
    edge = next(kind.item.encode(end) for end in body["neighbours"] if end["client"] == "gw-10")
    g.check("a neighbour without a hash", encoded=swapped(encoded, edge, edge[:6] + edge[38:]))
    g.check("a hash one byte short", encoded=swapped(encoded, edge, edge[:37] + edge[38:]))
    content = kind.encode(body["neighbours"])
    short = (len(content) - 5).to_bytes(4, "big") + content[4:-1]
    g.check("the last neighbour one byte short, in a list as short", encoded=swapped(encoded, content, short))
    names = m.CLIENTS.encode([end["client"] for end in body["neighbours"]])
    g.check("names only", encoded=swapped(encoded, content, names))


def manifests():
    g = StatementGroup("manifests", "4.7", "Manifests signed by the provider.", m.Manifest, m.MANIFEST, world.PROVIDER)
    good = formats.manifest()
    g.common(good, m.CORRECTION, world.OTHER_PROVIDER)
    g.check("released: no neighbours", formats.manifest(neighbours=[], members=4, index=0))
    g.check("62 neighbours", formats.manifest(neighbours=sorted(f"gw-{n}" for n in range(2, 64)), members=100))
    g.check("largest numbers", formats.manifest(epoch=2**64 - 1, first_round=2**64 - 1, members=2**32 - 1,
                                               log_index=2**64 - 1))  # fmt: skip
    encoded = g.kind.encode(good)
    edges(g, good, encoded, formats.manifest_edges)
    body, names = good["body"], ["Zwinger.3", "a", "gw-10", "gw-2"]
    g.check("two neighbours with one index are well formed", formats.manifest(edges=_with(body, 1, index=0)))
    g.check("an index behind the last is well formed", formats.manifest(edges=_with(body, 1, index=2**32 - 1)))
    for role in (1, 2):
        g.check(f"all in role {role}", formats.manifest(edges=formats.manifest_edges(formats.ends(names), [role])))
    for role in (4, 7, 128, 255):
        g.check(f"role {role}", formats.manifest(edges=_with(body, 0, role=role)))
    for field, value, name in [
        ("epoch", 13, "epoch"),
        ("first_round", 2_000_002, "first round"),
        ("members", 100, "members"),
        ("member_root", sha256(b"x"), "member root"),
    ]:
        g.check(f"{name} changed after signing", {**good, "body": {**body, "head": {**body["head"], field: value}}})
    g.check("client changed after signing", {**good, "body": {**body, "client": "gw-3"}})
    g.check("log index changed after signing", {**good, "body": {**body, "log_index": 42}})
    g.check("own index changed after signing", {**good, "body": {**body, "index": 0}})
    for field, value in [("index", 0), ("role", 3)]:
        changed = {**body, "neighbours": _with(body, 1, **{field: value})}
        g.check(f"a neighbour's {field} changed after signing", {**good, "body": changed})
    fewer = [edge for edge in body["neighbours"] if edge["client"] != "gw-10"]
    g.check("neighbour left out after signing", {**good, "body": {**body, "neighbours": fewer}})
    content = m.MANIFEST_EDGES.encode(body["neighbours"])
    without = m.EDGES.encode(formats.ends(names))
    g.check("neighbours without index and role", encoded=swapped(encoded, content, without))
    last = m.ManifestEdge.encode(body["neighbours"][-1])
    g.check("a neighbour without a role", encoded=swapped(encoded, last, last[:-1]))
    root = body["head"]["member_root"]
    g.check("without a member root", encoded=swapped(encoded, root, b""))
    return g


def _with(body, position, **changes):
    """The neighbours of a manifest, one of them changed."""
    return [{**edge, **changes} if i == position else edge for i, edge in enumerate(body["neighbours"])]


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
    g.check("no neighbours is well formed", formats.neighbourhood(neighbours=[], holders=[]))
    g.check("no holders", formats.neighbourhood(holders=[]))
    g.check("all are holders", formats.neighbourhood(holders=formats.THREE))
    g.check("a holder that is no neighbour is well formed", formats.neighbourhood(holders=["gw-2"]))
    g.check("holders not sorted", formats.neighbourhood(holders=["gw-10", "Zwinger.3"]))
    g.check("a holder twice", formats.neighbourhood(holders=["gw-10", "gw-10"]))
    for name, holders in [("added", formats.THREE), ("left out", ["gw-10"])]:
        g.check(f"a holder {name} after signing", {**good, "body": {**good["body"], "holders": list(holders)}})
    held = m.CLIENTS.encode(good["body"]["holders"])
    hashes = m.EDGES.encode(formats.ends(formats.TWO))
    g.check("without holders", encoded=swapped(g.kind.encode(good), held, b""))
    g.check("holders with hashes", encoded=swapped(g.kind.encode(good), held, hashes))
    g.check("another package of the author", formats.neighbourhood(package=formats.leaf("gw-1", serial=2)["package"]))
    edges(g, good, g.kind.encode(good))
    g.check("own package changed after signing", {**good, "body": {**good["body"], "package": sha256(b"x")}})
    g.check("own package left out", encoded=swapped(g.kind.encode(good), good["body"]["package"], b""))
    exit_ = m.signed(m.ExitStatement).encode(formats.exit_statement(serial=7))
    g.check("an exit is no neighbourhood", encoded=exit_)
    g.check("serial changed after signing", {**good, "body": {**good["body"], "serial": 8}})
    more = formats.ends(["Zwinger.3", "a", "gw-10", "gw-2"])
    g.check("neighbour added after signing", {**good, "body": {**good["body"], "neighbours": more}})
    return g


def exits():
    signer = world.statement_key("gw-1")
    g = StatementGroup("exits", "4.4", "Exit statements signed by the leaver.", m.ExitStatement, m.EXIT, signer)
    good = formats.exit_statement()
    g.common(good, m.NEIGHBOURHOOD, world.statement_key("gw-2"))
    g.check("without neighbours", formats.exit_statement(neighbours=[]))
    encoded = g.kind.encode(good)
    g.check("neighbours not sorted", encoded=swapped(encoded, b"\x01a\x05gw-10", b"\x05gw-10\x01a"))
    stays = m.signed(m.Neighbourhood).encode(formats.neighbourhood(serial=8))
    g.check("a neighbourhood is no exit", encoded=stays)
    g.check("serial changed after signing", {**good, "body": {**good["body"], "serial": 9}})
    return g


GROUPS = [key_packages, neighbourhoods, exits, manifests, corrections]
