"""The triplet loss, over all triplets of a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def triplet_loss(embedded: Tensor, classes: Tensor, margin: float) -> Tensor:
    """Return the mean of ``max(0, |a - p| - |a - n| + margin)`` over all triplets of a batch.

    For every pair of samples of one class, the earlier one is the anchor a and the later one the positive p; every
    sample of another class is a negative n. All of them count, those that cost nothing too (the selection "all" of
    online mining; Sharifi-Noghabi et al. 2019 mine so). Distances are Euclidean.

    Parameters
    ----------
    embedded
        ``[batch, width]``.
    classes
        ``[batch]`` class index.

    Returns
    -------
    Tensor
        A number; 0 without a gradient where the batch has no triplet. The memory that it takes grows with the third
        power of the batch.
    """
    distance = torch.cdist(embedded, embedded, compute_mode="donot_use_mm_for_euclid_dist")
    same = classes[:, None] == classes[None, :]
    anchor, positive = torch.nonzero(torch.triu(same, diagonal=1), as_tuple=True)
    costs = distance[anchor, positive][:, None] - distance[anchor] + margin
    counts = ~same[anchor]
    n_triplets = int(counts.sum())
    if not n_triplets:
        return embedded.new_zeros(())
    total: Tensor = (costs.clamp_min(0) * counts).sum() / n_triplets
    return total
