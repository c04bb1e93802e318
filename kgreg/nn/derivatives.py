"""Derivatives of values by the inputs and inner nodes of a network, and changes of these nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kgreg.nn.inputs import Change, Derivatives, Value


def derive(
    outputs: Tensor,
    values: Sequence[Value],
    inputs: Tensor,
    levels: Sequence[Tensor],
    through: Callable[[Sequence[Tensor]], Tensor],
) -> list[Derivatives]:
    """Return the derivatives of each of ``values``.

    Parameters
    ----------
    outputs
        ``[batch, n_outputs]``.
    inputs, levels
        Leaf ``[1, batch, n_inputs]``, and the activations between it and the outputs. What the outputs do not depend on
        has the derivative 0.
    through
        Brings derivatives by ``levels`` to ``[neurons, batch]``.
    """
    found = []
    for value in values:
        gradients = torch.autograd.grad(
            value(outputs).sum(), [inputs, *levels], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        neurons = through(gradients[1:]) if levels else outputs.new_zeros(0, len(outputs))
        found.append(Derivatives(gradients[0][0], neurons))
    return found


def change_of(span: slice, times: float, plus: Tensor) -> Change:
    """Return the change of the neurons ``span`` alone, to ``times * h + plus``; ``plus [neurons]`` of all of them."""

    def change(rows: slice, values: Tensor) -> Tensor:
        if not rows.start <= span.start < rows.stop:
            return values
        own = slice(span.start - rows.start, span.stop - rows.start)
        values = values.clone()
        values[own] = values[own] * times + plus[span, None].to(values)
        return values

    return change
