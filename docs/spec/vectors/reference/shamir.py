"""Shamir's scheme byte by byte over GF(2^8) with x^8 + x^4 + x^3 + x + 1: protocol.md section 3.11."""


def multiply(a, b):
    """Shift and add, reduced by the polynomial."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11B
        b >>= 1
    return product


def inverse(a):
    """a^254, since a^255 = 1 for every a but 0."""
    if a == 0:
        raise ZeroDivisionError("0 has no inverse")
    result = 1
    for _ in range(254):
        result = multiply(result, a)
    return result


def share(secret, coefficients, x):
    """The values at x of one polynomial per byte. `coefficients[i]` are those of x^(i+1), one byte for
    each byte of the secret."""
    out = []
    for position, value in enumerate(secret):
        power = 1
        for row in coefficients:
            power = multiply(power, x)
            value ^= multiply(row[position], power)
        out.append(value)
    return bytes(out)


def interpolate(shares):
    """The values at 0 of the polynomials through `shares`: {x: bytes}."""
    out = bytes(len(next(iter(shares.values()))))
    for x, value in shares.items():
        basis = 1
        for other in shares:
            if other != x:
                # At 0, (0 - other) / (x - other); adding and subtracting are one.
                basis = multiply(basis, multiply(other, inverse(x ^ other)))
        out = bytes(a ^ multiply(basis, b) for a, b in zip(out, value))
    return out
