"""The group of whole rounds under double masks: from the readings to the global superposition."""

import messages as m
import world
from case import Group
from dcnet import (
    add,
    agreement,
    deal,
    edge_key,
    mask,
    open_shares,
    place,
    recover,
    self_mask_words,
    threshold,
    to_be_drawn,
    to_signed,
)
from merkle import mth
from primitives import Refused, sha256
from rosters import bits, sign
from self_masks import H, dealt_key, edge_end, package, party, rows
from sums import reading_of

EPOCH, ROUND, SLOTS = 12, 2_000_005, 3
WORD = (1 << 64) - 1


def subtract(left, right):
    return [(a - b) & WORD for a, b in zip(left, right)]


class Net:
    """`count` members; each draws those that follow it on a ring in the order of their names."""

    def __init__(self, name, count, silent=()):
        names = [*world.CLIENTS, *(f"gw-{n}" for n in range(3, 10))][:count]
        self.name, self.members = name, sorted(names, key=str.encode)
        self.index = {client: number for number, client in enumerate(self.members)}
        drawn = range(1, to_be_drawn(world.MASKED, count, 0) + 1)
        ring = {c: [self.members[(i + step) % count] for step in drawn] for i, c in enumerate(self.members)}
        self.holders = {c: sorted(peers, key=str.encode) for c, peers in ring.items()}
        self.neighbours = {c: [p for p in self.members if p in ring[c] or c in ring[p]] for c in self.members}
        self.readings = {c: None if c in silent else reading_of(f"masked {name} {c}", SLOTS) for c in self.members}
        self.seeds = {c: sha256(f"seed {name} {c}".encode())[:16] for c in self.members}
        needed = threshold(world.MASKED, len(drawn))
        self.coefficients = {c: rows(f"{name} {c}", needed - 1) for c in self.members}
        self.leaves = [m.MemberLeaf.encode({"client": c, "package": party(c)[1]}) for c in self.members]

    def edge(self, own, peer):
        return edge_key(H, edge_end(own, peer), edge_end(peer, own), self.head(), self.index)

    def dealt_key(self, dealer, holder, round_number=ROUND):
        return dealt_key(dealer, holder, self.head(), round_number, self.index)

    def head(self):
        n, root = len(self.members), mth(self.leaves)
        return {"epoch": EPOCH, "first_round": ROUND, "members": n, "member_root": root}

    def pads(self, own, peers, round_number=ROUND):
        """The signed sum of the pads towards `peers`."""
        return mask(own, {peer: self.edge(own, peer) for peer in peers}, round_number, SLOTS, None)

    def self_mask(self, client, round_number=ROUND):
        at = place(client, EPOCH, round_number)
        return self_mask_words(H, at, self.seeds[client], round_number, SLOTS)

    def frame(self, client, notification, body, **changes):
        return {
            "protocol": b"DCN1",
            "net": world.NET,
            "descriptor": H,
            "client": client,
            "transmission": 0,
            "epoch": EPOCH,
            "round": ROUND,
            "notification": notification,
            "body": body,
            **changes,
        }

    def transmit(self, client):
        edges = {peer: self.edge(client, peer) for peer in self.neighbours[client]}
        words = mask(client, edges, ROUND, SLOTS, self.readings[client])
        keys = [self.dealt_key(client, holder, ROUND) for holder in self.holders[client]]
        at = place(client, EPOCH, ROUND)
        dealt = deal(H, at, self.seeds[client], self.coefficients[client], keys)
        body = {"words": add([words, self.self_mask(client)]), "mask": dealt}
        return self.frame(client, m.TRANSMIT, body, transmission=int(self.readings[client] is not None))

    def roster(self, step, present, reveal):
        return {
            "net": world.NET,
            "descriptor": H,
            "epoch": EPOCH,
            "round": ROUND,
            "member_root": mth(self.leaves),
            "members": len(self.members),
            "step": step,
            "reveal": reveal,
            "contributors": sum(self.readings[c] is not None for c in present),
            "present": bits(len(self.members), [self.members.index(c) for c in present]),
        }

    def answer(self, client, before, present, roster):
        """Section 7.17."""
        body = {"roster": m.hashed(m.ROSTER_HASH, m.Roster, roster)}
        if roster["reveal"]:
            body["keys"] = [self.dealt_key(c, client, ROUND) for c in self.dealers(client, present)]
            return self.frame(client, m.REVEAL, body)
        gone = [p for p in self.neighbours[client] if p in before and p not in present]
        return self.frame(client, m.PADS, {**body, "words": self.pads(client, gone)})

    def dealers(self, holder, present):
        return [c for c in self.members if c in present and holder in self.holders[c]]

    def manifest(self, client):
        body = {
            "net": world.NET,
            "descriptor": H,
            "client": client,
            "head": self.head(),
            "log_index": 1,
            "index": self.index[client],
            "neighbours": [
                {
                    "client": peer,
                    "agreement": agreement(H, edge_end(client, peer), edge_end(peer, client)),
                    "index": self.index[peer],
                    "role": (peer in self.holders[client]) + 2 * (client in self.holders[peer]),
                }
                for peer in self.neighbours[client]
            ],
        }
        return {"body": body, "signature": m.sign(world.PROVIDER, m.MANIFEST, m.Manifest, body)}

    def document(self, frames, manifests):
        return [
            {
                "client": c,
                "index": self.index[c],
                "secret": world.agreement_secret(c).hex(),
                "package": m.KeyPackage.encode(package(c)).hex(),
                "neighbours": self.neighbours[c],
                "ephemerals": world.ephemerals(c, self.neighbours[c]),
                "holders": self.holders[c],
                "reading": None if self.readings[c] is None else [str(v) for v in self.readings[c]],
                "seed": self.seeds[c].hex(),
                "coefficients": [row.hex() for row in self.coefficients[c]],
                **({"frame": m.Frame.encode(frames[c]).hex()} if c in frames else {}),
                **({"manifest": m.signed(m.Manifest).encode(self.manifest(c)).hex()} if manifests else {}),
            }
            for c in self.members
        ]


