"""The group of frames, all seven notifications."""

import formats
import messages as m
import world
from case import FormatGroup, patched, swapped
from primitives import sha256

H = world.DESCRIPTOR_HASH
WORDS = [0, 1, 0x0123456789ABCDEF]
PLAIN = {"words": WORDS, "mask": None}


def frame(notification, body, **changes):
    return {
        "protocol": b"DCN1",
        "net": world.NET,
        "descriptor": H,
        "client": "gw-1",
        "transmission": 1 if notification in (m.RESEND, m.TRANSMIT) else 0,
        "epoch": 12,
        "round": 2_000_005,
        "notification": notification,
        "body": body,
        **changes,
    }


def frames():
    g = FormatGroup("frames", "4.5", "Frames with all seven notifications.", m.Frame, m.check_frame)
    register = {"package": world.signed_package("gw-1"), "emergency": 0}
    encoded_register = g.good("register", frame(m.REGISTER, register))
    g.good("register, emergency", frame(m.REGISTER, {**register, "emergency": 1}))
    chain = [world.statement_certificate("gw-1"), b"\x30\x03sub"]
    two = world.signed_package("gw-1", chain=chain)
    g.good("register, two certificates", frame(m.REGISTER, {"package": two, "emergency": 0}))
    encoded_entered = g.good("entered", frame(m.ENTERED, formats.neighbourhood()))
    many = sorted(f"gw-{n}" for n in range(62))
    g.good("entered with 62 neighbours", frame(m.ENTERED, formats.neighbourhood(neighbours=many)))
    encoded_exiting = g.good("exiting", frame(m.EXITING, formats.exit_statement()))
    encoded_resend = g.good("resend", frame(m.RESEND, {"missing": ["a", "gw-2"], "words": WORDS}))
    encoded = g.good("transmit", frame(m.TRANSMIT, PLAIN))
    g.good("transmit without a reading", frame(m.TRANSMIT, PLAIN, transmission=0))
    g.good("transmit one word", frame(m.TRANSMIT, {**PLAIN, "words": [2**64 - 1]}))
    g.good("transmit 32 words", frame(m.TRANSMIT, {**PLAIN, "words": [n * 0x0101010101010101 for n in range(32)]}))
    g.good("resend without a reading", frame(m.RESEND, {"missing": ["a"], "words": WORDS}, transmission=0))
    g.good("resend without anybody missing is well formed", frame(m.RESEND, {"missing": [], "words": WORDS}))
    g.good("round and epoch 0", frame(m.TRANSMIT, PLAIN, epoch=0, round=0))
    g.good("round and epoch at the end", frame(m.TRANSMIT, PLAIN, epoch=2**64 - 1, round=2**64 - 1))

    g.usual_suspects(encoded)
    head = len(encoded) - 27  # the words with their length, and the flag behind them
    g.bad("protocol identifier DCN2", patched(encoded, 0, b"DCN2"))
    g.bad("protocol identifier dcn1", patched(encoded, 0, b"dcn1"))
    g.bad("protocol identifier zero", patched(encoded, 0, bytes(4)))
    g.bad("transmission bit 2", patched(encoded, head - 18, b"\x02"))
    g.bad("transmission bit 255", patched(encoded, head - 18, b"\xff"))
    for name, valid in [("register", encoded_register), ("entered", encoded_entered), ("exiting", encoded_exiting)]:
        g.bad(f"{name} with a transmission bit", patched(valid, head - 18, b"\x01"))
    for number in (0, 8, 255):
        g.bad(f"notification {number}", patched(encoded, head - 1, bytes([number])))
    g.bad("transmit announced as resend", patched(encoded, head - 1, b"\x04"))
    g.bad("transmit announced as entered", patched(encoded, head - 1, b"\x02"))
    g.bad(
        "resend announced as transmit",
        swapped(encoded_resend, b"\x04\x00\x00\x00\x07\x01a", b"\x05\x00\x00\x00\x07\x01a"),
    )
    g.bad("client without a name", swapped(encoded, b"\x04gw-1", b"\x00"))
    g.bad("net without a name", swapped(encoded, b"\x0astrehlen-7", b"\x00"))
    g.bad("bad character in the client", swapped(encoded, b"\x04gw-1", b"\x04gw/1"))
    g.bad("client of 33 characters", swapped(encoded, b"\x04gw-1", b"\x21" + b"g" * 33))
    g.bad("no word", encoded[:head] + b"\x00\x00\x00")
    g.bad("33 words", encoded[:head] + b"\x01\x08" + bytes(264 + 1))
    g.bad("words of 23 bytes", encoded[:head] + b"\x00\x17" + bytes(23 + 1))
    g.bad("words of 25 bytes", encoded[:head] + b"\x00\x19" + bytes(25 + 1))
    g.bad("words announce more than there is", patched(encoded, head, b"\x00\x20"))
    g.bad("words announce less than there is", patched(encoded, head, b"\x00\x10"))
    g.bad("word list with a 32-bit length", encoded[:head] + b"\x00\x00\x00\x18" + encoded[head + 2 :])
    g.bad("descriptor hash one byte short", swapped(encoded, H, H[:-1]))
    g.bad("missing list not sorted", swapped(encoded_resend, b"\x01a\x04gw-2", b"\x04gw-2\x01a"))
    g.bad("missing list with one member twice", swapped(encoded_resend, b"\x07\x01a\x04gw-2", b"\x04\x01a\x01a"))
    for name, edges in formats.unordered_edges().items():
        g.bad(f"entered, {name}", m.Frame.encode(frame(m.ENTERED, formats.neighbourhood(edges=edges))))
    edge = m.EdgeEnd.encode(formats.end("a"))
    g.bad("a neighbour without a hash", swapped(encoded_entered, edge, edge[:2]))
    g.bad("a neighbour with a hash one byte short", swapped(encoded_entered, edge, edge[:-1]))
    g.bad("a neighbour without a name", swapped(encoded_entered, edge, b"\x00" + edge[2:]))
    own = formats.leaf("gw-1")["package"]
    g.bad("entered without a package hash", swapped(encoded_entered, b"\x04gw-1" + own, b"\x04gw-1"))
    g.bad("an exit announced as entered", patched(encoded_exiting, head - 1, b"\x02"))
    g.bad("entered announced as an exit", patched(encoded_entered, head - 1, b"\x03"))
    sorted_exit = swapped(encoded_exiting, b"\x09Zwinger.3\x01a", b"\x01a\x09Zwinger.3")
    g.bad("leaver's neighbours not sorted", sorted_exit)
    g.bad("emergency flag 2", encoded_register[:-1] + b"\x02")
    g.bad("register without the emergency flag", encoded_register[:-1])
    g.bad("signature of 63 bytes", encoded_exiting[:-66] + b"\x00\x3f" + encoded_exiting[-64:-1])
    g.bad("signature of 65 bytes", encoded_exiting[:-66] + b"\x00\x41" + encoded_exiting[-64:] + b"\x00")
    g.bad("no signature", encoded_exiting[:-66] + b"\x00\x00")
    g.bad("signature left out", encoded_exiting[:-66])
    g.bad(
        "certificate list longer than the frame",
        patched(
            encoded_register, len(encoded_register) - 67 - len(register["package"]["chain"][0]) - 8, b"\xff\xff\xff\xff"
        ),
    )
    g.bad(
        "certificate longer than its list",
        patched(
            encoded_register, len(encoded_register) - 67 - len(register["package"]["chain"][0]) - 4, b"\xff\xff\xff\xff"
        ),
    )
    for name, wrong in [("not sorted", ["gw-10", "Zwinger.3"]), ("with one twice", ["gw-10", "gw-10"])]:
        g.bad(f"entered, holders {name}", m.Frame.encode(frame(m.ENTERED, formats.neighbourhood(holders=wrong))))
    g.bad("entered without holders", swapped(encoded_entered, m.CLIENTS.encode(list(formats.TWO)), b""))
    g.bad("1000 zeros", bytes(1000))
    g.bad("1000 times 0xff", b"\xff" * 1000)
    _masked(g)
    _answers(g)
    return g


