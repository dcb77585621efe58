"""Groups of self-masks, their shares and what recovers them, and of thresholds."""

import messages as m
import world
from case import FormatGroup, Group, patched
from dcnet import (
    deal,
    needed_holders,
    open_shares,
    place,
    recover,
    self_mask_words,
    share_key,
    threshold,
    to_be_drawn,
    xor,
)
from primitives import Refused, sha256
from shamir import share

H = world.MASKED_HASH
HOLDERS = ["Zwinger.3", "a", "gw-10", "gw-2", "gw-3"]
EPOCH, ROUND = 12, 2_000_005


def party(client):
    """(client id, key package hash) in the net that corrects by double masks."""
    return world.identity(client, descriptor=H)


def package(client):
    return world.package(client, descriptor=H)


def edge_end(client, peer):
    return world.edge_end(client, peer, descriptor=H)


def dealt_key(dealer, holder, head, round_number, index=world.INDEX):
    """The key of the share of `dealer` that `holder` holds, derived at both ends. `head` may be the
    number of an epoch."""
    head = world.epoch_head(head) if isinstance(head, int) else head
    both = edge_end(dealer, holder), edge_end(holder, dealer)
    orders = both, both[::-1]
    ends = [share_key(H, own, peer, dealer, holder, head, index, round_number) for own, peer in orders]
    if ends[0] != ends[1]:
        raise ValueError("dealer and holder must derive one key")
    return ends[0]


def rows(label, count):
    """Coefficients of x, x^2, ... for the 16 bytes of a seed."""
    return [sha256(f"{label}, x^{power}".encode())[:16] for power in range(1, count + 1)]


def self_masks():
    g = FormatGroup(
        "self-masks",
        "3.10",
        "Self-masks: words, commitment, shares (3.11) and their recovery (3.12). With `holders`: a seed "
        "that is dealt. With `told`: share keys by position, which counts from 1; what recovers the "
        "seed, what does not, and whose shares are `wrong`. With neither: encodings.",
        m.SelfMask,
    )
    _dealt(g)
    _recovered(g)
    _encodings(g)
    return g


def _where(client, epoch, round_number, slots):
    return {
        "descriptor": H.hex(),
        "client": client,
        "epoch": str(epoch),
        "round": str(round_number),
        "slots": slots,
    }


def _dealt(g):
    def check(name, needed, holders, client="gw-1", epoch=EPOCH, round_number=ROUND, slots=3, seed=None):
        seed = seed or sha256(f"seed of {name}".encode())[:16]
        coefficients = rows(name, needed - 1)
        keys = [dealt_key(client, holder, epoch, round_number) for holder in holders]
        at = place(client, epoch, round_number)
        mask = deal(H, at, seed, coefficients, keys)
        good, wrong = open_shares(H, at, mask, dict(enumerate(keys, 1)))
        if wrong or mask["threshold"] != needed or recover(H, at, mask, good) != seed:
            raise ValueError(f"{name}: the seed does not come back")
        g.good(
            name,
            mask,
            **_where(client, epoch, round_number, slots),
            head=m.EpochHead.encode(world.epoch_head(epoch)).hex(),
            index=world.INDEX[client],
            ephemerals=world.ephemerals(client, holders),
            secret=world.agreement_secret(client).hex(),
            package=m.KeyPackage.encode(package(client)).hex(),
            seed=seed.hex(),
            coefficients=[row.hex() for row in coefficients],
            words=[str(word) for word in self_mask_words(H, at, seed, round_number, slots)],
            holders=[
                {
                    "client": holder,
                    "index": world.INDEX[holder],
                    "secret": world.agreement_secret(holder).hex(),
                    "package": m.KeyPackage.encode(package(holder)).hex(),
                    "ephemerals": world.ephemerals(holder, [client]),
                    "share": good[position].hex(),
                    "key": key.hex(),
                }
                for position, (holder, key) in enumerate(zip(holders, keys), 1)
            ],
        )

    check("three of five", 3, HOLDERS)
    check("two of two", 2, HOLDERS[:2])
    check("two of three", 2, HOLDERS[:3])
    check("four of four", 4, HOLDERS[:4])
    check("of a short name", 3, ["Zwinger.3", "gw-1", "gw-10", "gw-2"], client="a")
    check("of a member between its holders", 3, ["a", "gw-1", "gw-10", "gw-3"], client="gw-2")
    for slots in (1, 9, 32):
        check(f"{slots} slots", 2, HOLDERS[:3], slots=slots)
    check("seed of zeros", 2, HOLDERS[:3], seed=bytes(16))
    check("seed of ones", 2, HOLDERS[:3], seed=b"\xff" * 16)
    same = sha256(b"one seed at many places")[:16]
    check("one seed", 2, HOLDERS[:3], seed=same)
    check("the same seed in the next round", 2, HOLDERS[:3], round_number=ROUND + 1, seed=same)
    check("the same seed in the next epoch", 2, HOLDERS[:3], epoch=EPOCH + 1, seed=same)
    check("the same seed of another member", 2, HOLDERS[1:4], client="Zwinger.3", seed=same)
    check("epoch and round 0", 2, HOLDERS[:3], epoch=0, round_number=0)
    check("the last epoch and the last round", 2, HOLDERS[:3], epoch=2**24 - 1, round_number=2**64 - 1)


