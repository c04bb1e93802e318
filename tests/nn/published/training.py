"""A network and a loop with copies of its parameters, trained side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from kgreg.nn import VisibleNetwork
from kgreg.nn.hierarchy import Hierarchy

Place = Callable[[Tensor], Tensor]
#: What a pass computes by name, and the loss.
Step = Callable[[int], tuple[Mapping[str, Tensor], Tensor]]


@dataclass
class Copies:
    """Leaves of a loop, each a copy of a part of a parameter of the network."""

    network: VisibleNetwork
    leaves: dict[str, Tensor] = field(default_factory=dict)
    _places: dict[str, tuple[nn.Parameter, Place]] = field(default_factory=dict)
    _masks: dict[str, Tensor] = field(default_factory=dict)
    _running: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    without_effect: set[str] = field(default_factory=set)
    training: bool = True

    def take(self, name: str, parameter: nn.Parameter, place: Place, mask: Tensor | None = None) -> Tensor:
        """Return a copy of a part; ``mask`` says which of its values are parameters."""
        leaf = place(parameter.detach()).clone().requires_grad_()
        self.leaves[name], self._places[name] = leaf, (parameter, place)
        if mask is not None:
            self._masks[name] = mask.to(leaf.dtype)
        return leaf

    def linear(self, name: str, h: Hierarchy, node: str, links: bool = True) -> tuple[Tensor, Tensor]:
        """Return weight ``[width, columns]`` and bias of a node."""
        weight = h.link_weight if links else h.input_weight
        rows = h.rows(node)
        return (
            self.take(f"{name} weight", weight, lambda p: h.block(p, node, links)[0]),
            self.take(f"{name} bias", h.bias, lambda p: p[0, rows]),
        )

    def norm(self, name: str, h: Hierarchy, node: str) -> Callable[[Tensor], Tensor]:
        """Return a batch normalisation of ``[batch, width]`` with the scale and shift of a node."""
        t = h.position[node]
        rows = slice(int(h.program.norm_start[t]), int(h.program.norm_start[t] + h.program.width[t]))
        scale = self.take(f"{name} scale", h.scale, lambda p: p[0, rows])
        shift = self.take(f"{name} shift", h.shift, lambda p: p[0, rows])
        self._running[name] = h.running[0, 0, rows].clone(), h.running[1, 0, rows].clone()

        def normalise(z: Tensor) -> Tensor:
            mean, variance = self._running[name]
            if self.training:
                now, spread = z.mean(dim=0), z.var(dim=0, correction=0)
                unbiased = z.detach().var(dim=0, correction=1)
                self._running[name] = 0.9 * mean + 0.1 * now.detach(), 0.9 * variance + 0.1 * unbiased
                mean, variance = now, spread
            return (z - mean) / torch.sqrt(variance + 1e-5) * scale + shift

        return normalise

    def mask_gradients(self) -> None:
        """Multiply gradients by their masks, as the published training loops do after every backward."""
        for name, mask in self._masks.items():
            grad = self.leaves[name].grad
            if grad is not None:
                grad.mul_(mask)

    def place(self, name: str, gradient: bool) -> Tensor:
        """Return the network's present value (or gradient) of what ``name`` was copied from."""
        parameter, place = self._places[name]
        if not gradient:
            return place(parameter.detach())
        return place(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)

    def n_values(self) -> int:
        """Return how many parameters were copied."""
        return sum(int(self._masks[n].sum()) if n in self._masks else p.numel() for n, p in self.leaves.items())


def assert_trained_alike(
    copies: Copies,
    network_step: Step,
    loop_step: Step,
    optimiser: Callable[[list[Tensor]], torch.optim.Optimizer],
    steps: int = 3,
) -> None:
    """Compare values, loss and all gradients of the first pass, parameters after some steps, and the values in
    evaluation: to 1e-9 in double precision, 1e-4 in single."""
    network = copies.network
    single = network.hierarchy.bias.dtype == torch.float32
    tolerance = 1e-4 if single else 1e-9
    assert copies.n_values() == network.n_parameters(), "the loop has other parameters than the network"
    optimisers = [optimiser(list(network.parameters())), optimiser(list(copies.leaves.values()))]
    # Adam divides a gradient by its size. One that is rounding alone moves its parameter by a random step.
    moved_by_rounding: dict[str, Tensor] = {}
    for number in range(steps):
        found, loss = network_step(number)
        expected, slow_loss = loop_step(number)
        assert found.keys() == expected.keys()
        if number == 0:
            for name, value in found.items():
                close(name, value, expected[name], tolerance)
            close("loss", loss, slow_loss, tolerance)
        for each in optimisers:
            each.zero_grad()
        loss.backward()
        slow_loss.backward()
        copies.mask_gradients()
        gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in copies.leaves.items()}
        largest = max(float(g.abs().max()) for g in gradients.values() if g.numel())
        for name, gradient in gradients.items():
            if number == 0:
                close(f"gradient of {name}", copies.place(name, gradient=True), gradient, tolerance, largest)
            if single:
                small = gradient.abs() < 1e-4 * largest
                moved_by_rounding[name] = moved_by_rounding.get(name, small) | small
        for each in optimisers:
            each.step()
    for name, leaf in copies.leaves.items():
        here, there = copies.place(name, gradient=False), leaf.detach()
        if single:
            here, there = here[~moved_by_rounding[name]], there[~moved_by_rounding[name]]
        close(name, here, there, tolerance)
    if not single:
        network.eval()
        copies.training = False
        found, expected = network_step(steps)[0], loop_step(steps)[0]
        for name, value in found.items():
            close(f"{name} in evaluation", value, expected[name], 1e-8)


def close(name: str, found: Tensor, expected: Tensor, tolerance: float, scale: float = 1.0) -> None:
    """Compare relative to the largest value, or to ``scale``."""
    assert found.shape == expected.shape, name
    if found.numel():
        size = max(float(expected.detach().abs().max()), scale)
        error = float((found - expected).detach().abs().max()) / size
        assert error <= tolerance, f"{name} is off by {error:.2g}"
