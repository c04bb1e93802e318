"""Single substitutions through a chain of layers, where each recomputes only what the substitution reaches.

What a substitution changes is a window of positions of every layer. The window is carried as the difference to the
unchanged sequence: a convolution maps differences to differences by one matrix product of the positions that changed
(not of all positions that read them), a dense layer over the flattened map multiplies only the columns that changed,
and a global maximum needs the maxima to the left and to the right of the window. Layers that are not linear are
computed from the values themselves, so nothing is approximated: what is left is the rounding of sums in another order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from kgreg.errors import FitError
from kgreg.nn.sequence.encoding import UnknownRule, one_hot
from kgreg.nn.sequence.layers.activation import Exponential

#: Modules that map every number by itself, whatever its position.
ELEMENTWISE: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh, nn.Softplus,
    nn.Softsign, nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.LogSigmoid, Exponential,
)  # fmt: skip

#: Modules that do nothing in evaluation mode.
SILENT: tuple[type[nn.Module], ...] = (nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.Identity)

#: Numbers that the differences of one piece of edits may hold in a layer: 64 MB.
_PIECE = 1 << 24


class NoReceptiveFieldError(Exception):
    """A network is no chain of layers of which it is known how far a substitution reaches; says which layer."""


@dataclass
class _Window:
    """What edits changed in a layer: ``delta [edits, width, channels]`` from position ``start [edits]`` on.

    The unchanged layer is ``reference [length, channels]``; ``delta`` is 0 at positions outside of it.
    """

    start: Tensor
    delta: Tensor
    reference: Tensor

    def inside(self) -> Tensor:
        """Return ``[edits, width, 1]``: which positions of the window exist."""
        at = self.start[:, None] + torch.arange(self.delta.shape[1])
        return ((at >= 0) & (at < len(self.reference)))[:, :, None]

    def values(self) -> Tensor:
        """Return what the layer holds in the window; 0 outside of the layer."""
        return _rows(self.reference, self.start, self.delta.shape[1], 0.0) + self.delta


def _rows(values: Tensor, start: Tensor, width: int, fill: float) -> Tensor:
    """Return ``values[start : start + width]`` of every start, with ``fill`` beyond the ends."""
    left = max(0, -int(start.min()))
    right = max(0, int(start.max()) + width - len(values))
    padded = F.pad(values, (0, 0, left, right), value=fill)
    return padded.unfold(0, width, 1).transpose(1, 2)[start + left]


def _within(window: _Window, start: Tensor, width: int, fill: float) -> Tensor:
    """Return what a layer holds in a wider window, ``[edits, width, channels]``."""
    full = _rows(window.reference, start, width, fill)
    offset = (window.start - start)[:, None] + torch.arange(window.delta.shape[1])
    rows = torch.arange(len(full))[:, None]
    changed = full[rows, offset] + window.delta
    full[rows, offset] = torch.where(window.inside(), changed, full[rows, offset])
    return full


class _Layer(ABC):
    """One layer of the chain that keeps positions apart."""

    @abstractmethod
    def whole(self, x: Tensor) -> Tensor:
        """Compute the unchanged layer: ``[length, channels]`` to the same of the next."""

    @abstractmethod
    def changed(self, window: _Window, after: Tensor) -> _Window:
        """Carry differences through the layer; ``after`` is :meth:`whole` of the unchanged sequence."""


class _Convolution(_Layer):
    """``y[j] = sum_t W_t x[j stride - padding + t dilation]``."""

    def __init__(self, module: nn.Conv1d) -> None:
        if module.stride != (1,) or module.groups != 1 or module.padding_mode != "zeros":
            raise NoReceptiveFieldError("a convolution with a stride, groups or padding other than zeros")
        self.module = module
        self.width, self.dilation = module.kernel_size[0], module.dilation[0]
        span = (self.width - 1) * self.dilation
        if isinstance(module.padding, str):
            self.padding = {"valid": 0, "same": span // 2}[module.padding]
        else:
            self.padding = module.padding[0]
        self.span = span
        # [in, taps, out], the taps in the order in which a changed position meets outputs from left to right
        self.taps = module.weight.detach().permute(1, 2, 0).flip(1).contiguous()

    def whole(self, x: Tensor) -> Tensor:
        return self.module(x.t()[None])[0].t().contiguous()  # type: ignore[no-any-return]

    def changed(self, window: _Window, after: Tensor) -> _Window:
        delta = window.delta
        edits, width, _ = delta.shape
        parts = (delta.reshape(edits * width, -1) @ self.taps.flatten(1)).view(edits, width, self.width, -1)
        out = delta.new_zeros(edits, width + self.span, parts.shape[3])
        for t in range(self.width):
            out[:, t * self.dilation : t * self.dilation + width] += parts[:, :, t]
        moved = _Window(window.start + self.padding - self.span, out, after)
        out *= moved.inside()
        return moved


class _Padding(_Layer):
    """Positions put on at both ends."""

    def __init__(self, module: nn.ConstantPad1d) -> None:
        self.module = module

    def whole(self, x: Tensor) -> Tensor:
        return self.module(x.t()).t().contiguous()  # type: ignore[no-any-return]

    def changed(self, window: _Window, after: Tensor) -> _Window:
        return _Window(window.start + self.module.padding[0], window.delta, after)


class _Elementwise(_Layer):
    """Activations and batch normalisation in evaluation mode: every number by itself, or with its channel."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def whole(self, x: Tensor) -> Tensor:
        return self.module(x)  # type: ignore[no-any-return]

    def changed(self, window: _Window, after: Tensor) -> _Window:
        values = window.values()
        new = self.whole(values.reshape(-1, values.shape[2])).view_as(values)
        delta = new - _rows(after, window.start, values.shape[1], 0.0)
        return _Window(window.start, delta * window.inside(), after)


