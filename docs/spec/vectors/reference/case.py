"""Builders of vectors: every one states a name, what is expected and, if refused, why."""

from codec import decode, to_json
from primitives import Refused


class Group:
    def __init__(self, name, section, comment):
        self.name, self.section, self.comment, self.vectors = name, section, comment, []

    def add(self, name, expected, **content):
        if any(v["name"] == name for v in self.vectors):
            raise ValueError(f"{self.name}: two vectors are called {name!r}")
        self.vectors.append({"name": name, "expected": expected, **content})

    def accepted(self, name, **content):
        self.add(name, "accepted", **content)

    def refused(self, name, why, **content):
        self.add(name, "refused", why=why, **content)

    def document(self):
        return {
            "group": self.name,
            "section": self.section,
            "comment": self.comment,
            "vectors": self.vectors,
        }


class FormatGroup(Group):
    """Vectors of one encoded type. The reference decoder confirms every expectation."""

    def __init__(self, name, section, comment, kind, rules=lambda value: None):
        super().__init__(name, section, comment)
        self.kind, self.rules = kind, rules

    def good(self, name, value, **content):
        encoded = self.kind.encode(value)
        if decode(self.kind, encoded) != value:
            raise ValueError(f"{self.name}: {name}: decodes to something else")
        self.rules(value)
        self.accepted(name, encoded=encoded.hex(), fields=to_json(self.kind, value), **content)
        return encoded

    def bad(self, name, encoded, **content):
        """Refused by the decoder or by the rules of the type: the reference says why."""
        try:
            self.rules(decode(self.kind, encoded))
        except Refused as refusal:
            self.refused(name, str(refusal), encoded=encoded.hex(), **content)
        else:
            raise ValueError(f"{self.name}: {name} was accepted")

    def usual_suspects(self, encoded, empty=True):
        self.bad("trailing byte", encoded + b"\x00")
        self.bad("the same twice", encoded + encoded)
        self.bad("last byte missing", encoded[:-1])
        self.bad("cut in the middle", encoded[: len(encoded) // 2])
        if empty:
            self.bad("no bytes at all", b"")


def patched(data, at, replacement):
    """`data` with the bytes from `at` on replaced, the length kept."""
    return data[:at] + replacement + data[at + len(replacement) :]


def swapped(data, old, new):
    """`data` with its one occurrence of `old` replaced by `new`."""
    if data.count(old) != 1:
        raise ValueError(f"{old!r} occurs {data.count(old)} times")
    return data.replace(old, new)
