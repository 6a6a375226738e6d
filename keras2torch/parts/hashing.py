"""The hashes of integers that TensorFlow puts into buckets, in 64-bit arithmetic that wraps around as C's does."""

from __future__ import annotations

import torch

# int64 stands for uint64 throughout: sums, products and left shifts are the same bits, the rest is written out here.


def signed(constant: int) -> int:
    """The int64 of the same bits as an unsigned constant."""
    return constant - (1 << 64) if constant >= 1 << 63 else constant


def shift_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    """The shift that fills up with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def rotate_right(x: torch.Tensor, bits: int) -> torch.Tensor:
    """The bits that fall out on the right come in on the left."""
    return shift_right(x, bits) | (x << (64 - bits))


def shift_mix(x: torch.Tensor) -> torch.Tensor:
    """The upper bits over the lower ones."""
    return x ^ shift_right(x, 47)


def unsigned_remainder(x: torch.Tensor, divisor: int) -> torch.Tensor:
    """X modulo `divisor`, with the bits of x read as an unsigned number."""
    return (shift_right(x, 1).remainder(divisor) * 2 + (x & 1)).remainder(divisor)


def decimal_bytes(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The decimal string of each integer: its bytes along a new last axis of 24, zeros behind it, and its length."""
    places = torch.tensor([10**place for place in range(18, -1, -1)], device=x.device)
    negative = x < 0
    # Division towards zero of a negative number, so that the smallest one needs no positive counterpart.
    digits = torch.div(x.unsqueeze(-1), places, rounding_mode="trunc").fmod(10).abs()
    count = 19 - (digits.cumsum(-1) == 0).sum(-1).clamp(max=18)
    length = count + negative
    at = torch.arange(24, device=x.device)
    source = (at + (19 - length).unsqueeze(-1)).clamp(0, 18)
    text = torch.gather(digits, -1, source.expand(*x.shape, 24)) + ord("0")
    text = torch.where((at == 0) & negative.unsqueeze(-1), ord("-"), text)
    return torch.where(at < length.unsqueeze(-1), text, 0), length


def word(text: torch.Tensor, at: torch.Tensor | int, size: int) -> torch.Tensor:
    """The little-endian number of `size` bytes from byte `at` on (from byte 0 on where `at` is negative)."""
    start = torch.as_tensor(at, device=text.device).clamp(min=0).expand(text.shape[:-1])
    places = torch.arange(size, device=text.device)
    own = torch.gather(text, -1, (start.unsqueeze(-1) + places).clamp(max=text.shape[-1] - 1))
    return (own << (8 * places)).sum(-1)


def farm_hash(text: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """FarmHash Fingerprint64 of strings of 1 to 32 bytes (Google's farmhash, `farmhashna::Hash64`)."""
    k0, k1, k2 = signed(0xC3A5C85C97CB3127), signed(0xB492B66FBE98F273), signed(0x9AE16A3B2F90404F)
    mul = k2 + length * 2

    def mixed(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        a = shift_mix((u ^ v) * mul)
        return shift_mix((v ^ a) * mul) * mul

    first, last = text[..., 0], torch.gather(text, -1, (length - 1).unsqueeze(-1)).squeeze(-1)
    middle = torch.gather(text, -1, (length >> 1).unsqueeze(-1)).squeeze(-1)
    short = shift_mix(((first + (middle << 8)) * k2) ^ ((length + (last << 2)) * k0)) * k2

    four = mixed(length + (word(text, 0, 4) << 3), word(text, length - 4, 4))

    a, b = word(text, 0, 8) + k2, word(text, length - 8, 8)
    eight = mixed(rotate_right(b, 37) * mul + a, (rotate_right(a, 25) + b) * mul)

    a, b = word(text, 0, 8) * k1, word(text, 8, 8)
    c, d = word(text, length - 8, 8) * mul, word(text, length - 16, 8) * k2
    long = mixed(rotate_right(a + b, 43) + rotate_right(c, 30) + d, a + rotate_right(b + k2, 18) + c)

    result = torch.where(length <= 16, eight, long)
    result = torch.where(length < 8, four, result)
    return torch.where(length < 4, short, result)


def sip_hash(text: torch.Tensor, length: torch.Tensor, key: tuple[int, int]) -> torch.Tensor:
    """SipHash-2-4 of strings of up to 23 bytes (Aumasson and Bernstein, 2012)."""
    state = [
        torch.full_like(length, signed(start ^ (key[number % 2] & 0xFFFFFFFFFFFFFFFF)))
        for number, start in enumerate(
            (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
        )
    ]

    def rounds(state: list[torch.Tensor], count: int) -> list[torch.Tensor]:
        a, b, c, d = state
        for _ in range(count):
            a, c = a + b, c + d
            b, d = rotate_right(b, 51) ^ a, rotate_right(d, 48) ^ c
            a = rotate_right(a, 32)
            c, a = c + b, a + d
            b, d = rotate_right(b, 47) ^ c, rotate_right(d, 43) ^ a
            c = rotate_right(c, 32)
        return [a, b, c, d]

    words = length >> 3
    for number in range(3):
        # The last word ends in the length; the ones behind it are not there.
        own = word(text, 8 * number, 8)
        own = torch.where(words == number, own | (length << 56), own)
        a, b, c, d = state
        mixed = rounds([a, b, c, d ^ own], 2)
        mixed[0] = mixed[0] ^ own
        state = [torch.where(words >= number, new, old) for new, old in zip(mixed, state, strict=True)]
    a, b, c, d = rounds([state[0], state[1], state[2] ^ 0xFF, state[3]], 4)
    return a ^ b ^ c ^ d


def hash_buckets(
    x: torch.Tensor, buckets: int, masked: int | None = None, key: tuple[int, int] | None = None
) -> torch.Tensor:
    """The bucket of each integer by its decimal string; bucket 0 is that of `masked` alone, where it is given."""
    text, length = decimal_bytes(x)
    fingerprint = farm_hash(text, length) if key is None else sip_hash(text, length, key)
    if masked is None or buckets == 1:
        return unsigned_remainder(fingerprint, buckets)
    return torch.where(x == masked, 0, unsigned_remainder(fingerprint, buckets - 1) + 1)


def crossed_buckets(columns: list[torch.Tensor], buckets: int) -> torch.Tensor:
    """The bucket of each combination of integers, as TensorFlow's sparse cross of columns finds it."""
    mul = signed(0xC6A4A7935BD1E995)
    fingerprint = torch.full_like(columns[0], 0xDECAFCAFFE)
    for column in columns:
        fingerprint = fingerprint ^ mul ^ (shift_mix(column * mul) * mul)
        fingerprint = shift_mix(shift_mix(fingerprint * mul) * mul)
    return unsigned_remainder(fingerprint, buckets)
