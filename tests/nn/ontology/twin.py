"""A network and the parameters of a loop, which are copies of its own, trained side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from kgreg.nn.ontology.cascade import Cascade

#: Takes what is read of a parameter (its value or its gradient); returns the part that a leaf was copied from.
Read = Callable[[Callable[[nn.Parameter], Tensor]], Tensor]


def value(parameter: nn.Parameter) -> Tensor:
    return parameter.detach()


def gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


@dataclass
class Twin:
    """Leaves of a loop by name, and where each comes from."""

    leaves: dict[str, Tensor] = field(default_factory=dict)
    reads: dict[str, Read] = field(default_factory=dict)

    def take(self, name: str, read: Read) -> Tensor:
        self.reads[name] = read
        self.leaves[name] = read(value).clone().requires_grad_()
        return self.leaves[name]

    def linear(self, name: str, layer: nn.Linear) -> None:
        self.take(f"{name} weight", lambda of: of(layer.weight))
        if layer.bias is not None:
            self.take(f"{name} bias", lambda of: of(layer.bias))

    def apply(self, name: str, x: Tensor) -> Tensor:
        """The linear map of that name, sample by sample."""
        weight, bias = self.leaves[f"{name} weight"], self.leaves.get(f"{name} bias")
        out = torch.stack([weight @ row for row in x])
        return out if bias is None else out + bias

    def compare(self, of: Callable[[nn.Parameter], Tensor], tolerance: float = 1e-10) -> None:
        for name, leaf in self.leaves.items():
            slope = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            expected = leaf.detach() if of is value else slope
            error = float((self.reads[name](of) - expected).abs().max())
            assert error <= tolerance * max(1.0, float(expected.abs().max())), f"{name}: {error:.2g}"


def cascade_block(cascade: Cascade, rows: tuple[int, int], cols: tuple[int, int]) -> Read:
    """Read the weights between two spans (start, size) of a cascade's neurons."""
    group, first = group_of(cascade, rows[0])
    layer = cascade.layers[group - 1]
    begin = rows[0] - first

    def read(of: Callable[[nn.Parameter], Tensor]) -> Tensor:
        dense = layer.pattern.to_dense(of(layer.weight))  # type: ignore[union-attr,operator,arg-type]
        return dense[begin : begin + rows[1], cols[0] : cols[0] + cols[1]]

    return read


def group_of(cascade: Cascade, neuron: int) -> tuple[int, int]:
    """Return the group of a neuron, and the first neuron of that group."""
    first = 0
    for group, size in enumerate(cascade.links.sizes):
        if neuron < first + size:
            return group, first
        first += size
    raise AssertionError(neuron)


def step_both(
    twin: Twin,
    network: nn.Module,
    fast: Callable[[], Tensor],
    slow: Callable[[], Tensor],
    optimiser: Callable[[list[Tensor]], torch.optim.Optimizer],
    fast_after: Callable[[], None],
    slow_after: Callable[[], None],
    steps: int = 3,
) -> None:
    """Take some steps with both; compare losses and gradients of every step, and parameters after it."""
    own = {id(p) for p in network.parameters() if p.requires_grad}
    both = [optimiser([p for p in network.parameters() if id(p) in own]), optimiser(list(twin.leaves.values()))]
    for number in range(steps):
        losses = []
        for run in (fast, slow):
            torch.manual_seed(number)
            losses.append(run())
        for each in both:
            each.zero_grad()
        for loss in losses:
            loss.backward()
        one, two = (float(loss.detach()) for loss in losses)
        assert abs(one - two) <= 1e-10 * max(1.0, abs(two))
        twin.compare(gradient)
        for each in both:
            each.step()
        with torch.no_grad():
            fast_after()
            slow_after()
        twin.compare(value)
