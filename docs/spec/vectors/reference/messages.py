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
    Checked,
    Fixed,
    Int,
    Opaque,
    Optional,
    Region,
    Select,
    Struct,
    Vector,
)
from merkle import PATH, verify_inclusion
from primitives import Refused, check_p256_point, p256_sign, p256_verify, sha256

# Labels, section 3.1. Each is followed by one zero byte.
DESCRIPTOR = b"dcnet/v1 net descriptor"
KEY_PACKAGE = b"dcnet/v1 key package"
KEY_PACKAGE_HASH = b"dcnet/v1 key package hash"
NEIGHBOURHOOD = b"dcnet/v1 neighbourhood"
EXIT = b"dcnet/v1 exit"
MANIFEST = b"dcnet/v1 manifest"
CORRECTION = b"dcnet/v1 correction"
ROSTER = b"dcnet/v1 roster"
ROSTER_HASH = b"dcnet/v1 roster hash"
RECEIPTS = b"dcnet/v1 receipts"
CHECKPOINT = b"dcnet/v1 checkpoint"
COSIGNATURE = b"dcnet/v1 cosignature"
SHARE_KEY = b"dcnet/v1 share key"
SHARE_CHECK = b"dcnet/v1 share check"
SELF_MASK = b"dcnet/v1 self-mask"
SELF_MASK_COMMITMENT = b"dcnet/v1 self-mask commitment"
AGREEMENT = b"dcnet/v1 agreement"
EDGE_CHAIN = b"dcnet/v1 edge chain"
CHAIN_BLOCK = b"dcnet/v1 chain block"
CHAIN_START = b"dcnet/v1 chain start"
CHAIN_STEP = b"dcnet/v1 chain step"
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
Ephemeral = Struct(serial=U64, key=Fixed(32))
EdgeEnd = Struct(client=NAME, agreement=HASH)
EDGES = Vector(EdgeEnd, 4, ascending=lambda end: end["client"].encode("ascii"))
Neighbourhood = Struct(
    net=NAME, descriptor=HASH, client=NAME, package=HASH, serial=U64, neighbours=EDGES, holders=CLIENTS
)
ExitStatement = Struct(net=NAME, descriptor=HASH, client=NAME, serial=U64, neighbours=CLIENTS)
MemberLeaf = Struct(client=NAME, package=HASH)
EpochHead = Struct(epoch=U64, first_round=U64, members=U32, member_root=HASH)
ManifestEdge = Struct(client=NAME, agreement=HASH, index=U32, role=Int(1, allowed={0, 1, 2, 3}, what="role"))
MANIFEST_EDGES = Vector(ManifestEdge, 4, ascending=lambda edge: edge["client"].encode("ascii"))
Manifest = Struct(
    net=NAME, descriptor=HASH, client=NAME, head=EpochHead, log_index=U64, index=U32, neighbours=MANIFEST_EDGES
)
# membership-log.md section 5.
Checkpoint = Struct(net=NAME, descriptor=HASH, size=U64, root=HASH)
Cosignature = Struct(witness=NAME, net=NAME, descriptor=HASH, size=U64, root=HASH, time_s=U64)
Correction = Struct(net=NAME, descriptor=HASH, epoch=U64, round=U64, missing=CLIENTS)


def signed(body):
    return Struct(body=body, signature=SIGNATURE)


REGISTER, ENTERED, EXITING, RESEND, TRANSMIT, PADS, REVEAL = 1, 2, 3, 4, 5, 6, 7
FLAG = Int(1, allowed={0, 1}, what="flag")

SealedShare = Struct(ciphertext=Fixed(16), check=Fixed(8))
SelfMask = Struct(commitment=HASH, threshold=U8, shares=Vector(SealedShare, 2))

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
        TRANSMIT: Struct(words=WORDS, mask=Optional(SelfMask)),
        PADS: Struct(roster=HASH, words=WORDS),
        REVEAL: Struct(roster=HASH, keys=Vector(Fixed(16), 2)),
    },
    what="notification",
)