def _recovered(g):
    def told(name, mask, needed, keys, where=("gw-1", EPOCH, ROUND), seed=None):
        """The reference says what comes of it; `seed` is what is expected, None for nothing."""
        at = place(*where)
        good, wrong = open_shares(H, at, mask, keys)
        content = {
            **_where(*where, 3),
            "told": {str(position): key.hex() for position, key in keys.items()},
            "wrong": wrong,
            "encoded": m.SelfMask.encode({**mask, "threshold": needed}).hex(),
        }
        try:
            got = recover(H, at, {**mask, "threshold": needed}, good)
        except Refused as refusal:
            if seed is not None:
                raise ValueError(f"{name}: {refusal}") from refusal
            g.refused(name, str(refusal), **content)
        else:
            if got != seed:
                raise ValueError(f"{name}: recovered")
            words = [str(word) for word in self_mask_words(H, at, got, where[2], 3)]
            g.accepted(name, **content, words=words)

    at = place("gw-1", EPOCH, ROUND)
    seed, coefficients = sha256(b"seed to be recovered")[:16], rows("recovered", 2)
    all_keys = {x: dealt_key("gw-1", holder, EPOCH, ROUND) for x, holder in enumerate(HOLDERS, 1)}
    mask = deal(H, at, seed, coefficients, list(all_keys.values()))

    def some(*positions, **replaced):
        return {x: replaced.get(f"at{x}", all_keys[x]) for x in positions}

    for positions in [(1, 2, 3, 4, 5), (1, 2, 3), (3, 4, 5), (1, 3, 5), (1, 2, 4, 5)]:
        told(f"told by {', '.join(map(str, positions))}", mask, 3, some(*positions), seed=seed)
    odd = bytes([all_keys[2][0] ^ 1]) + all_keys[2][1:]
    told("one of four keys is wrong in its first bit", mask, 3, some(1, 2, 3, 5, at2=odd), seed=seed)
    odd = all_keys[5][:-1] + bytes([all_keys[5][-1] ^ 0x80])
    told("one of five keys is wrong in its last bit", mask, 3, some(1, 2, 3, 4, 5, at5=odd), seed=seed)
    exchanged = some(1, 2, 3, 4, 5, at1=all_keys[4], at4=all_keys[1])
    told("two of five have told each other's key", mask, 3, exchanged, seed=seed)
    bad_check = {**mask["shares"][1], "check": bytes(8)}
    one_check = {**mask, "shares": [bad_check if i == 1 else s for i, s in enumerate(mask["shares"])]}
    told("the dealer gave a wrong check value", one_check, 3, all_keys, seed=seed)
    many = [sha256(b"key %d" % n)[:16] for n in range(1, 256)]
    wide = deal(H, at, seed, rows("wide", 127), many)
    told("128 of 255", wide, 128, {x: many[x - 1] for x in range(128, 256)}, seed=seed)

    told("nobody tells a key", mask, 3, {})
    told("the frame states a threshold above the degree, and enough have told", mask, 4, some(1, 2, 4, 5), seed=seed)
    told("told by two", mask, 3, some(2, 4))
    told("one key of three is wrong", mask, 3, some(1, 2, 3, at3=bytes(16)))
    told("two of four have told each other's key", mask, 3, some(1, 2, 3, 4, at1=all_keys[2], at2=all_keys[1]))
    told("told is the share, not its key", mask, 3, {x: share(seed, coefficients, x) for x in all_keys})
    for name, key in [
        ("the next round", lambda holder: dealt_key("gw-1", holder, EPOCH, ROUND + 1)),
        ("the next epoch", lambda holder: dealt_key("gw-1", holder, EPOCH + 1, ROUND)),
        ("the holders' own seeds", lambda holder: dealt_key(holder, "gw-1", EPOCH, ROUND)),
    ]:
        told(f"keys of {name}", mask, 3, {x: key(holder) for x, holder in enumerate(HOLDERS, 1)})
    for name, where in [
        ("round", ("gw-1", EPOCH, ROUND + 1)),
        ("epoch", ("gw-1", EPOCH + 1, ROUND)),
        ("member", ("gw-10", EPOCH, ROUND)),
    ]:
        told(f"taken for that of another {name}", mask, 3, all_keys, where=where)
    told("one more is needed than there are", mask, 6, all_keys)
    told("the frame states a threshold below the degree", mask, 2, some(1, 2))
    told("the frame states threshold 1", mask, 1, all_keys)
    told("the frame states threshold 0", mask, 0, all_keys)
    told("the frame states a threshold above the degree", mask, 4, some(1, 2, 5))
    constant = deal(H, at, seed, [], list(all_keys.values()))
    told("every share is the seed, and threshold 1", constant, 1, all_keys)
    steep = deal(H, at, seed, rows("steep", 3), list(all_keys.values()))
    told("the dealer's polynomials have a greater degree than agreed", steep, 3, some(2, 3, 4))
    other = deal(H, at, sha256(b"another seed")[:16], coefficients, list(all_keys.values()))
    told("the dealer committed to another seed", {**mask, "commitment": other["commitment"]}, 3, all_keys)
    told("the dealer committed in another round", {**mask, "commitment": _late(seed, coefficients)}, 3, all_keys)
    reordered = [mask["shares"][i] for i in (1, 0, 2, 3, 4)]
    told("shares in another order", {**mask, "shares": reordered}, 4, all_keys)
    zeros = {**mask, "shares": [{"ciphertext": bytes(16), "check": bytes(8)}] * 5}
    told("shares of zeros", zeros, 3, all_keys)
    lifted = [{**s, "ciphertext": xor(s["ciphertext"], b"\x01" * 16)} for s in mask["shares"]]
    told("every share is changed alike", {**mask, "shares": lifted}, 3, all_keys)