class _Pool(_Layer):
    """Maximum or mean over windows; each is computed anew from all it holds."""

    def __init__(self, module: nn.MaxPool1d | nn.AvgPool1d) -> None:
        one = [v[0] if isinstance(v, tuple) else v for v in (module.kernel_size, module.stride, module.padding)]
        self.width, self.stride, self.padding = (int(v) for v in one)
        self.largest = isinstance(module, nn.MaxPool1d)
        dilation = getattr(module, "dilation", 1)
        if module.ceil_mode or dilation not in (1, (1,)):
            raise NoReceptiveFieldError("a pooling layer with ceil_mode or dilation")
        if not self.largest and self.padding:
            raise NoReceptiveFieldError("a mean pooling layer with padding")
        if self.stride > self.width:
            raise NoReceptiveFieldError("a pooling layer that leaves positions out")
        self.module = module

    def whole(self, x: Tensor) -> Tensor:
        return self.module(x.t()[None])[0].t().contiguous()  # type: ignore[no-any-return]

    def changed(self, window: _Window, after: Tensor) -> _Window:
        first = window.start + self.padding  # position in the padded layer
        reach = window.delta.shape[1]
        start = torch.div(first - self.width, self.stride, rounding_mode="floor") + 1
        n = (reach + self.width - 2) // self.stride + 1
        fill = float("-inf") if self.largest else 0.0
        values = _within(window, start * self.stride - self.padding, (n - 1) * self.stride + self.width, fill)
        parts = values.unfold(1, self.width, self.stride)
        new = parts.amax(dim=3) if self.largest else parts.mean(dim=3)
        moved = _Window(start, new, after)
        moved.delta = torch.where(moved.inside(), new - _rows(after, start, n, 0.0), 0.0)
        return moved


class _Ending(ABC):
    """The layer that brings all positions together."""

    @abstractmethod
    def whole(self, x: Tensor) -> Tensor:
        """Compute it for the unchanged sequence: ``[length, channels]`` to ``[features]``."""

    @abstractmethod
    def changed(self, window: _Window, after: Tensor) -> Tensor:
        """Compute it for every edit: ``[edits, features]``."""