class Round:
    """What the provider has in a round: frames, rosters, answers. `silent` has those that do not
    answer, by step; the members missing from the start are those of step 0."""

    def __init__(self, net, silent):
        self.net, self.shown = net, []
        self.frames = {c: net.transmit(c) for c in net.members if c not in silent.get(0, ())}
        before, present, step = net.members, list(self.frames), 1
        reveal = int(present == before)
        while True:
            roster = net.roster(step, present, reveal)
            asked = [c for c in present if c not in silent.get(step, ())]
            answers = {c: net.answer(c, before, present, roster) for c in asked}
            self.shown.append((roster, answers))
            if reveal:
                break
            before, present, reveal, step = present, asked, int(asked == present), step + 1
        self.present = present

    def unmask(self):
        """Section 7.18: (sum, wrong shares). Raises Refused if a seed is not recovered."""
        net, (_, told), total, wrong = self.net, self.shown[-1], [0] * SLOTS, []
        lost = None
        for c in self.present:
            at, carried = place(c, EPOCH, ROUND), self.frames[c]["body"]["mask"]
            keys = {}
            for holder in (h for h in net.holders[c] if h in told):
                position = net.holders[c].index(holder) + 1
                keys[position] = told[holder]["body"]["keys"][net.dealers(holder, self.present).index(c)]
            good, bad = open_shares(H, at, carried, keys)
            wrong += [{"dealer": c, "holder": net.holders[c][position - 1]} for position in bad]
            try:
                seed = recover(H, at, carried, good)
            except Refused as refusal:
                lost = lost or Refused(f"{c}: {refusal}")
                continue
            total = add([total, self.frames[c]["body"]["words"]])
            total = subtract(total, self_mask_words(H, at, seed, ROUND, SLOTS))
        for roster, answers in self.shown:
            for c in (c for c in self.present if not roster["reveal"] and c in answers):
                total = subtract(total, answers[c]["body"]["words"])
        return (lost or total), wrong

    def expected(self):
        readings = [self.net.readings[c] for c in self.present if self.net.readings[c] is not None]
        return [sum(column) for column in zip(*readings)]

    def document(self, manifests=False):
        return {
            "descriptor": m.NetDescriptor.encode(world.MASKED).hex(),
            "epoch": str(EPOCH),
            "head": m.EpochHead.encode(self.net.head()).hex(),
            "round": str(ROUND),
            "slots": SLOTS,
            "members": self.net.document(self.frames, manifests),
            "rosters": [
                {
                    "roster": m.signed(m.Roster).encode(sign(roster)).hex(),
                    "answers": [m.Frame.encode(frame).hex() for frame in answers.values()],
                }
                for roster, answers in self.shown
            ],
            "missing": [c for c in self.net.members if c not in self.present],
            "contributors": [c for c in self.present if self.net.readings[c] is not None],
        }


