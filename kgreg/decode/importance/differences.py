"""Attributions from what an output does when a node is set to another value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs, Scale
from kgreg.nn.derivatives import change_of
from kgreg.nn.inputs import Inputs

#: How far a node is shifted to either side; KPNN's.
EPSILON = 1e-3


def ablation(inquiry: Inquiry, pairs: Pairs) -> Found:
    """What an output loses when a node is set to its mean over the reference samples: all neurons of it, or all inputs.

    Genes by knockouts to the mean input; terms by a pass each, in which all above read the mean.
    """
    samples, place = np.unique(pairs.samples, return_inverse=True)
    given = inquiry.inputs(samples)
    network, mean = inquiry.model.network, inquiry.means.neurons
    with torch.no_grad():
        base: Tensor = network(given).outputs

        def effects() -> Iterator[Tensor]:
            yield from (base - outputs for outputs in _without_genes(inquiry, samples, given, base))
            yield from (base - outputs for outputs in network.set_terms(given, 0.0, mean))

        scores = _scores(inquiry, effects(), pairs, place, "logit")
    return Found(scores, scores)


def central_difference(inquiry: Inquiry, pairs: Pairs) -> Found:
    """KPNN's node weight as published: ``(y(h + e) - y(h - e)) / 2 e`` with e = 0.001 (Fortelny & Bock 2020).

    Of the prediction; all neurons of a node, or all inputs of a gene, are shifted together. In double precision, two
    passes a node. The derivative itself ("gradient") is the same in one pass for all nodes.
    """
    samples, place = np.unique(pairs.samples, return_inverse=True)
    inquiry = inquiry.precise()
    network, given = inquiry.model.network, _double(inquiry.inputs(samples))
    x: Tensor = given.genes  # type: ignore[assignment]
    with torch.no_grad():

        def shifted() -> Iterator[tuple[Tensor, Tensor]]:
            for columns in inquiry.columns:
                step = torch.zeros(x.shape[2], dtype=x.dtype)
                step[columns] = EPSILON
                yield network.predict(replace(given, genes=x + step)), network.predict(replace(given, genes=x - step))
            step = torch.full((int(network.term_widths.sum()),), EPSILON, dtype=x.dtype)
            for span in inquiry.spans:
                up, down = (network.intervene(given, change_of(span, 1.0, by)).outputs for by in (step, -step))
                yield up, down

        rows = np.arange(len(pairs.samples))
        value = inquiry.value(pairs.outputs, "prediction")
        scores = np.empty((len(inquiry.columns) + len(inquiry.spans), len(rows)), dtype=np.float32)
        for node, (up, down) in enumerate(shifted()):
            scores[node] = ((value(up[place]) - value(down[place])) / (2 * EPSILON)).numpy()
    every = _measured(inquiry, pairs, scores)
    return Found(every, every)


def _scores(
    inquiry: Inquiry, effects: Iterator[Tensor], pairs: Pairs, place: NDArray[np.intp], scale: Scale
) -> NDArray[np.float32]:
    value = inquiry.value(pairs.outputs, scale)
    rows = [value(effect[place]).numpy() for effect in effects]
    scores = np.stack(rows) if rows else np.empty((0, len(place)))
    return inquiry.with_holders(scores.astype(np.float32))


def _measured(inquiry: Inquiry, pairs: Pairs, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores with 0 for genes of which a sample has nothing."""
    measured = inquiry.measured(pairs.samples)
    if measured is not None:
        for gene, columns in enumerate(inquiry.columns):
            scores[gene] *= measured[:, columns].any(dim=1).numpy()
    return inquiry.with_holders(scores)


def _without_genes(inquiry: Inquiry, samples: NDArray[np.int64], given: Inputs, base: Tensor) -> Iterator[Tensor]:
    """Yield outputs with every gene at its mean in turn; inputs that were not measured stay as they are."""
    network = inquiry.model.network
    x: Tensor = given.genes  # type: ignore[assignment]
    if inquiry.measured(samples) is None:
        for changed in network.knock_out(given, inquiry.columns, inquiry.means.inputs):
            outputs = base.clone()
            outputs[changed.samples] = changed.outputs
            yield outputs
        return
    centre = inquiry.baseline(samples, x[0])
    for columns in inquiry.columns:
        other = x.clone()
        other[0][:, columns] = centre[:, columns]
        yield network.predict(replace(given, genes=other))


def _double(given: Inputs) -> Inputs:
    blocks = {name: (b if isinstance(b, Tensor) else b.dense()).double() for name, b in given.blocks.items()}
    covariates = None if given.covariates is None else given.covariates.double()
    present = None if given.present is None else given.present.double()
    genes: Tensor = given.genes  # type: ignore[assignment]
    return replace(given, genes=genes.double(), blocks=blocks, covariates=covariates, present=present)
