"""Scores of a frozen bank, kept for as long as the process lives: a refit reads them instead of scanning again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.nn.motif.bank import MotifBank

#: Bytes of scores that are kept in all; what was used longest ago goes first, and more than this are not kept at all.
LIMIT = 2 << 30


class ScoreCache:
    """The scores of sequences by one bank, by what the sequences are.

    Sequences are told apart by a hash of their codes (128 bits), so it does not matter in which order, fold or arm they
    come. Scores do not depend on what else is in a batch.
    """

    def __init__(self, n_motifs: int, dtype: np.dtype[np.generic]) -> None:
        self._rows: dict[bytes, int] = {}
        self._scores: NDArray[np.generic] = np.empty((0, n_motifs), dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the scores that are held."""
        return int(self._scores.nbytes)

    def look_up(self, bank: MotifBank, codes: Tensor) -> Tensor:
        """Return the scores ``[batch, n]`` of codes ``[batch, L]``; those of new sequences are computed first."""
        array = np.ascontiguousarray(codes.numpy())
        keys = [hashlib.blake2b(row, digest_size=16).digest() for row in array]
        new = list({key: i for i, key in enumerate(keys) if key not in self._rows}.items())
        held = len(self._rows)
        if (held + len(new)) * self._scores.itemsize * self._scores.shape[1] > LIMIT:
            with torch.no_grad():
                return bank(codes)  # type: ignore[no-any-return]
        if new:
            with torch.no_grad():
                found = bank(codes[[i for _, i in new]]).numpy()
            self._make_room(held + len(new))
            self._scores[held : held + len(new)] = found
            self._rows.update({key: held + i for i, (key, _) in enumerate(new)})
        return torch.from_numpy(self._scores[[self._rows[key] for key in keys]])

    def _make_room(self, rows: int) -> None:
        if rows > len(self._scores):  # by halves, so that growing costs little
            grown = np.empty((max(rows, len(self._scores) * 3 // 2), self._scores.shape[1]), self._scores.dtype)
            grown[: len(self._rows)] = self._scores[: len(self._rows)]
            self._scores = grown


_caches: OrderedDict[str, ScoreCache] = OrderedDict()
_lock = Lock()


def frozen_scores(bank: MotifBank, codes: Tensor) -> Tensor:
    """Return what ``bank(codes)`` does, without derivatives; every sequence is scored once in the process.

    Banks with the same filters and pooling share their scores, whichever network, fold or arm they belong to.
    """
    with _lock:
        key = bank.content_hash()
        cache = _caches.get(key)
        if cache is None:
            cache = _caches[key] = ScoreCache(len(bank.ids), bank.weight.detach().numpy().dtype)
        _caches.move_to_end(key)
        scores = cache.look_up(bank, codes)
        while len(_caches) > 1 and sum(one.nbytes for one in _caches.values()) > LIMIT:
            _caches.popitem(last=False)
        return scores


def forget_scores() -> None:
    """Drop all that is kept."""
    with _lock:
        _caches.clear()