class _DenseOverAll(_Ending):
    """A dense layer over the flattened map: only the columns of the window are multiplied."""

    def __init__(self, module: nn.Linear) -> None:
        self.module = module
        self._weight: Tensor | None = None

    def whole(self, x: Tensor) -> Tensor:
        if x.numel() != self.module.in_features:
            raise FitError(
                f"The dense layer reads {self.module.in_features} numbers, the layer before holds {x.numel()}.",
                "Give sequences of the length that the network was built for.",
            )
        if self._weight is None:  # [length, channels, features]: a window of positions is one block of rows
            weight = self.module.weight.detach().view(-1, x.shape[1], x.shape[0])
            self._weight = weight.permute(2, 1, 0).contiguous()
        return self.module(x.t().reshape(1, -1))[0]  # type: ignore[no-any-return]

    def changed(self, window: _Window, after: Tensor) -> Tensor:
        assert self._weight is not None
        out = after.repeat(len(window.start), 1)
        length, width = len(self._weight), window.delta.shape[1]
        starts, counts = torch.unique_consecutive(window.start, return_counts=True)
        row = 0
        for start, n in zip(starts.tolist(), counts.tolist(), strict=True):
            low, high = max(start, 0), min(start + width, length)
            if low < high:
                delta = window.delta[row : row + n, low - start : high - start].reshape(n, -1)
                out[row : row + n].addmm_(delta, self._weight[low:high].flatten(0, 1))
            row += n
        return out


class _GlobalMaximum(_Ending):
    """The maximum over all positions: that of the window, and of what lies left and right of it."""

    def whole(self, x: Tensor) -> Tensor:
        return x.amax(dim=0)

    def changed(self, window: _Window, after: Tensor) -> Tensor:
        reference, width = window.reference, window.delta.shape[1]
        edge = reference.new_full((1, reference.shape[1]), float("-inf"))
        left = torch.cat([edge, reference.cummax(dim=0).values])
        right = torch.cat([reference.flip(0).cummax(dim=0).values.flip(0), edge])
        low = window.start.clamp(0, len(reference))
        high = (window.start + width).clamp(0, len(reference))
        values = torch.where(window.inside(), window.values(), float("-inf")).amax(dim=1)
        return torch.maximum(values, torch.maximum(left[low], right[high]))


class _GlobalMean(_Ending):
    """The mean over all positions."""

    def whole(self, x: Tensor) -> Tensor:
        return x.mean(dim=0)

    def changed(self, window: _Window, after: Tensor) -> Tensor:
        return after + window.delta.sum(dim=1) / len(window.reference)


