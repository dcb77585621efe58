"""The TLS presentation language (RFC 8446 section 3) as far as protocol.md section 2 uses it.

A type is an object with `encode(value) -> bytes` and `read(reader) -> value`. Integers are big
endian; a vector has the length of its content in bytes in front. Decoding is strict: what it
accepts encodes to the same bytes again.
"""

import string

from primitives import Refused

NAME_FIRST = set((string.ascii_letters + string.digits).encode())
NAME_ANY = NAME_FIRST | set(b"._-")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Refused("truncated")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def left(self):
        return len(self.data) - self.at


class Int:
    def __init__(self, size, signed=False, allowed=None, what="value"):
        self.size, self.signed, self.allowed, self.what = size, signed, allowed, what

    def encode(self, value):
        return value.to_bytes(self.size, "big", signed=self.signed)

    def read(self, reader):
        value = int.from_bytes(reader.take(self.size), "big", signed=self.signed)
        if self.allowed is not None and value not in self.allowed:
            raise Refused(f"unknown {self.what} {value}")
        return value


class Fixed:
    """opaque x[size], optionally one demanded value."""

    def __init__(self, size, demanded=None, what="protocol identifier"):
        self.size, self.demanded, self.what = size, demanded, what

    def encode(self, value):
        if len(value) != self.size:
            raise ValueError(f"expected {self.size} bytes, got {len(value)}")
        return value

    def read(self, reader):
        value = reader.take(self.size)
        if self.demanded is not None and value != self.demanded:
            raise Refused(f"wrong {self.what}")
        return value


class Opaque:
    """opaque x<0..2^(8*prefix)-1>"""

    def __init__(self, prefix, limit=None, exactly=None, within=None):
        self.prefix, self.limit, self.exactly, self.within = prefix, limit, exactly, within

    def encode(self, value):
        return len(value).to_bytes(self.prefix, "big") + value

    def read(self, reader):
        length = int.from_bytes(reader.take(self.prefix), "big")
        if self.limit is not None and length > self.limit:
            raise Refused("longer than allowed")
        if self.exactly is not None and length != self.exactly:
            raise Refused(f"expected {self.exactly} bytes, got {length}")
        if self.within is not None and length not in self.within:
            raise Refused(f"expected {self.within.start} to {self.within.stop - 1} bytes, got {length}")
        return reader.take(length)


class Region(Opaque):
    def __init__(self):
        super().__init__(1, 64)

    def encode(self, value):
        return super().encode(value.encode())

    def read(self, reader):
        try:
            return super().read(reader).decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise Refused("not UTF-8") from error


class NameType:
    def encode(self, value):
        text = value.encode("ascii")
        return bytes([len(text)]) + text

    def read(self, reader):
        text = reader.take(reader.take(1)[0])
        check_name(text)
        return text.decode("ascii")


def check_name(text):
    if not 1 <= len(text) <= 32:
        raise Refused("a name has 1 to 32 characters")
    if text[0] not in NAME_FIRST:
        raise Refused("a name begins with a letter or a digit")
    if not set(text) <= NAME_ANY:
        raise Refused("a name has letters, digits, '.', '_' and '-' only")


class Vector:
    """item x<..> with the length in bytes in front; `ascending` names the key that must rise."""

    def __init__(self, item, prefix, ascending=None, count=None):
        self.item, self.prefix, self.ascending, self.count = item, prefix, ascending, count

    def encode(self, value):
        content = b"".join(self.item.encode(v) for v in value)
        return len(content).to_bytes(self.prefix, "big") + content

    def read(self, reader):
        inner = Reader(reader.take(int.from_bytes(reader.take(self.prefix), "big")))
        out = []
        while inner.left():
            out.append(self.item.read(inner))
        if self.count is not None and len(out) not in self.count:
            raise Refused(f"{self.count.start} to {self.count.stop - 1} items, got {len(out)}")
        if self.ascending:
            keys = [self.ascending(v) for v in out]
            if any(b <= a for a, b in zip(keys, keys[1:])):
                raise Refused("not strictly ascending")
        return out


class Struct:
    def __init__(self, **fields):
        self.fields = fields

    def encode(self, value):
        if set(value) != set(self.fields):
            raise ValueError(f"fields {sorted(value)}, expected {sorted(self.fields)}")
        return b"".join(t.encode(value[name]) for name, t in self.fields.items())

    def read(self, reader):
        return {name: t.read(reader) for name, t in self.fields.items()}


class Select:
    """struct { ...head; select (head.tag) { case n: body } }"""

    def __init__(self, head, tag, cases, what):
        self.head, self.tag, self.cases, self.what = head, tag, cases, what

    def encode(self, value):
        head = {name: value[name] for name in self.head.fields}
        return self.head.encode(head) + self.cases[value[self.tag]].encode(value["body"])

    def read(self, reader):
        value = self.head.read(reader)
        if value[self.tag] not in self.cases:
            raise Refused(f"unknown {self.what} {value[self.tag]}")
        value["body"] = self.cases[value[self.tag]].read(reader)
        return value


class Optional:
    """One byte 0, or 1 and the item; None stands for nothing."""

    def __init__(self, item, what="flag"):
        self.item, self.what = item, what

    def encode(self, value):
        return b"\x00" if value is None else b"\x01" + self.item.encode(value)

    def read(self, reader):
        flag = reader.take(1)[0]
        if flag > 1:
            raise Refused(f"unknown {self.what} {flag}")
        return self.item.read(reader) if flag else None


class Checked:
    """A type whose decoder also demands a rule: `rule(value)` raises Refused."""

    def __init__(self, kind, rule):
        self.kind, self.rule = kind, rule

    def encode(self, value):
        return self.kind.encode(value)

    def read(self, reader):
        value = self.kind.read(reader)
        self.rule(value)
        return value


def decode(kind, data):
    reader = Reader(data)
    value = kind.read(reader)
    if reader.left():
        raise Refused("trailing bytes")
    return value


U8, U16, U32, U64 = Int(1), Int(2), Int(4), Int(8)
I8 = Int(1, signed=True)
HASH = Fixed(32)
NAME = NameType()


def _name_key(name):
    return name.encode("ascii")


CLIENTS = Vector(NAME, 4, ascending=_name_key)
WORDS = Vector(U64, 2, count=range(1, 33))
SIGNATURE = Opaque(2, exactly=64)


def to_json(kind, value):
    """A decoded value as JSON: 64-bit integers as decimal text, bytes as hex, nothing as null."""
    if isinstance(kind, Checked):
        return to_json(kind.kind, value)
    if isinstance(kind, Optional):
        return None if value is None else to_json(kind.item, value)
    if isinstance(kind, Select):
        out = {name: to_json(t, value[name]) for name, t in kind.head.fields.items()}
        out["body"] = to_json(kind.cases[value[kind.tag]], value["body"])
        return out
    if isinstance(kind, Struct):
        return {name: to_json(t, value[name]) for name, t in kind.fields.items()}
    if isinstance(kind, Vector):
        return [to_json(kind.item, v) for v in value]
    if isinstance(value, list):
        return [piece.hex() for piece in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(kind, Int) and kind.size == 8:
        return str(value)
    return value