def check_frame(frame):
    """Section 4.5: only frames that hide a reading have a transmission bit."""
    if frame["transmission"] == 1 and frame["notification"] not in (RESEND, TRANSMIT):
        raise Refused("a frame that hides nothing has a transmission bit")


ENVELOPE_HEAD = {
    "net": NAME,
    "descriptor": HASH,
    "from": NAME,
    "to": NAME,
    "kind": Int(1, allowed={1, 2, 3}, what="envelope kind"),
}
EnvelopeHead = Struct(**ENVELOPE_HEAD)
EdgeNotice = Struct(
    reason=Int(1, allowed={1, 2, 3}, what="reason"),
    own_package_hash=HASH,
    peer_package_hash=HASH,
    own=Optional(Ephemeral),
    peer=Optional(Ephemeral),
    checkpoint=Optional(signed(Checkpoint)),
)
CIPHERTEXT = range(84, 335 + 1)  # an EdgeNotice and the tag
OFFER, ACCEPT, SHOW = 1, 2, 3
Envelope = Struct(**ENVELOPE_HEAD, nonce=Fixed(24), ciphertext=Opaque(4, within=CIPHERTEXT))


def check_notice(kind, notice):
    """Section 4.6: which ephemeral keys an envelope of that kind has."""
    own, peer = notice["own"] is not None, notice["peer"] is not None
    if not {OFFER: own, ACCEPT: own and peer, SHOW: not own and not peer}[kind]:
        raise Refused("not the ephemeral keys of that kind of envelope")


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
    descriptor=HASH,
    client=NAME,
    epoch=U64,
    round=U64,
    notification=Int(1, allowed={1, 2, 3, 4, 5, 6, 7}, what="notification"),
    frame_hash=HASH,
)
ReceiptBatch = Struct(net=NAME, descriptor=HASH, size=U32, root=HASH)
SignedReceipt = Struct(receipt=Receipt, batch=signed(ReceiptBatch), index=U32, path=PATH)
MemberSummary = Struct(client=NAME, serial=U64, package_hash=HASH)
MemberList = Struct(members=Vector(MemberSummary, 4, ascending=lambda m: m["client"].encode("ascii")))


