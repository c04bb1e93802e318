"""Importance of every node of one network for every sample: what a mean over samples, or over resamples, is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from kgreg.decode.holders import Holders
from kgreg.decode.importance import (
    Measure,
    _attribute,
    _by_node,
    _derivatives,
    _means,
    samples_of_outputs,
)
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings


@dataclass(frozen=True)
class SampleScores:
    """Scores of some samples for one output.

    ``output``: its number; ``rows``: positions of the samples; ``shown``: ``[n_nodes, len(rows)]`` signed scores;
    ``size``: the same, what counts for the importance over all outputs.
    """

    output: int
    rows: NDArray[np.int64]
    shown: NDArray[np.float64]
    size: NDArray[np.float64]


def sample_scores(
    model: FittedModel,
    readings: Readings,
    target: NDArray[Any],
    reference: Readings,
    n_outputs: int,
    *,
    measure: Measure = "activation",
    batch_size: int = 512,
) -> Iterator[SampleScores]:
    """Yield the scores of samples, output by output; parameters as of :func:`kgreg.decode.node_importance`."""
    gene_of, _ = pd.factorize(model.blueprint.inputs["node"])
    holders = Holders.of(model.blueprint, model.network.term_ids)
    if measure == "gradient":
        for c in range(n_outputs):
            for start in range(0, len(readings), batch_size):
                rows = np.arange(start, min(start + batch_size, len(readings)))
                piece = readings.rows(rows)

                def prediction(values: Tensor, c: int = c) -> Tensor:
                    if model.task == "classification":
                        return values.softmax(dim=1)[:, c]
                    return values[:, c].sigmoid() if model.task == "multilabel" else values[:, c]

                _, slope, _, through = _derivatives(model, piece, prediction)
                found = holders.extend(_by_node(model, piece, slope, through, gene_of))
                yield SampleScores(c, rows, found, found)
        return
    mean, centre = _means(model, reference, batch_size)
    by_presence = bool(len(model.blueprint.motifs))
    for c, members in enumerate(samples_of_outputs(model.task, target, n_outputs)):
        for start in range(0, len(members), batch_size):
            rows = members[start : start + batch_size]
            pair = _attribute(model, readings.rows(rows), mean, centre, gene_of, c, by_presence)
            attribution, shown = (holders.extend(one) for one in pair)
            yield SampleScores(c, rows, shown, np.abs(attribution))


def scored_nodes(model: FittedModel) -> list[str]:
    """Return the ids of the nodes that are scored, in order: genes, terms, and what holds motifs."""
    genes = model.blueprint.inputs["node"].unique().tolist()
    return [*genes, *model.network.term_ids, *Holders.of(model.blueprint, model.network.term_ids).ids]
