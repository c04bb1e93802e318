"""How many threads a computation may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def own_threads() -> Iterator[None]:
    """Keep torch at the threads it has while another library starts its own.

    Kernels that numba runs on OpenMP set the number of threads for the whole process when they start.
    """
    with limit_threads(torch.get_num_threads()):
        yield


@contextmanager
def limit_threads(n: int) -> Iterator[None]:
    """Use ``n`` threads in torch and in numpy's and scipy's linear algebra.

    With more threads sums differ in their last digits, so that results would depend on the machine; and several
    computations side by side, each with as many threads as there are cores, spend their time waiting for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(limits=n):
            yield
    finally:
        torch.set_num_threads(before)
