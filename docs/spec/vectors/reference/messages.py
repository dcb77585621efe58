"""The structures of protocol.md section 4, one object per type."""

from codec import (
    CLIENTS,
    HASH,
    I8,
    NAME,
    SIGNATURE,
    U8,
    U16,
    U32,
    U64,
    WORDS,
    Fixed,
    Int,
    Opaque,
    Region,
    Select,
    Struct,
    Vector,
)
from primitives import Refused, check_p256_point, p256_sign, p256_verify, sha256

# Labels, section 3.1. Each is followed by one zero byte.
DESCRIPTOR = b"dcnet/v1 net descriptor"
KEY_PACKAGE = b"dcnet/v1 key package"
KEY_PACKAGE_HASH = b"dcnet/v1 key package hash"
NEIGHBOURHOOD = b"dcnet/v1 neighbourhood"
EXIT = b"dcnet/v1 exit"
MANIFEST = b"dcnet/v1 manifest"
CORRECTION = b"dcnet/v1 correction"
EDGE_KEY = b"dcnet/v1 edge key"
TUNNEL_KEY = b"dcnet/v1 tunnel key"
ENVELOPE = b"dcnet/v1 envelope"

SlotSpec = Struct(obis=Fixed(6), unit=U8, scale=I8)

NetDescriptor = Struct(
    version=Int(1, allowed={1}, what="version"),
    net=NAME,
    region=Region(),
    interval_s=U32,
    submit_window_s=U32,
    correction_window_s=U32,
    slots=Vector(SlotSpec, 2),
    min_size=U32,
    out_degree=U16,
    threshold=U16,
    max_loss_permille=U16,
    correction_mode=Int(1, allowed={1, 2}, what="correction mode"),
    epoch_length=U32,
    provider_key=Fixed(33),
    ca_fingerprint=HASH,
)

KeyPackage = Struct(net=NAME, descriptor=HASH, client=NAME, serial=U64, public_key=Fixed(32))
SignedKeyPackage = Struct(body=KeyPackage, chain=Vector(Opaque(4), 4), signature=SIGNATURE)
EdgeEnd = Struct(client=NAME, package=HASH)
EDGES = Vector(EdgeEnd, 4, ascending=lambda end: end["client"].encode("ascii"))
Neighbourhood = Struct(net=NAME, descriptor=HASH, client=NAME, package=HASH, serial=U64, neighbours=EDGES)
ExitStatement = Struct(net=NAME, descriptor=HASH, client=NAME, serial=U64, neighbours=CLIENTS)
Manifest = Struct(net=NAME, descriptor=HASH, client=NAME, epoch=U64, first_round=U64, members=U32, neighbours=EDGES)
Correction = Struct(net=NAME, descriptor=HASH, epoch=U64, round=U64, missing=CLIENTS)


def signed(body):
    return Struct(body=body, signature=SIGNATURE)


REGISTER, ENTERED, EXITING, RESEND, TRANSMIT = 1, 2, 3, 4, 5
FLAG = Int(1, allowed={0, 1}, what="flag")

Frame = Select(
    head=Struct(
        protocol=Fixed(4, demanded=b"DCN1"),
        net=NAME,
        descriptor=HASH,
        client=NAME,
        transmission=FLAG,
        epoch=U64,
        round=U64,
        notification=U8,
    ),
    tag="notification",
    cases={
        REGISTER: Struct(package=SignedKeyPackage, emergency=FLAG),
        ENTERED: signed(Neighbourhood),
        EXITING: signed(ExitStatement),
        RESEND: Struct(missing=CLIENTS, words=WORDS),
        TRANSMIT: Struct(words=WORDS),
    },
    what="notification",
)


def check_frame(frame):
    """Section 4.5: only frames with words have a transmission bit."""
    if frame["transmission"] == 1 and frame["notification"] not in (RESEND, TRANSMIT):
        raise Refused("a frame without words has a transmission bit")


ENVELOPE_HEAD = {
    "net": NAME,
    "descriptor": HASH,
    "from": NAME,
    "to": NAME,
    "kind": Int(1, allowed={1, 2}, what="envelope kind"),
}
EnvelopeHead = Struct(**ENVELOPE_HEAD)
EdgeNotice = Struct(reason=Int(1, allowed={1, 2, 3}, what="reason"), own_package_hash=HASH, peer_package_hash=HASH)
CIPHERTEXT = 1 + 32 + 32 + 16  # an EdgeNotice and the tag
Envelope = Struct(**ENVELOPE_HEAD, nonce=Fixed(24), ciphertext=Opaque(4, exactly=CIPHERTEXT))

Message = Select(
    head=Struct(kind=U8),
    tag="kind",
    cases={1: Envelope, 2: signed(Manifest), 3: signed(Correction), 4: signed(ExitStatement)},
    what="message kind",
)
Delivery = Struct(sequence=U64, message=Message)
Inbox = Struct(deliveries=Vector(Delivery, 4))

Receipt = Struct(
    net=NAME,
    client=NAME,
    epoch=U64,
    round=U64,
    notification=Int(1, allowed={1, 2, 3, 4, 5}, what="notification"),
    frame_hash=HASH,
)
MemberSummary = Struct(client=NAME, serial=U64, package_hash=HASH)
MemberList = Struct(members=Vector(MemberSummary, 4, ascending=lambda m: m["client"].encode("ascii")))


def hashed(label, kind, value):
    return sha256(label + b"\x00" + kind.encode(value))


def descriptor_hash(descriptor):
    return hashed(DESCRIPTOR, NetDescriptor, descriptor)


def package_hash(package):
    return hashed(KEY_PACKAGE_HASH, KeyPackage, package)


def sign(key, label, kind, body):
    return p256_sign(key, label + b"\x00" + kind.encode(body))


def verify(public, label, kind, body, signature):
    p256_verify(public, label + b"\x00" + kind.encode(body), signature)


def check_descriptor(d):
    """Section 4.1: the rules that a decoded descriptor must keep."""
    if d["submit_window_s"] == 0:
        raise Refused("a submission window of zero")
    if d["submit_window_s"] + d["correction_window_s"] >= d["interval_s"]:
        raise Refused("the windows are not shorter than the interval")
    if not 1 <= len(d["slots"]) <= 32:
        raise Refused("1 to 32 slots")
    codes = [slot["obis"] for slot in d["slots"]]
    if len(set(codes)) != len(codes):
        raise Refused("an OBIS code twice")
    if d["min_size"] < 4:
        raise Refused("min_size below 4")
    if d["out_degree"] < 3:
        raise Refused("out-degree below 3")
    if d["threshold"] > d["out_degree"]:
        raise Refused("the threshold exceeds the out-degree")
    if d["max_loss_permille"] >= 1000:
        raise Refused("a loss of everything")
    if d["epoch_length"] < 1:
        raise Refused("an epoch of no rounds")
    check_p256_point(d["provider_key"])
