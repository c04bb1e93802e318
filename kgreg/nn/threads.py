"""How many threads numba's kernels use."""

from __future__ import annotations

import numba
import torch


def use_threads() -> int:
    """Let the kernels use as many threads as torch does; return the number.

    numba's threads are those of OpenMP where it finds OpenMP, and when it starts them it sets how many there are for
    the whole process: torch, told to use one, would go on with all of them. So torch is told again.
    """
    before = torch.get_num_threads()
    threads = min(before, int(numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    numba.set_num_threads(threads)
    if torch.get_num_threads() != before:
        torch.set_num_threads(before)
    return threads
