"""What variants do to the predictions of trained networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.decode.intervals import mean_interval
from kgreg.decode.sequence.functions import (
    Codes,
    IsStack,
    Scale,
    SequenceFunction,
    evaluating,
    other_strand,
    window,
)
from kgreg.errors import DataError
from kgreg.fit.fitted import FittedModel
from kgreg.nn.motif.network import MotifNetwork
from kgreg.progress import Progress, no_progress

#: Columns of :func:`variant_effects`.
EFFECT_COLUMNS = (
    "chrom", "pos", "id", "ref", "alt", "output", "ref_score", "alt_score", "difference", "low", "high", "n", "seed",
)  # fmt: skip

#: Variants whose sequences are in memory at a time.
_BLOCK = 512

#: Takes rows of the variants, returns the sequences with the reference and with the alternative allele.
Windows = Callable[[pd.DataFrame], tuple[Codes, Codes]]


def variant_effects(
    models: Sequence[FittedModel],
    variants: pd.DataFrame,
    windows: Windows,
    outputs: Sequence[str],
    *,
    scale: Scale = "prediction",
    seed: int = 0,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Compare predictions for the sequences around variants with either allele.

    Networks that do not read both strands alike are given both, and the mean counts.

    Parameters
    ----------
    models
        The networks of the folds and replicates; scores are means over them.
    variants
        ``chrom, pos, id, ref, alt`` (as :func:`kgreg.data.sequence.read_variants` returns them), any number.
    windows
        See :data:`Windows`; such as :func:`kgreg.data.sequence.variant_windows` of a genome and a length.
    outputs
        Names of the outputs.
    scale
        "prediction": probabilities, or values in the units of the data; "logit" or, for several classes, "centred":
        what the networks compute, which does not saturate.
    seed
        That of the experiment, for the table.

    Returns
    -------
    DataFrame
        One row a variant and output, in the order of the variants: ``difference`` is alternative minus reference, with
        its 95 % interval (Student's t) over the ``n`` networks: how it varies with fold and training.

    Raises
    ------
    FitError
        If a network does not read sequences alone.
    DataError
        If there are no networks, or an allele does not fit into the sequences.
    """
    if not models:
        raise DataError("There are no networks to score variants with.")
    functions = [SequenceFunction(model, scale) for model in models]
    tables = []
    for rows in _blocks(variants):
        reference, alternative = windows(rows)
        scores = np.stack([[_score(f, codes) for codes in (reference, alternative)] for f in functions])
        tables.append(_table(rows, scores.astype(np.float64), outputs, seed))
        progress(f"scored {rows.index[-1] + 1:,} of {len(variants):,} variants", (rows.index[-1] + 1) / len(variants))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(EFFECT_COLUMNS))


def _blocks(variants: pd.DataFrame) -> Iterator[pd.DataFrame]:
    numbered = variants.reset_index(drop=True)
    for start in range(0, len(numbered), _BLOCK):
        yield numbered.iloc[start : start + _BLOCK]


def _score(function: SequenceFunction, sequences: Codes) -> NDArray[np.floating[Any]]:
    """Return outputs ``[n, n_outputs]`` of sequences."""
    codes, _ = window(function, sequences)
    with evaluating(function), torch.no_grad():
        outputs = function.from_codes(torch.from_numpy(np.ascontiguousarray(codes)))
        if not _strands_alike(function):
            outputs = (outputs + function.from_codes(torch.from_numpy(other_strand(codes)))) / 2
    values: NDArray[np.floating[Any]] = outputs.numpy()
    return values


def _strands_alike(function: SequenceFunction) -> bool:
    """Say whether a network gives a sequence and its reverse complement the same outputs."""
    network = function.network
    return isinstance(network, MotifNetwork) or (isinstance(network, IsStack) and network.strands != "one")


def _table(rows: pd.DataFrame, scores: NDArray[np.float64], outputs: Sequence[str], seed: int) -> pd.DataFrame:
    """Return the table of ``scores [networks, 2, variants, outputs]``."""
    mean = scores.mean(axis=0)
    difference, low, high, n = mean_interval(scores[:, 1] - scores[:, 0])
    repeated = rows.loc[rows.index.repeat(len(outputs)), ["chrom", "pos", "id", "ref", "alt"]].reset_index(drop=True)
    return repeated.assign(
        output=list(outputs) * len(rows),
        ref_score=mean[0].ravel(),
        alt_score=mean[1].ravel(),
        difference=difference.ravel(),
        low=low.ravel(),
        high=high.ravel(),
        n=n.ravel(),
        seed=seed,
    )[list(EFFECT_COLUMNS)]
