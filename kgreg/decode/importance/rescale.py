"""DeepLIFT's rescale rule for any network whose nonlinearities act on single numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs
from kgreg.errors import FitError
from kgreg.nn.inputs import Inputs

#: Functions of single numbers, by any name that torch has for them.
ELEMENTWISE = {
    *(torch.tanh, torch.Tensor.tanh, torch.sigmoid, torch.Tensor.sigmoid, torch.relu, torch.Tensor.relu),
    *(torch.exp, torch.Tensor.exp, torch.log1p, torch.Tensor.log1p),
    *(F.relu, F.elu, F.gelu, F.leaky_relu, F.selu, F.silu, F.softplus, F.logsigmoid, F.tanh, F.sigmoid),
}

#: Differences of sums below this are no differences; the derivative stands in.
_SMALL = 1e-6


def deeplift(inquiry: Inquiry, pairs: Pairs) -> Found:
    """DeepLIFT (Shrikumar et al. 2017), rescale rule, against the mean input of the reference.

    Two passes: one with the reference inputs, of which every activation's sums and values are kept, and one with the
    samples, which goes back with the quotients of differences instead of derivatives. Multipliers of all levels come
    out of one way back; a node's score is the sum over its neurons of multiplier x difference from the reference.

    Raises
    ------
    FitError
        If the scores of the inputs do not sum to the difference of the outputs: the network has a nonlinearity of
        several numbers at once (a softmax, a product, a maximum), for which there is no rule.
    """
    network = inquiry.model.network
    given = inquiry.inputs(pairs.samples)
    x: Tensor = given.genes[0]  # type: ignore[index]
    base = inquiry.baseline(pairs.samples, x)
    seen = _Record()
    with torch.no_grad(), seen:
        before, _ = network.trace(_with(given, base))
    leaf = x.detach()[None].requires_grad_(True)
    with _Rescale(seen.found):
        after, levels = network.trace(_with(given, leaf[0]))
    value = inquiry.value(pairs.outputs, "logit")
    difference = value(after.outputs) - value(before.outputs)
    gradients = torch.autograd.grad(
        value(after.outputs).sum(), [leaf, *levels], allow_unused=True, materialize_grads=True
    )
    inputs = (x - base) * gradients[0][0]
    _refuse_incomplete(inputs.sum(dim=1), difference.detach())
    multipliers = network.through(gradients[1:]) if levels else x.new_zeros(0, len(x))
    moved = after.hidden.detach() - before.hidden.detach()
    return inquiry.found(pairs, inputs, moved * multipliers, multipliers)


def _with(given: Inputs, x: Tensor) -> Inputs:
    return replace(given, genes=x[None])


class _Record(TorchFunctionMode):
    """Keep what goes into every elementwise function, and what comes out, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in ELEMENTWISE:
            self.found.append((args[0].detach(), out.detach()))
        return out


class _Rescale(TorchFunctionMode):
    """Go back through every elementwise function by the quotient of its differences from what was recorded."""

    def __init__(self, found: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._found = iter(found)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in ELEMENTWISE:
            return func(*args, **(kwargs or {}))
        z, y = next(self._found)

        def apply(value: Tensor) -> Tensor:
            out: Tensor = func(value, *args[1:], **(kwargs or {}))
            return out

        return _Quotient.apply(args[0], z, y, apply)  # type: ignore[no-untyped-call]


class _Quotient(torch.autograd.Function):
    """A function of single numbers whose derivative is ``(f(z) - f(z')) / (z - z')``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, z0: Tensor, y0: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
        y = apply(z)
        ctx.save_for_backward(z, z0, y, y0)
        ctx.function = apply
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        z, z0, y, y0 = ctx.saved_tensors
        with torch.enable_grad():
            at = z.detach().requires_grad_(True)
            (derivative,) = torch.autograd.grad(ctx.function(at).sum(), at)
        moved = z - z0
        near = moved.abs() < _SMALL
        quotient = torch.where(near, derivative, (y - y0) / torch.where(near, torch.ones_like(moved), moved))
        return gradients[0] * quotient, None, None, None


def _refuse_incomplete(total: Tensor, difference: Tensor) -> None:
    worst = float((total - difference).abs().max()) if len(total) else 0.0
    if not np.isfinite(worst) or worst > 0.01 * float(difference.abs().max()) + 1e-4:
        raise FitError(
            f"DeepLIFT scores miss the difference of outputs by up to {worst:.3g}: the network has an operation "
            "without a rule (a softmax, a product, a maximum).",
            'Choose "integrated_gradients", "expected_gradients" or "conductance", which need none.',
        )
