"""Windows of sequences, shifted and turned round at random in training."""

from __future__ import annotations

import torch
from torch import Tensor

from kgreg.nn.sequence.encoding import UNKNOWN, reverse_complement


def windows(codes: Tensor, length: int, shift: Tensor | None = None) -> Tensor:
    """Return windows of ``length`` from the middle of sequences, moved to the right by ``shift``.

    Parameters
    ----------
    codes
        ``[batch, L]``. Positions beyond either end are unknown.
    shift
        ``[batch]`` whole numbers, or None: no shift.

    Returns
    -------
    ``[batch, length]``. With ``L - length`` odd the middle lies half a position to the left.
    """
    start = (codes.shape[1] - length) // 2
    if shift is None and start >= 0 and start + length <= codes.shape[1]:
        return codes[:, start : start + length]
    at = start + torch.arange(length, device=codes.device)[None]
    if shift is not None:
        at = at + shift[:, None]
    inside = (at >= 0) & (at < codes.shape[1])
    found = codes.gather(1, at.clamp(0, codes.shape[1] - 1).expand(len(codes), -1))
    return torch.where(inside.expand_as(found), found, torch.full_like(found, UNKNOWN))


def augmented(codes: Tensor, length: int, jitter: int, turned: float) -> Tensor:
    """Return windows that begin up to ``jitter`` positions from the middle's, a share ``turned`` on the other strand.

    Draws come from torch's generator of the CPU, so that they are the same on every device.
    """
    shift = None
    if jitter:
        shift = torch.randint(-jitter, jitter + 1, (len(codes),)).to(codes.device)
    found = windows(codes, length, shift)
    if turned:
        other = (torch.rand(len(codes)) < turned).to(codes.device)
        found = torch.where(other[:, None], reverse_complement(found), found)
    return found
