"""DNA as numbers: A 0, C 1, G 2, T 3, and 4 for whatever else a sequence holds (N, other IUPAC codes, padding)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

#: The code of a letter that is not known.
UNKNOWN = 4

#: What an unknown letter is in one-hot: four zeros, which add nothing to any score, or a quarter of each letter.
UnknownRule = Literal["zero", "quarter"]


def one_hot(codes: Tensor, unknown: UnknownRule = "zero", dtype: torch.dtype = torch.float32) -> Tensor:
    """Return codes ``[..., length]`` as ``[..., 4, length]``, in the order A, C, G, T."""
    encoded = functional.one_hot(codes.long(), 5)[..., :4].transpose(-1, -2).to(dtype)
    if unknown == "quarter":
        encoded = encoded + 0.25 * (codes == UNKNOWN).unsqueeze(-2).to(dtype)
    return encoded


def reverse_complement(codes: Tensor) -> Tensor:
    """Return the other strand of codes ``[..., length]``, read in its own direction."""
    flipped = codes.flip(-1)
    return torch.where(flipped < UNKNOWN, 3 - flipped, flipped)