def _late(seed, coefficients):
    at = place("gw-1", EPOCH, ROUND + 1)
    return deal(H, at, seed, coefficients, [])["commitment"]


def _encodings(g):
    shares = [{"ciphertext": bytes([n]) * 16, "check": bytes([n]) * 8} for n in range(3)]
    value = {"commitment": sha256(b"commitment"), "threshold": 2, "shares": shares}
    encoded = g.good("three shares", value)
    g.good("no shares", {**value, "shares": []})
    g.usual_suspects(encoded)
    g.bad("without a threshold", encoded[:32] + encoded[33:])
    g.bad("length counts shares", patched(encoded, 33, b"\x00\x03"))
    g.bad("length one too great", patched(encoded, 33, b"\x00\x49"))
    g.bad("length one too small", patched(encoded, 33, b"\x00\x47"))
    g.bad("two and a half shares", encoded[:33] + b"\x00\x3c" + encoded[35:95])
    g.bad("check values of 4 bytes", encoded[:33] + b"\x00\x3c" + (bytes(20) * 3))
    g.bad("commitment of 31 bytes", encoded[1:])


def thresholds():
    g = Group(
        "thresholds",
        "3.12",
        "For a member that shares edges with so many `confirmed` of its own draw: what it is to draw, "
        "shares that recover its seed, holders that it needs; and whether so many `present` are enough "
        "(7.17): refused if not.",
    )

    def check(members, k, t, loss, confirmed=0):
        d = world.descriptor(correction_mode=2, out_degree=k, threshold=t, max_loss_permille=loss)
        m.check_descriptor(d)
        drawn = to_be_drawn(d, members, confirmed)
        fewest = -(-(1000 - loss) * members // 1000)
        content = {
            "members": members,
            "out_degree": k,
            "threshold": t,
            "max_loss_permille": loss,
            "confirmed": confirmed,
            "to_be_drawn": drawn,
            "effective_threshold": threshold(d, drawn),
            "needed_holders": needed_holders(d, drawn),
        }
        name = f"{members} members, {t} of {k}, {loss} thousandths, {confirmed} confirmed"
        g.accepted(f"{name}: {fewest} present", **content, present=fewest)
        g.refused(f"{name}: {fewest - 1} present", "more are missing than allowed", **content, present=fewest - 1)

    for members in (4, 5, 6, 7, 8, 9, 10, 100):
        check(members, 8, 5, 100)
    for members in (4, 5):
        check(members, 4, 3, 300)
    for confirmed in (3, 4, 7, 8):
        check(4, 8, 5, 100, confirmed)
    check(4, 3, 2, 0)
    check(4, 255, 128, 0)
    check(255, 255, 128, 200)
    check(256, 255, 255, 200)
    check(20, 12, 8, 1)
    check(1000, 12, 8, 999)
    check(999, 12, 12, 333)
    check(2**20, 40, 27, 125)
    return g


GROUPS = [self_masks, thresholds]
