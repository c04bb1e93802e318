"""What the samples offer a network: the features that vary, the inputs of each, and what there is beside genes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.covariates import CovariateEncoder
from kgreg.data.samples import Samples
from kgreg.data.scaling import Scale, Scaler
from kgreg.data.sequence.kmers import gc_content, kmer_counts
from kgreg.errors import DataError, some

#: Letters of the words that a linear model of sequences counts.
BASELINE_K = 5

ConstantGenes = Literal["error", "drop"]


def usable_features(samples: Samples, features: list[str], constant: ConstantGenes = "error") -> list[str]:
    """Return the features that vary over the samples, in at least one of their modalities.

    Raises
    ------
    DataError
        If some do not vary (an all-zero column, say) and ``constant="error"``; the message names them.
    """
    varied = _varying(samples)
    varying = {feature for feature, varies in zip(samples.features, varied, strict=True) if varies}
    flat = [feature for feature in features if feature not in varying]
    if flat and constant == "error":
        raise DataError(
            f"{len(flat)} genes have the same value in all {len(samples)} samples of {samples.origin} "
            f"(layer {samples.layer}): {some(flat, 10)}.",
            'Remove them, or set constant_genes = "drop" to leave them out (they are then listed in the report).',
        )
    return [feature for feature in features if feature in varying]


def input_table(samples: Samples, matched: pd.DataFrame) -> pd.DataFrame:
    """Return the inputs of a network over matched genes: ``matched`` with one row a modality.

    Parameters
    ----------
    matched
        ``feature, gene, label``, one row a gene.

    Returns
    -------
    DataFrame
        ``matched`` itself for data of one layer. Otherwise ``feature, gene, label, modality``: the modalities of a
        gene stand together, in the order of the layers. A gene has those modalities in which it was measured.
    """
    if not samples.modality_names:
        return matched
    columns = pd.DataFrame({"feature": samples.features, "modality": samples.modalities})
    return matched.merge(columns, on="feature", how="left")


def _varying(samples: Samples) -> NDArray[np.bool_]:
    """Return which columns hold more than one value, over the samples that have their modality."""
    if samples.present is None:
        return _several_values(samples.x)
    varies = np.zeros(len(samples.features), dtype=np.bool_)
    of_column = np.asarray(samples.modalities)
    for m, name in enumerate(samples.modality_names):
        columns = np.flatnonzero(of_column == name)
        varies[columns] = _several_values(samples.x[samples.present[:, m] > 0][:, columns])
    return varies


def _several_values(x: NDArray[np.float32] | sparse.csr_matrix) -> NDArray[np.bool_]:
    if isinstance(x, np.ndarray):
        dense: NDArray[np.bool_] = np.ptp(x, axis=0) != 0
        return dense
    least, most = x.min(axis=0).toarray(), x.max(axis=0).toarray()
    varies: NDArray[np.bool_] = (least != most)[0]
    return varies


def word_counts(samples: Samples) -> NDArray[np.float32] | None:
    """Return the counts of canonical 5-mers and the share of G and C of every sequence; None without sequences."""
    if samples.sequences is None:
        return None
    counts = kmer_counts(samples.sequences, BASELINE_K)
    return np.column_stack([counts, gc_content(samples.sequences)]).astype(np.float32)


def dense_inputs(
    samples: Samples, train: NDArray[np.int64], scale: Scale, words: NDArray[np.float32] | None = None
) -> NDArray[np.float32] | None:
    """Return covariates, blocks and what sequences count side by side, ``[n_samples, m]``, or None if there are none.

    Parameters
    ----------
    train
        Rows that encoder and scaler are fitted on.
    scale
        Of the blocks, see :meth:`kgreg.data.Scaler.fit`.
    words
        What :func:`word_counts` returned of the samples, which is standardised.
    """
    parts = []
    if samples.covariates is not None:
        parts.append(CovariateEncoder.fit(samples.covariates.iloc[train]).transform(samples.covariates))
    parts += [Scaler.fit(block[train], scale).transform(block) for block in samples.blocks.values()]
    if words is not None:
        parts.append(Scaler.fit(words[train], "standard").transform(words))
    return np.concatenate(parts, axis=1) if parts else None
