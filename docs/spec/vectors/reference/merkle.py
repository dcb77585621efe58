"""Merkle trees of RFC 9162 section 2.1, membership-log.md section 2: recursively, as the RFC has them."""

from case import Group
from codec import Reader
from primitives import Refused, sha256

# The leaves of the tests of Certificate Transparency, and the roots over the first 0 to 8 of them,
# as published there.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [bytes.fromhex(text) for text in (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)]  # fmt: skip
MAX_SIZE = 1 << 62


def split(count):
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def node(left, right):
    return sha256(b"\x01" + left + right)


def mth(leaves):
    """MTH, section 2.1.1."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):
    """PATH, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [mth(leaves[k:])]
    return path(m - k, leaves[k:]) + [mth(leaves[:k])]


def proof(m, leaves):
    """PROOF, section 2.1.4.1; from no leaves it is empty."""
    return _subproof(m, leaves, True) if m else []


def _subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return _subproof(m, leaves[:k], whole) + [mth(leaves[k:])]
    return _subproof(m - k, leaves[k:], False) + [mth(leaves[:k])]


class PathType:
    """opaque path<0..2^16-1>: 0 to 64 hashes."""

    def encode(self, value):
        content = b"".join(value)
        return len(content).to_bytes(2, "big") + content

    def read(self, reader):
        content = reader.take(int.from_bytes(reader.take(2), "big"))
        if len(content) % 32 or len(content) > 64 * 32:
            raise Refused("a path is 0 to 64 hashes of 32 bytes")
        return [content[at : at + 32] for at in range(0, len(content), 32)]


PATH = PathType()


def decode_path(data):
    reader = Reader(data)
    value = PATH.read(reader)
    if reader.left():
        raise Refused("trailing bytes")
    return value