def masked_superpositions():
    g = Group(
        "masked-superpositions",
        "7.16",
        "Rounds of a double-mask net: members with their readings, seeds and coefficients, frames, "
        "rosters with the answers to them, and the sum that the provider forms (7.18). `wrong` are the "
        "shares that do not fit; `manifest` is what a member is told before. 'refused': no "
        "sum, or one that is not that of the readings; `tampered` says whose bytes are not what 3.10, "
        "3.11 or 7.17 make of the inputs.",
    )

    def good(name, count, silent=None, without=(), tamper=None, tampered=()):
        round_ = Round(Net(name, count, without), silent or {})
        if tamper:
            tamper(round_)
        total, wrong = round_.unmask()
        if isinstance(total, Refused) or [to_signed(w) for w in total] != round_.expected():
            raise ValueError(f"{name}: {total}")
        g.accepted(
            name,
            **round_.document(manifests=count == 5 and not tamper),
            tampered=list(tampered),
            wrong=wrong,
            sum=[str(w) for w in total],
            signed_sum=[str(v) for v in round_.expected()],
        )

    def bad(name, count, tamper=None, silent=None, tampered=()):
        round_ = Round(Net(name, count), silent or {})
        if tamper:
            tamper(round_)
        total, wrong = round_.unmask()
        content = {**round_.document(), "tampered": list(tampered), "wrong": wrong}
        if isinstance(total, Refused):
            g.refused(name, str(total), **content)
            return
        if any(to_signed(a) == b for a, b in zip(total, round_.expected())):
            raise ValueError(f"{name}: a word cancels by accident")
        g.refused(name, "the masks do not cancel", **content, sum=[str(w) for w in total])

    good("all five are there", 5)
    good("one of five is missing", 5, {0: ["gw-10"]})
    good("the first of five is missing", 5, {0: ["Zwinger.3"]})
    good("one of five has no reading", 5, without=["gw-1"])
    good("four, and all others are holders", 4)
    good("one tells no keys at the end", 5, {1: ["a"]})
    good("two of eight vanish, one after the other", 8, {0: ["a"], 1: ["gw-3"]})
    good("a member vanishes behind its pads", 8, {0: ["a"], 2: ["gw-3"]})
    good("one has told a wrong key", 5, tamper=_one_key, tampered=["gw-2"])

    bad("two of four holders tell no keys", 5, silent={1: ["a", "gw-2"]})
    bad("two of four holders tell wrong keys", 5, _two_holders, tampered=["a", "gw-2"])
    bad("one tells its keys in another order, another none", 5, _other_order, {1: ["a"]}, ["gw-2"])
    bad("keys of the next round", 5, _next_round, tampered=world.CLIENTS)
    bad("a dealer commits to another seed", 5, _commitment, tampered=["gw-1"])
    bad("a dealer shares another seed", 5, _shares, tampered=["gw-1"])
    bad("a frame with the mask of another round", 5, _late_mask, tampered=["gw-1"])
    bad("a frame without its mask", 5, _no_mask, tampered=["gw-1"])
    bad("a frame with the pads of another round", 5, _late_pads, tampered=["gw-1"])
    missing = {0: ["gw-10"]}
    bad("pads of one are zeros", 5, _pads(lambda net, c, words: [0] * SLOTS), missing, ["gw-1"])
    negative = _pads(lambda net, c, words: subtract([0] * SLOTS, words))
    bad("pads of one have the wrong sign", 5, negative, missing, ["gw-1"])
    bad("pads of one are those towards another", 5, _pads(lambda net, c, words: net.pads(c, ["a"])), missing, ["gw-1"])
    late = _pads(lambda net, c, words: net.pads(c, ["gw-10"], ROUND + 1))
    bad("pads of one are those of another round", 5, late, missing, ["gw-1"])
    unmask = _pads(lambda net, c, words: add([words, net.self_mask(c)]))
    bad("pads of one hold its mask too", 5, unmask, missing, ["gw-1"])
    return g


def _reveal(round_, client):
    return round_.shown[-1][1][client]["body"]


def _one_key(round_):
    keys = _reveal(round_, "gw-2")["keys"]
    keys[0] = bytes(16)


def _two_holders(round_):
    for client in ("a", "gw-2"):
        _reveal(round_, client)["keys"] = [bytes(16)] * len(_reveal(round_, client)["keys"])


def _other_order(round_):
    _reveal(round_, "gw-2")["keys"].reverse()


def _next_round(round_):
    for client in round_.present:
        dealers = round_.net.dealers(client, round_.present)
        _reveal(round_, client)["keys"] = [round_.net.dealt_key(c, client, ROUND + 1) for c in dealers]


def _commitment(round_):
    round_.frames["gw-1"]["body"]["mask"]["commitment"] = round_.frames["a"]["body"]["mask"]["commitment"]


def _shares(round_):
    net = round_.net
    keys = [net.dealt_key("gw-1", holder, ROUND) for holder in net.holders["gw-1"]]
    other = deal(H, place("gw-1", EPOCH, ROUND), net.seeds["a"], net.coefficients["gw-1"], keys)
    round_.frames["gw-1"]["body"]["mask"]["shares"] = other["shares"]


def _exchange(round_, old, new):
    body = round_.frames["gw-1"]["body"]
    body["words"] = add([subtract(body["words"], old), new])


def _late_mask(round_):
    _exchange(round_, round_.net.self_mask("gw-1"), round_.net.self_mask("gw-1", ROUND + 1))


def _no_mask(round_):
    _exchange(round_, round_.net.self_mask("gw-1"), [0] * SLOTS)


def _late_pads(round_):
    net = round_.net
    peers = net.neighbours["gw-1"]
    _exchange(round_, net.pads("gw-1", peers), net.pads("gw-1", peers, ROUND + 1))


def _pads(change):
    def tamper(round_):
        body = round_.shown[0][1]["gw-1"]["body"]
        body["words"] = change(round_.net, "gw-1", body["words"])

    return tamper


GROUPS = [masked_superpositions]