def present(roster):
    """The indices that a roster names."""
    bits = roster["present"]
    return [i for i in range(8 * len(bits)) if bits[i // 8] >> i % 8 & 1]


def check_roster(roster):
    """Section 4.12."""
    if roster["step"] == 0:
        raise Refused("step 0")
    if len(roster["present"]) != (roster["members"] + 7) // 8:
        raise Refused("not one bit for each member")
    if any(i >= roster["members"] for i in present(roster)):
        raise Refused("a bit behind the last member's")
    if roster["contributors"] > len(present(roster)):
        raise Refused("more contributors than members present")


Roster = Checked(
    Struct(
        net=NAME,
        descriptor=HASH,
        epoch=U64,
        round=U64,
        member_root=HASH,
        members=U32,
        step=U8,
        reveal=FLAG,
        contributors=U32,
        present=Opaque(2),
    ),
    check_roster,
)


def contradict(one, other):
    """Section 4.12: why two rosters contradict each other, or None."""
    if any(one[field] != other[field] for field in ("net", "descriptor", "round")) or one == other:
        return None
    first, later = sorted((one, other), key=lambda roster: roster["step"])
    if first["step"] == later["step"]:
        return "two rosters of one step"
    if any(one[field] != other[field] for field in ("epoch", "member_root", "members")):
        return "rosters about different members"
    if first["reveal"]:
        return "a roster behind a reveal"
    if not set(present(later)) <= set(present(first)):
        return "a roster that grew"
    fewer = later["contributors"] - first["contributors"]
    if fewer > 0 or (fewer < 0 and present(later) == present(first)):
        return "contributors that changed"
    return None


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
    if d["correction_mode"] == 2 and d["out_degree"] > 255:
        raise Refused("more holders than shares can be dealt to")
    if d["correction_mode"] == 2 and (d["threshold"] < 2 or 2 * d["threshold"] <= d["out_degree"]):
        raise Refused("two parts of the holders could recover a seed")
    if d["max_loss_permille"] >= 1000:
        raise Refused("a loss of everything")
    if d["epoch_length"] < 1:
        raise Refused("an epoch of no rounds")
    check_p256_point(d["provider_key"])


Evidence = Select(
    head=Struct(
        magic=Fixed(5, demanded=b"DCNE\x01", what="magic"),
        descriptor=Checked(NetDescriptor, check_descriptor),
        kind=U8,
    ),
    tag="kind",
    cases={
        1: Struct(one=signed(Roster), other=signed(Roster)),
        2: Struct(receipt=SignedReceipt, roster=signed(Roster), manifest=signed(Manifest)),
        3: Struct(known=signed(Checkpoint), shown=signed(Checkpoint)),
    },
    what="kind of evidence",
)


def verify_receipt(descriptor, value):
    """Section 4.10: a signed receipt of the net with this descriptor."""
    batch, receipt = value["batch"]["body"], value["receipt"]
    verify(descriptor["provider_key"], RECEIPTS, ReceiptBatch, batch, value["batch"]["signature"])
    for part in (batch, receipt):
        if (part["net"], part["descriptor"]) != (descriptor["net"], descriptor_hash(descriptor)):
            raise Refused("for another net or other parameters")
    verify_inclusion(batch["root"], batch["size"], value["index"], Receipt.encode(receipt), value["path"])


def verify_evidence(evidence):
    """Section 4.13: the round, or the size of the log, about which the provider has lied; raises Refused
    if nothing is proven."""
    descriptor, body = evidence["descriptor"], evidence["body"]
    key, net = descriptor["provider_key"], (descriptor["net"], descriptor_hash(descriptor))

    def of_this_net(kind, label, value):
        verify(key, label, kind, value["body"], value["signature"])
        if (value["body"]["net"], value["body"]["descriptor"]) != net:
            raise Refused("about another net")
        return value["body"]

    if evidence["kind"] == 1:
        one, other = (of_this_net(Roster, ROSTER, body[name]) for name in ("one", "other"))
        if contradict(one, other) is None:
            raise Refused("no contradiction")
        return one["round"]
    if evidence["kind"] == 3:
        known, shown = (of_this_net(Checkpoint, CHECKPOINT, body[name]) for name in ("known", "shown"))
        if known["size"] != shown["size"] or known["root"] == shown["root"]:
            raise Refused("no contradiction")
        return known["size"]
    verify_receipt(descriptor, body["receipt"])
    receipt = body["receipt"]["receipt"]
    roster = of_this_net(Roster, ROSTER, body["roster"])
    manifest = of_this_net(Manifest, MANIFEST, body["manifest"])
    head = manifest["head"]
    if receipt["notification"] != TRANSMIT:
        raise Refused("the receipt is for another notification")
    if (receipt["epoch"], receipt["round"]) != (roster["epoch"], roster["round"]):
        raise Refused("receipt and roster are of different rounds")
    if roster["step"] != 1:
        raise Refused("not the first roster")
    if manifest["client"] != receipt["client"] or not manifest["neighbours"]:
        raise Refused("not the manifest of an active owner of the receipt")
    if (head["epoch"], head["member_root"]) != (roster["epoch"], roster["member_root"]):
        raise Refused("manifest and roster are about different members")
    if manifest["index"] >= roster["members"]:
        raise Refused("the roster has no bit of that index")
    if manifest["index"] in present(roster):
        raise Refused("its owner stands in the roster")
    return roster["round"]