def verify_inclusion(root, size, index, leaf, hashes):
    """Section 2.1.3.2."""
    if size > MAX_SIZE:
        raise Refused("too many leaves")
    if index >= size:
        raise Refused("no such leaf")
    fn, sn, r = index, size - 1, leaf_hash(leaf)
    for p in hashes:
        if sn == 0:
            raise Refused("the path is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Refused("the path is too short")
    if r != root:
        raise Refused("the path does not lead to the root")


def verify_consistency(old_root, old_size, new_root, new_size, hashes):
    """Section 2.1.4.2, and what membership-log.md section 2.3 says of trees without leaves."""
    if max(old_size, new_size) > MAX_SIZE:
        raise Refused("too many leaves")
    if new_size < old_size:
        raise Refused("the tree has become smaller")
    for root, size in ((old_root, old_size), (new_root, new_size)):
        if size == 0 and root != sha256(b""):
            raise Refused("no leaves, and another root")
    if old_size in (0, new_size):
        if hashes:
            raise Refused("a path where none belongs")
        if old_size == new_size and old_root != new_root:
            raise Refused("two roots for one size")
        return
    rest = list(hashes)
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        raise Refused("the path is too short")
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = rest[0]
    for c in rest[1:]:
        if sn == 0:
            raise Refused("the path is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Refused("the path is too short")
    if (fr, sr) != (old_root, new_root):
        raise Refused("the path does not lead to the roots")


def selftest():
    """The published roots; and every proof of small trees against the RFC's own verification."""
    for size, root in enumerate(ROOTS):
        if mth(LEAVES[:size]) != root:
            raise SystemExit(f"selftest: root over {size} leaves")
    leaves = [bytes([n]) * n for n in range(40)]
    for size in range(41):
        root = mth(leaves[:size])
        for index in range(size):
            verify_inclusion(root, size, index, leaves[index], path(index, leaves[:size]))
        for old in range(size + 1):
            verify_consistency(mth(leaves[:old]), old, root, size, proof(old, leaves[:size]))


class Proofs(Group):
    def root(self, name, leaves):
        self.accepted(name, kind="root", leaves=[leaf.hex() for leaf in leaves], root=mth(leaves).hex())

    def inclusion(self, name, leaves, at, **changes):
        """Proves `leaves[at]`, after `changes` of what is shown."""
        shown = {"root": mth(leaves), "size": len(leaves), "index": at, "leaf": leaves[at], **changes}
        encoded = changes.get("path") or PATH.encode(path(at, leaves))
        content = {
            "kind": "inclusion",
            "root": shown["root"].hex(),
            "size": str(shown["size"]),
            "index": str(shown["index"]),
            "leaf": shown["leaf"].hex(),
            "path": encoded.hex(),
        }
        self._judge(
            name,
            content,
            lambda: verify_inclusion(shown["root"], shown["size"], shown["index"], shown["leaf"], decode_path(encoded)),
        )

    def consistency(self, name, leaves, old, **changes):
        shown = {
            "old_root": mth(leaves[:old]),
            "old_size": old,
            "new_root": mth(leaves),
            "new_size": len(leaves),
            **changes,
        }
        encoded = changes.get("path") or PATH.encode(proof(old, leaves))
        content = {
            "kind": "consistency",
            "old_root": shown["old_root"].hex(),
            "old_size": str(shown["old_size"]),
            "new_root": shown["new_root"].hex(),
            "new_size": str(shown["new_size"]),
            "path": encoded.hex(),
        }
        self._judge(
            name,
            content,
            lambda: verify_consistency(
                shown["old_root"], shown["old_size"], shown["new_root"], shown["new_size"], decode_path(encoded)
            ),
        )

    def _judge(self, name, content, verify):
        try:
            verify()
        except Refused as refusal:
            self.refused(name, str(refusal), **content)
        else:
            self.accepted(name, **content)


def _flipped(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def merkle():
    g = Proofs("merkle", "membership-log 2", "Roots, inclusion and consistency; the path is as it is encoded.")
    many = [sha256(b"leaf %d" % n)[: n % 33] for n in range(100)]
    for size in range(9):
        g.root(f"published root over {size} leaves", LEAVES[:size])
    g.root("100 leaves", many)

    for size, index in [(1, 0), (2, 0), (2, 1), (3, 2), (5, 4), (7, 3), (8, 0), (8, 7)]:
        g.inclusion(f"leaf {index} of {size}", LEAVES[:size], index)
    for index in (0, 63, 64, 95, 96, 99):
        g.inclusion(f"leaf {index} of 100", many, index)
    right = path(5, LEAVES)
    seven = LEAVES[:7]
    g.inclusion("another root", LEAVES, 5, root=ROOTS[7])
    g.inclusion("another leaf", LEAVES, 5, leaf=b"A" + LEAVES[5][1:])
    g.inclusion("the neighbouring index", LEAVES, 5, index=4, leaf=LEAVES[5])
    g.inclusion("index mirrored", LEAVES, 5, index=2, leaf=LEAVES[5])
    g.inclusion("index one behind the last", LEAVES, 5, index=8, leaf=LEAVES[5])
    g.inclusion("largest index", LEAVES, 5, index=2**64 - 1, leaf=LEAVES[5])
    g.inclusion("in a tree without leaves", LEAVES, 0, size=0, root=ROOTS[0], path=b"\x00\x00")
    g.inclusion("in a tree of half the size", LEAVES, 0, size=4)
    g.inclusion("in a tree of twice the size", LEAVES, 0, size=16)
    g.inclusion("in the largest tree", LEAVES, 0, size=MAX_SIZE)
    g.inclusion("one leaf more than the largest tree", LEAVES, 0, size=MAX_SIZE + 1)
    g.inclusion("in a tree of 2^63 + 1 leaves", LEAVES, 2, size=2**63 + 1)
    g.inclusion("in a tree of 2^64 - 1 leaves", LEAVES, 2, size=2**64 - 1)
    g.inclusion("one hash missing below", LEAVES, 5, path=PATH.encode(right[1:]))
    g.inclusion("one hash missing above", LEAVES, 5, path=PATH.encode(right[:-1]))
    g.inclusion("one hash too many", LEAVES, 5, path=PATH.encode(right + [ROOTS[8]]))
    g.inclusion("no hashes", LEAVES, 5, path=PATH.encode([]))
    g.inclusion("a hash for the only leaf", LEAVES[:1], 0, path=PATH.encode([ROOTS[1]]))
    g.inclusion("from the root downwards", LEAVES, 5, path=PATH.encode(right[::-1]))
    g.inclusion("one bit of the path", LEAVES, 5, path=_flipped(PATH.encode(right), 40))
    inner = node(leaf_hash(LEAVES[0]), leaf_hash(LEAVES[1]))
    g.inclusion("an inner node as a leaf", LEAVES, 0, size=4, index=0, root=mth(LEAVES),
                leaf=leaf_hash(LEAVES[0]) + leaf_hash(LEAVES[1]), path=PATH.encode(path(0, LEAVES)[1:]))  # fmt: skip
    g.inclusion("an inner node with its prefix as a leaf", LEAVES, 0, size=4, index=0, root=mth(LEAVES),
                leaf=b"\x01" + leaf_hash(LEAVES[0]) + leaf_hash(LEAVES[1]),
                path=PATH.encode(path(0, LEAVES)[1:]))  # fmt: skip
    g.inclusion("an inner node by its hash", LEAVES[:1], 0, root=inner, leaf=inner)
    encoded = PATH.encode(right)
    g.inclusion("path with a trailing byte", LEAVES, 5, path=encoded + b"\x00")
    g.inclusion("path without its last byte", LEAVES, 5, path=encoded[:-1])
    g.inclusion("path of 95 bytes", LEAVES, 5, path=b"\x00\x5f" + encoded[2:-1])
    g.inclusion("path of 65 hashes", LEAVES, 5, path=PATH.encode([ROOTS[0]] * 65))
    g.inclusion("path whose length counts hashes", LEAVES, 5, path=b"\x00\x03" + encoded[2:])
    g.inclusion("path behind a length of four bytes", LEAVES, 5, path=b"\x00\x00" + encoded)

    for old, new in [(0, 0), (0, 1), (0, 7), (1, 1), (1, 8), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (8, 8)]:
        g.consistency(f"{old} to {new} leaves", LEAVES[:new], old)
    for old in (1, 31, 32, 33, 64, 77, 96, 99, 100):
        g.consistency(f"{old} to 100 leaves", many, old)
    right = proof(3, seven)
    g.consistency("another old root", seven, 3, old_root=ROOTS[4])
    g.consistency("another new root", seven, 3, new_root=ROOTS[8])
    g.consistency("old root exchanged, power of two", LEAVES, 4, old_root=ROOTS[3])
    g.consistency("roots exchanged", seven, 3, old_root=ROOTS[7], new_root=ROOTS[3])
    g.consistency("smaller than before", seven, 3, old_size=7, old_root=ROOTS[7], new_size=3, new_root=ROOTS[3])
    g.consistency("same size, other root", seven, 7, old_root=ROOTS[6], path=PATH.encode([]))
    g.consistency("same size and a path", seven, 7, path=PATH.encode(right))
    g.consistency("no leaves before, with another root", seven, 0, old_root=ROOTS[1])
    g.consistency("no leaves before, and a path", seven, 0, path=PATH.encode(right))
    g.consistency("no leaves, with the root of some", [], 0, new_root=ROOTS[1])
    g.consistency("old size one less", LEAVES, 3, old_size=2)
    g.consistency("old size one more", LEAVES, 3, old_size=4)
    g.consistency("new size of another height", seven, 3, new_size=9)
    g.consistency("new size above the largest tree", seven, 3, new_size=MAX_SIZE + 1)
    g.consistency("new size 2^64 - 1", seven, 3, new_size=2**64 - 1)
    g.consistency("both sizes 2^64 - 1", seven, 7, old_size=2**64 - 1, new_size=2**64 - 1)
    g.consistency("old hash missing", seven, 3, path=PATH.encode(right[1:]))
    g.consistency("last hash missing", seven, 3, path=PATH.encode(right[:-1]))
    g.consistency("one hash more", seven, 3, path=PATH.encode(right + [ROOTS[8]]))
    g.consistency("no hashes at all", seven, 3, path=PATH.encode([]))
    g.consistency("hashes in the other order", seven, 3, path=PATH.encode(right[::-1]))
    g.consistency("one bit of a hash", seven, 3, path=_flipped(PATH.encode(right), 60))
    g.consistency("old root put in front, power of two", LEAVES, 4, path=PATH.encode([ROOTS[4]] + proof(4, LEAVES)))
    for changed in (0, 3, 6):
        forged = LEAVES[:changed] + [b"forged"] + LEAVES[changed + 1 :]
        g.consistency(f"leaf {changed} rewritten", forged, 7, old_root=ROOTS[7])
    g.consistency("odd length of the path", seven, 3, path=b"\x00\x21" + bytes(33))
    return g


GROUPS = [merkle]