class ReceptiveField:
    """All single substitutions of sequences through a chain of layers.

    Parameters
    ----------
    layers
        A chain that takes one-hot ``[batch, 4, length]`` and returns ``[batch, n_outputs]``: convolutions (stride 1),
        batch normalisation, elementwise activations, dropout, maximum and mean pooling; then a flattened dense layer,
        or a global maximum or mean; then anything. It is used in evaluation mode, its parameters as they are now.
    unknown
        What is made of an unknown letter.

    Raises
    ------
    NoReceptiveFieldError
        If a layer before the positions come together is none of these.
    """

    def __init__(self, layers: nn.Sequential, unknown: UnknownRule = "zero") -> None:
        self._unknown: UnknownRule = unknown
        self._dtype = next((p.dtype for p in layers.parameters()), torch.float32)
        chain = [layer for layer in flat_layers(layers) if not isinstance(layer, SILENT)]
        self._layers: list[_Layer] = []
        for i, layer in enumerate(chain):
            ending, used = _ending(chain[i : i + 3])
            if ending is not None:
                self._ending, self._rest = ending, chain[i + used :]
                break
            self._layers.append(_keeps_positions(layer))
        else:
            raise NoReceptiveFieldError("no layer that brings all positions together")

    def outputs(self, codes: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Return outputs of every substitution, ``[4, length, n_outputs]``, and of the sequence, ``[n_outputs]``.

        Parameters
        ----------
        codes
            One sequence ``[length]``, A 0, C 1, G 2, T 3, 4 for anything else.

        Raises
        ------
        FitError
            If the dense layer takes sequences of another length.
        """
        given = torch.from_numpy(np.asarray(codes, dtype=np.int64))
        whole = [one_hot(given, self._unknown, self._dtype).t().contiguous()]
        for layer in self._layers:
            whole.append(layer.whole(whole[-1]))
        ending = self._ending.whole(whole[-1])
        base = self._outputs(ending[None])[0]
        out = base.repeat(4, len(given), 1)
        position, letter = torch.nonzero(torch.arange(4)[None] != given[:, None], as_tuple=True)
        piece = self._piece(whole)
        for start in range(0, len(position), piece):
            at, new = position[start : start + piece], letter[start : start + piece]
            features = self._edited(whole, ending, at, new)
            out[new, at] = self._outputs(features)
        return out, base

    def _edited(self, whole: list[Tensor], ending: Tensor, at: Tensor, new: Tensor) -> Tensor:
        delta = -whole[0][at][:, None]
        delta[torch.arange(len(at)), 0, new] += 1
        window = _Window(at, delta, whole[0])
        for layer, after in zip(self._layers, whole[1:], strict=True):
            window = layer.changed(window, after)
        return self._ending.changed(window, ending)

    def _outputs(self, features: Tensor) -> Tensor:
        for layer in self._rest:
            features = layer(features)
        return features

    def _piece(self, whole: list[Tensor]) -> int:
        """Return how many edits are carried at a time: what the widest product of them holds is bounded."""
        width, most = 1, 1
        for layer, x in zip(self._layers, whole[1:], strict=True):
            if isinstance(layer, _Convolution):
                most = max(most, width * layer.width * x.shape[1])
                width += layer.span
            elif isinstance(layer, _Pool):
                width = (width + layer.width - 2) // layer.stride + 1
            most = max(most, width * x.shape[1])
        return max(1, _PIECE // most)


def flat_layers(layers: nn.Module) -> list[nn.Module]:
    """Return the layers of nested chains in order."""
    if isinstance(layers, nn.Sequential):
        return [layer for part in layers for layer in flat_layers(part)]
    return [layers]


def _keeps_positions(layer: nn.Module) -> _Layer:
    if isinstance(layer, nn.Conv1d):
        return _Convolution(layer)
    if isinstance(layer, nn.ConstantPad1d):
        return _Padding(layer)
    if isinstance(layer, (nn.MaxPool1d, nn.AvgPool1d)):
        return _Pool(layer)
    if isinstance(layer, ELEMENTWISE) or (isinstance(layer, nn.BatchNorm1d) and layer.track_running_stats):
        return _Elementwise(layer)
    raise NoReceptiveFieldError(f"the layer {type(layer).__name__}")


def _ending(chain: list[nn.Module]) -> tuple[_Ending | None, int]:
    """Return the layer that brings positions together, and how many modules of the chain it is made of."""
    layer = chain[0]
    flat = len(chain) > 1 and isinstance(chain[1], nn.Flatten)
    if isinstance(layer, nn.AdaptiveMaxPool1d) and layer.output_size in (1, (1,)) and flat:
        return _GlobalMaximum(), 2
    if isinstance(layer, nn.AdaptiveAvgPool1d) and layer.output_size in (1, (1,)) and flat:
        return _GlobalMean(), 2
    if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
        if len(chain) > 1 and isinstance(chain[1], nn.Linear):
            return _DenseOverAll(chain[1]), 2
        raise NoReceptiveFieldError("a flattened map that no dense layer reads")
    return None, 0
