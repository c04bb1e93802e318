"""Attributions from derivatives at the samples themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs, Scale


class Slopes(NamedTuple):
    """One sample and output each: inputs and slopes ``[P, n_inputs]``, activations and slopes ``[n_neurons, P]``.

    The slopes are total derivatives, through all paths.
    """

    x: Tensor
    by_input: Tensor
    hidden: Tensor
    by_neuron: Tensor


def slopes(inquiry: Inquiry, pairs: Pairs, scale: Scale, x: Tensor | None = None) -> Slopes:
    """Return the derivatives of the outputs of ``pairs`` by all inputs and neurons.

    One pass forward for every sample; backward one in all if every sample stands with one output, else one an output.

    Parameters
    ----------
    x
        ``[P, n_inputs]`` scaled inputs to take the samples with instead of their own.
    """
    network = inquiry.model.network
    samples, place = np.unique(pairs.samples, return_inverse=True)
    if x is None and len(samples) < len(place):
        given = inquiry.inputs(samples)
        outputs, which = np.unique(pairs.outputs, return_inverse=True)
        out, found = network.derivatives(given, [inquiry.value(int(output), scale) for output in outputs])
        by_input = torch.stack([one.inputs for one in found])[which, place]
        by_neuron = torch.stack([one.neurons for one in found], dim=1)[:, which, place]
        return Slopes(given.genes[0][place], by_input, out.hidden.detach()[:, place], by_neuron)  # type: ignore[index]
    given = inquiry.inputs(pairs.samples)
    if x is not None:
        given = replace(given, genes=x[None])
    out, (one,) = network.derivatives(given, [inquiry.value(pairs.outputs, scale)])
    return Slopes(given.genes[0], one.inputs, out.hidden.detach(), one.neurons)  # type: ignore[index]


def activation(inquiry: Inquiry, pairs: Pairs) -> Found:
    """Gradient x centred activation: ``sum_k (h_k - mean h_k) d o / d h_k``, the mean over the reference samples."""
    s = slopes(inquiry, pairs, "logit")
    mean = inquiry.means
    return inquiry.found(pairs, (s.x - mean.inputs) * s.by_input, (s.hidden - mean.neurons[:, None]) * s.by_neuron,
                         s.by_neuron)  # fmt: skip


def gradient_x_input(inquiry: Inquiry, pairs: Pairs) -> Found:
    """Gradient x activation, from 0: ``sum_k h_k d o / d h_k`` (Shrikumar et al. 2016)."""
    s = slopes(inquiry, pairs, "logit")
    return inquiry.found(pairs, s.x * s.by_input, s.hidden * s.by_neuron, s.by_neuron)


def gradient(inquiry: Inquiry, pairs: Pairs) -> Found:
    """The derivative of the prediction, ``sum_k d y / d h_k``: KPNN's node weight (Fortelny & Bock 2020)."""
    s = slopes(inquiry, pairs, "prediction")
    every = inquiry.by_node(pairs.samples, s.by_input, s.by_neuron)
    return Found(every, every)
