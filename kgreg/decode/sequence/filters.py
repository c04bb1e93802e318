"""First-layer filters -> the letters that excite them, as position frequency matrices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.decode.sequence.functions import Codes, SequenceFunction, evaluating, read
from kgreg.decode.sequence.receptive_field import ELEMENTWISE, flat_layers
from kgreg.errors import DataError
from kgreg.nn.motif.bank import MotifBank

#: Complement of every code.
_COMPLEMENT = np.array([3, 2, 1, 0, 4])


@runtime_checkable
class Bank(Protocol):
    """A bank of filters of mixed width that reads both strands; see :class:`kgreg.nn.motif.bank.MotifBank`."""

    ids: list[str]
    widths: NDArray[np.int64]

    def score_map(self, x: Tensor) -> Tensor:
        """Return the score of every window, ``[batch, n, 2, length]``."""
        ...


@dataclass(frozen=True)
class FilterPattern:
    """What excites a filter.

    Attributes
    ----------
    filter
        Id of the motif node, or ``filter:`` and a number.
    counts
        ``[width, 4]``: how often each letter stood at each position of the sites.
    sites, sequences
        Sites above the threshold, and sequences that have any.
    threshold, maximum
        Activation from which on a window counts as a site, and the largest.
    """

    filter: str
    counts: NDArray[np.int64]
    sites: int
    sequences: int
    threshold: float
    maximum: float


@dataclass(frozen=True)
class _FirstLayer:
    """The filters that read the sequence, however the network has them.

    ``maps`` returns activations ``[batch, n, strands, positions]``; position p reads letters from ``p stride - shift``
    on, every ``dilation``-th of them.
    """

    ids: list[str]
    widths: NDArray[np.int64]
    maps: Callable[[Tensor], Tensor]
    shift: int = 0
    dilation: int = 1
    stride: int = 1


def filter_patterns(
    function: nn.Module,
    sequences: Codes,
    *,
    share: float = 0.5,
    motifs: Collection[str] | None = None,
    batch_size: int = 64,
) -> list[FilterPattern]:
    """Count the letters of all windows that excite a filter by more than a share of its maximum.

    Half of the maximum over the sequences is the threshold of Basset (Kelley et al. 2016). Windows of
    the reverse strand, where a network reads it by the same filters, are counted as their reverse complements; letters
    beyond the ends are not counted.

    Parameters
    ----------
    function
        A network whose first layer is a motif bank or a convolution; see
        :func:`kgreg.decode.sequence.functions.sequence_function`.
    sequences
        Codes ``[n, length]``, best the test sequences.
    share
        Of the maximum.
    motifs
        Motifs of a bank to look at; by default all. Filters that are no motif are always looked at.

    Returns
    -------
    list of FilterPattern
        One a filter; ``sites`` is 0 where no window has a positive activation. Empty if the first layer is no
        convolution.

    Raises
    ------
    DataError
        If ``share`` is not between 0 and 1, or there are no sequences.
    """
    if not 0 < share < 1:
        raise DataError(f"A threshold of {share} of the maximum is none.", "Give a share between 0 and 1.")
    patterns = []
    with evaluating(function), torch.no_grad():
        for layer in first_layers(function, motifs):
            patterns += _patterns(layer, function, np.asarray(sequences), share, batch_size)
    return patterns


def _patterns(
    layer: _FirstLayer, function: nn.Module, sequences: Codes, share: float, batch_size: int
) -> list[FilterPattern]:
    n, widest = len(layer.ids), int(layer.widths.max())

    def maps() -> Iterator[tuple[int, Tensor]]:
        for start in range(0, len(sequences), batch_size):
            yield start, layer.maps(read(function, sequences[start : start + batch_size]))

    maximum = torch.stack([found.amax(dim=(0, 2, 3)) for _, found in maps()]).amax(dim=0)
    threshold = share * maximum
    counts = np.zeros((n, widest, 5), dtype=np.int64)
    sites, hosts = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    reach = np.arange(widest) * layer.dilation
    last = (layer.widths - 1) * layer.dilation
    for start, found in maps():
        excited = (found > threshold[None, :, None, None]) & (maximum > 0)[None, :, None, None]
        hosts += excited.flatten(2).any(dim=2).sum(dim=0).numpy()
        row, which, strand, position = (index.numpy() for index in torch.nonzero(excited, as_tuple=True))
        begin = (position * layer.stride - layer.shift)[:, None]
        at = np.where(strand[:, None] == 0, begin + reach, begin + last[which][:, None] - reach)
        inside = (at >= 0) & (at < sequences.shape[1])
        codes = np.where(inside, sequences[start + row[:, None], at.clip(0, sequences.shape[1] - 1)], 4)
        codes = np.where(strand[:, None] == 0, codes, _COMPLEMENT[codes])
        np.add.at(counts, (which[:, None], np.arange(widest)[None], codes), 1)
        sites += np.bincount(which, minlength=n)
    return [
        FilterPattern(
            layer.ids[f],
            counts[f, : layer.widths[f], :4],
            int(sites[f]),
            int(hosts[f]),
            float(threshold[f]),
            float(maximum[f]),
        )
        for f in range(n)
    ]


def first_layers(function: nn.Module, motifs: Collection[str] | None = None) -> list[_FirstLayer]:
    """Return the filters that read the sequence: of one or two banks, or of a convolution; none of other networks.

    ``motifs``: those of the first bank that are wanted.
    """
    network: Any = function.network if isinstance(function, SequenceFunction) else function
    banks = [getattr(network, "bank", None), getattr(getattr(network, "de_novo", None), "bank", None)]
    if motifs is not None and isinstance(banks[0], MotifBank):
        banks[0] = _part(banks[0], motifs)
    found = [_FirstLayer(list(bank.ids), bank.widths, bank.score_map) for bank in banks if isinstance(bank, Bank)]
    if found:
        return found
    chain = _leading(network)
    convolution = next((layer for layer in chain if isinstance(layer, nn.Conv1d)), None)
    if convolution is None:
        return []
    layers = nn.Sequential(*chain)
    named = list(getattr(network, "term_ids", []))
    ids = [*named, *(f"filter:{f}" for f in range(len(named), convolution.out_channels))]
    width, dilation = convolution.kernel_size[0], convolution.dilation[0]
    padding = convolution.padding[0]
    if isinstance(convolution.padding, str):
        padding = (width - 1) * dilation // 2 if convolution.padding == "same" else 0
    before = sum(layer.padding[0] for layer in chain if isinstance(layer, nn.ConstantPad1d))
    widths = np.full(convolution.out_channels, width)
    stride = convolution.stride[0]
    return [_FirstLayer(ids, widths, lambda x: layers(x)[:, :, None], int(padding) + before, dilation, stride)]


def _part(bank: MotifBank, motifs: Collection[str]) -> MotifBank | None:
    """Return a bank of some motifs of another; None if it has none of them."""
    filters = zip(bank.ids, bank.filters(), strict=True)
    kept = {name: values.detach().cpu().numpy() for name, values in filters if name in motifs}
    return MotifBank(kept) if kept else None


def _leading(network: Any) -> list[nn.Module]:
    """Return the first convolution of a network, with the padding before it and the activations behind it.

    Empty if another layer reads the sequence.
    """
    stack = network.stack() if hasattr(network, "stack") else network
    if not isinstance(stack, nn.Sequential):
        first = getattr(network, "first", None)
        return [first] if isinstance(first, nn.Conv1d) else []
    found: list[nn.Module] = []
    reading = False
    for layer in flat_layers(stack):
        if isinstance(layer, (nn.Dropout, nn.Identity)):
            continue
        if isinstance(layer, nn.Conv1d) and not reading:
            reading = True
        elif not isinstance(layer, (*ELEMENTWISE, nn.BatchNorm1d) if reading else nn.ConstantPad1d):
            break
        found.append(layer)
    return found if reading else []