def _masked(g):
    """Notification 5 with a self-mask."""
    shares = [{"ciphertext": sha256(b"%d" % n)[:16], "check": sha256(b"%d" % n)[16:24]} for n in range(8)]
    mask = {"commitment": sha256(b"commitment"), "threshold": 3, "shares": shares[:4]}
    encoded = g.good("transmit with a self-mask", frame(m.TRANSMIT, {"words": WORDS, "mask": mask}))
    silent = frame(m.TRANSMIT, {"words": WORDS, "mask": mask}, transmission=0)
    g.good("transmit with a self-mask and without a reading", silent)
    for count in (0, 1, 8):
        some = {**mask, "shares": shares[:count]}
        g.good(f"self-mask of {count} shares is well formed", frame(m.TRANSMIT, {"words": WORDS, "mask": some}))
    at = len(encoded) - (1 + 32 + 1 + 2 + 4 * 24)  # the flag
    g.bad("self-mask behind flag 0", patched(encoded, at, b"\x00"))
    g.bad("self-mask behind flag 2", patched(encoded, at, b"\x02"))
    g.bad("self-mask without a flag", encoded[:at] + encoded[at + 1 :])
    g.bad("flag 1 and no self-mask", encoded[: at + 1])
    for threshold in (0, 255):
        odd = frame(m.TRANSMIT, {"words": WORDS, "mask": {**mask, "threshold": threshold}})
        g.good(f"self-mask of threshold {threshold} is well formed", odd)
    g.bad("self-mask without a threshold", encoded[: at + 33] + encoded[at + 34 :])
    g.bad("self-mask without threshold and shares", encoded[: at + 33])
    g.bad("self-mask without shares", encoded[: at + 34])
    g.bad("commitment one byte short", encoded[: at + 1] + encoded[at + 2 :])
    g.bad("shares announce half a share", patched(encoded, at + 34, (84).to_bytes(2, "big"))[:-12])
    g.bad("shares announce a byte less", patched(encoded, at + 34, (95).to_bytes(2, "big"))[:-1])
    g.bad("shares announce more than there is", patched(encoded, at + 34, (120).to_bytes(2, "big")))
    g.bad("shares announce less than there is", patched(encoded, at + 34, (72).to_bytes(2, "big")))
    g.bad("shares are counted, not measured", patched(encoded, at + 34, (4).to_bytes(2, "big")))
    g.bad("shares with a 32-bit length", encoded[: at + 34] + b"\x00\x00" + encoded[at + 34 :])
    g.bad("shares without check values", encoded[: at + 34] + (64).to_bytes(2, "big") + bytes(4 * 16))
    g.bad("two self-masks", encoded + encoded[at:])
    resend = m.Frame.encode(frame(m.RESEND, {"missing": ["a"], "words": WORDS}))
    g.bad("resend with a self-mask", resend + encoded[at:])
    g.bad("resend with the flag of no self-mask", resend + b"\x00")


