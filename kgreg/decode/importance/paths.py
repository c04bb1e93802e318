"""Attributions from derivatives on the way from the reference to the samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kgreg.decode.importance.gradients import slopes
from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs
from kgreg.nn.inputs import Inputs

#: Points of Gauss-Legendre quadrature on a path. Between smooth activations, more change nothing that shows.
POINTS = 8

#: Equal steps on a path where activations must be known at both ends of each.
STEPS = 16

#: Reference samples (and points on the way from them) that every sample is held against.
DRAWS = 16


def integrated_gradients(inquiry: Inquiry, pairs: Pairs) -> Found:
    """Integrated gradients (Sundararajan et al. 2017), of genes along the inputs, of terms along their activations.

    Genes: ``(x - x') integral of d o / d x`` from the mean input of the reference ``x'``; they sum to the difference
    of the outputs. Terms: the same in the space of one level's neurons, from what they are at ``x'`` to what they are,
    all below and beside them as in the sample (captum's ``LayerIntegratedGradients``); the neurons of one level sum to
    what the output loses when that level alone is as at ``x'``. Gauss-Legendre quadrature at ``POINTS`` points.

    Letters of DNA have no mean; of networks that read them, motifs begin at their mean activations.
    """
    points, weights = (values / 2 for values in np.polynomial.legendre.leggauss(POINTS))
    steps = list(zip((points + 0.5).tolist(), weights.tolist(), strict=True))
    given, base, start, hidden = _ends(inquiry, pairs)
    x: Tensor = given.genes[0]  # type: ignore[index]
    total = torch.zeros_like(x)
    if x.shape[1]:
        for alpha, weight in steps:
            total += weight * slopes(inquiry, pairs, "logit", base + alpha * (x - base)).by_input
    by_neuron = torch.zeros_like(hidden)
    for level in _levels(inquiry, given):
        for alpha, weight in steps:
            at = start[level] + alpha * (hidden[level] - start[level])
            by_neuron[level] += weight * _slope_at(inquiry, given, pairs, level, at)
    return inquiry.found(pairs, (x - base) * total, (hidden - start) * by_neuron, by_neuron)


def conductance(inquiry: Inquiry, pairs: Pairs) -> Found:
    """Conductance (Dhamdhere et al. 2018): what of the integrated gradients of all inputs flows through a neuron.

    ``integral of d o / d h_k  d h_k / d alpha`` along the line from the mean input of the reference to the sample; of
    inputs it is their integrated gradient. Neurons that cut all ways from inputs to output sum to the difference of the
    outputs. One pass over all levels a step, ``STEPS`` steps by the trapezoidal rule.
    """
    given, base, _, _ = _ends(inquiry, pairs)
    x: Tensor = given.genes[0]  # type: ignore[index]
    last = slopes(inquiry, pairs, "logit", base.clone())
    genes, neurons = torch.zeros_like(last.by_input), torch.zeros_like(last.by_neuron)
    mean = torch.zeros_like(last.by_neuron)
    for step in range(1, STEPS + 1):
        now = slopes(inquiry, pairs, "logit", base + step / STEPS * (x - base))
        genes += (x - base) * (last.by_input + now.by_input) / (2 * STEPS)
        neurons += (now.hidden - last.hidden) * (last.by_neuron + now.by_neuron) / 2
        mean += last.by_neuron + now.by_neuron
        last = now
    return inquiry.found(pairs, genes, neurons, mean)


def expected_gradients(inquiry: Inquiry, pairs: Pairs) -> Found:
    """Expected gradients (Erion et al. 2021), captum's ``GradientShap``, which approximate SHAP values.

    The mean over ``DRAWS`` of ``(x - x') d o / d x`` at a random point between the sample and a random sample of the
    reference ``x'``; of terms ``(h(x) - h(x')) d o / d h`` at the same point (``LayerGradientShap``). Every sample has
    draws of its own, the same in every call with the same seed.
    """
    given = inquiry.inputs(pairs.samples)
    x: Tensor = given.genes[0]  # type: ignore[index]
    measured = inquiry.measured(pairs.samples)
    rng = np.random.default_rng(inquiry.seed)
    shape = (len(inquiry.readings), DRAWS)
    chosen, shares = rng.integers(len(inquiry.reference), size=shape), rng.random(shape).astype(np.float32)
    hidden = _hidden(inquiry, given)
    genes, neurons, mean = torch.zeros_like(x), torch.zeros_like(hidden), torch.zeros_like(hidden)
    for draw in range(DRAWS):
        own = chosen[pairs.samples, draw]
        other: Tensor = inquiry.model.inputs_of(inquiry.reference.rows(own)).genes[0]  # type: ignore[index]
        if inquiry.reference.presence is not None:
            there = torch.from_numpy(inquiry.reference.presence.rows(own).mask).bool()
            other = torch.where(there, other, inquiry.means.inputs.expand_as(other))
        base = other if measured is None else torch.where(measured, other, x)
        alpha = torch.from_numpy(shares[pairs.samples, draw])[:, None]
        s = slopes(inquiry, pairs, "logit", base + alpha * (x - base))
        genes += (x - base) * s.by_input / DRAWS
        neurons += (hidden - _hidden(inquiry, replace(given, genes=base[None]))) * s.by_neuron / DRAWS
        mean += s.by_neuron
    return inquiry.found(pairs, genes, neurons, mean)


def _ends(inquiry: Inquiry, pairs: Pairs) -> tuple[Inputs, Tensor, Tensor, Tensor]:
    """Return samples, the inputs they start from, and the activations there and in the samples."""
    given = inquiry.inputs(pairs.samples)
    x: Tensor = given.genes[0]  # type: ignore[index]
    base = inquiry.baseline(pairs.samples, x)
    hidden = _hidden(inquiry, given)
    if inquiry.reads_dna:
        return given, base, inquiry.means.neurons[:, None].expand_as(hidden), hidden
    return given, base, _hidden(inquiry, replace(given, genes=base[None])), hidden


def _hidden(inquiry: Inquiry, given: Inputs) -> Tensor:
    with torch.no_grad():
        hidden: Tensor = inquiry.model.network(given).hidden
    return hidden


def _levels(inquiry: Inquiry, given: Inputs) -> list[slice]:
    """Return the neurons of every level, from the inputs upwards."""
    levels: list[slice] = []

    def note(rows: slice, values: Tensor) -> Tensor:
        if rows not in levels:
            levels.append(rows)
        return values

    with torch.no_grad():
        inquiry.model.network.intervene(given, note)
    return levels


def _slope_at(inquiry: Inquiry, given: Inputs, pairs: Pairs, level: slice, at: Tensor) -> Tensor:
    """Return derivatives by the neurons of a level, when they are ``at``, ``[n, P]``, and all below as it is."""
    leaf = at.detach().requires_grad_(True)

    def put(rows: slice, values: Tensor) -> Tensor:
        return leaf if rows == level else values

    out = inquiry.model.network.intervene(given, put)
    value = inquiry.value(pairs.outputs, "logit")(out.outputs).sum()
    return torch.autograd.grad(value, leaf, allow_unused=True, materialize_grads=True)[0]
