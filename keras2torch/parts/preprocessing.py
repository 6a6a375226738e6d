"""What stands in front of a model: scaling of numbers, and categories as vectors."""

from __future__ import annotations

import torch
from torch import nn


class Rescaling(nn.Module):
    """x * scale + offset, with `scale` and `offset` of a shape that broadcasts."""

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, scale_shape: tuple[int, ...] = (), offset_shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(scale_shape))
        self.register_buffer("offset", torch.zeros(offset_shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.offset


class Normalization(nn.Module):
    """Numbers of known mean and variance to mean 0 and variance 1, or back if `invert`; `shape` broadcasts."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, shape: tuple[int, ...], invert: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.invert = invert

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation = torch.clamp(torch.sqrt(self.variance), min=1e-7)
        return x * deviation + self.mean if self.invert else (x - self.mean) / deviation


class Discretization(nn.Module):
    """In which bin each number lies: i where boundaries[i - 1] <= x < boundaries[i]."""

    boundaries: torch.Tensor

    def __init__(self, boundaries: int) -> None:
        super().__init__()
        self.register_buffer("boundaries", torch.zeros(boundaries))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.bucketize(x.to(self.boundaries.dtype), self.boundaries, right=True)


class IntegerLookup(nn.Module):
    """The place of each integer in a vocabulary.

    Integers beyond it fall on `unknown_places` places from `first_unknown` on, by their remainder, or on -1 if there
    are none; `masked` falls on `masked_place`.
    """

    tokens: torch.Tensor
    places: torch.Tensor

    def __init__(
        self,
        size: int,
        first_unknown: int,
        unknown_places: int,
        masked: int | None = None,
        masked_place: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("tokens", torch.arange(size))  # in ascending order
        self.register_buffer("places", torch.arange(size))
        self.first_unknown, self.unknown_places = first_unknown, unknown_places
        self.masked, self.masked_place = masked, masked_place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.long()
        at = torch.searchsorted(self.tokens, x).clamp(max=len(self.tokens) - 1)
        if self.unknown_places:
            unknown = x.remainder(self.unknown_places) + self.first_unknown
        else:
            unknown = torch.full_like(x, -1)
        place = torch.where(self.tokens[at] == x, self.places[at], unknown)
        return place if self.masked is None else torch.where(x == self.masked, self.masked_place, place)


class IntegerOf(nn.Module):
    """The integer at each place of a vocabulary; `unknown` for a place beyond it."""

    tokens: torch.Tensor

    def __init__(self, size: int, unknown: int) -> None:
        super().__init__()
        self.register_buffer("tokens", torch.arange(size))
        self.unknown = unknown

    def forward(self, place: torch.Tensor) -> torch.Tensor:
        place = place.long()
        known = (place >= 0) & (place < len(self.tokens))
        return torch.where(known, self.tokens[place.clamp(0, len(self.tokens) - 1)], self.unknown)


def one_hot(categories: torch.Tensor, count: int) -> torch.Tensor:
    """Booleans along a new last axis: whether each category is 0, 1, ... count - 1. One beyond them is none."""
    return categories.unsqueeze(-1) == torch.arange(count, device=categories.device)