def _answers(g):
    """Notifications 6 and 7."""
    roster = sha256(b"roster")
    pads = g.good("pads", frame(m.PADS, {"roster": roster, "words": WORDS}))
    g.good("pads towards nobody", frame(m.PADS, {"roster": roster, "words": [0, 0, 0]}))
    g.good("pads of 32 words", frame(m.PADS, {"roster": roster, "words": list(range(32))}))
    keys = [sha256(b"key %d" % n)[:16] for n in range(5)]
    reveal = g.good("reveal", frame(m.REVEAL, {"roster": roster, "keys": keys}))
    g.good("reveal without a key", frame(m.REVEAL, {"roster": roster, "keys": []}))
    g.good("reveal one key", frame(m.REVEAL, {"roster": roster, "keys": keys[:1]}))
    head = len(pads) - (32 + 26)
    for name, encoded in (("pads", pads), ("reveal", reveal)):
        g.bad(f"{name} with a transmission bit", patched(encoded, head - 18, b"\x01"))
        g.bad(f"{name}, trailing byte", encoded + b"\x00")
        g.bad(f"{name}, last byte missing", encoded[:-1])
        g.bad(f"{name}, roster hash one byte short", encoded[:head] + encoded[head + 1 :])
        g.bad(f"{name}, nothing behind the roster hash", encoded[: head + 32])
        g.bad(f"{name} announced as transmit", patched(encoded, head - 1, b"\x05"))
    g.bad("pads announced as reveal", patched(pads, head - 1, b"\x07"))
    g.bad("pads without words", pads[: head + 32] + b"\x00\x00")
    g.bad("pads of 33 words", pads[: head + 32] + b"\x01\x08" + bytes(264))
    g.bad("pads with the flag of no self-mask", pads + b"\x00")
    g.bad("a share key of 15 bytes", reveal[: head + 32] + b"\x00\x0f" + keys[0][:15])
    g.bad("a share key of 17 bytes", reveal[: head + 32] + b"\x00\x11" + keys[0] + b"\x00")
    g.bad("share keys are counted, not measured", patched(reveal, head + 32, b"\x00\x05"))
    g.bad("share keys with a 32-bit length", reveal[: head + 32] + b"\x00\x00" + reveal[head + 32 :])


GROUPS = [frames]
