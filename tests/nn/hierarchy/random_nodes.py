"""Random hierarchies with inputs, counts and seeds, and how results on them are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kgreg.nn.hierarchy import Backend, Hierarchy, Node, Parameters, SparseRows
from tests.nn.hierarchy.slow_hierarchy import SlowPass, slow_pass

Form = Literal["dense", "sparse", "rows", "strided"]


@dataclass(frozen=True)
class Case:
    """A hierarchy and what it is given; numbers follow from ``seed``."""

    nodes: list[Node]
    n_inputs: int
    networks: int = 1
    batch: int = 8
    form: Form = "dense"
    counts: list[int] | None = None
    training: bool = True
    seed: int = 0
    drop_seeds: list[int] = field(default_factory=lambda: [0])

    def hierarchy(self, dtype: torch.dtype = torch.float64) -> Hierarchy:
        """Return a hierarchy whose normalisations are in no way neutral, and no weight nearly 0."""
        torch.manual_seed(self.seed)
        hierarchy = Hierarchy(self.nodes, self.n_inputs, self.networks).to(dtype)
        with torch.no_grad():
            for weight in (hierarchy.input_weight, hierarchy.link_weight):
                weight += weight.sign() * weight.abs().amax() if weight.numel() else 0.0
            hierarchy.scale.uniform_(0.5, 1.5)
            hierarchy.shift.uniform_(-0.5, 0.5)
            hierarchy.running[0].uniform_(-0.5, 0.5)
            hierarchy.running[1].uniform_(0.5, 2.0)
        return hierarchy.train(self.training)

    def x(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return inputs ``[R, B, I]``."""
        draw = np.random.default_rng(self.seed)
        values = draw.normal(size=(self.networks, self.batch, self.n_inputs))
        if self.form in ("sparse", "rows"):
            values *= draw.random(values.shape) < 0.1
        x = torch.from_numpy(values).to(dtype)
        if self.form == "strided":
            x = torch.stack([x, -x], dim=-1).transpose(0, 2).contiguous().transpose(0, 2)[..., 0]
        return x

    def weights(self) -> Tensor:
        """Return ``[R, N, B]`` by which a loss weighs the activations, so that no mistake can cancel."""
        n = sum(node.width for node in self.nodes)
        draw = np.random.default_rng(self.seed + 1)
        return torch.from_numpy(draw.uniform(0.5, 1.5, (self.networks, n, self.batch)))

    def count_tensor(self, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(self.counts or [1] * self.batch, dtype=dtype).repeat(self.networks, 1)

    def seeds(self) -> NDArray[np.int64]:
        return np.array(self.drop_seeds, dtype=np.int64)


@dataclass
class Result:
    """Activations, running statistics after the pass, and gradients by name."""

    hidden: Tensor
    running: Tensor
    gradients: dict[str, Tensor]


def fast(case: Case, backend: Backend, dtype: torch.dtype = torch.float64) -> Result:
    """Run forwards and backwards with a backend."""
    hierarchy = case.hierarchy(dtype)
    x = case.x(dtype)
    given: Tensor | SparseRows = x.requires_grad_()
    if case.form == "rows":
        flat = sparse.csr_matrix(x.detach().reshape(-1, case.n_inputs).numpy())
        given = SparseRows.take(flat, np.arange(case.networks * case.batch).reshape(case.networks, case.batch))
    counts = None if case.counts is None else case.count_tensor(dtype)
    hidden = hierarchy(given, counts, case.seeds(), backend)
    (hidden * case.weights().to(dtype)).sum().backward()
    leaves = dict(hierarchy.named_parameters()) | ({} if case.form == "rows" else {"x": x})
    return Result(hidden.detach(), hierarchy.running.clone(), {name: _grad(leaf) for name, leaf in leaves.items()})


def slow(case: Case, dtype: torch.dtype = torch.float64, inside: torch.dtype = torch.float64) -> Result:
    """Do the same one node at a time from parameters and inputs of precision ``dtype``, calculating in ``inside``."""
    hierarchy, x = case.hierarchy(dtype), case.x(dtype).to(inside).requires_grad_()
    leaves = {name: p.detach().to(inside).requires_grad_() for name, p in hierarchy.named_parameters()}
    done = slow_on(case, hierarchy, x, Parameters(*leaves.values()))
    (done.hidden * case.weights().to(inside)).sum().backward()
    gradients = {name: _grad(leaf) for name, leaf in {**leaves, "x": x}.items()}
    return Result(done.hidden.detach(), done.running, gradients)


def _grad(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def slow_on(case: Case, hierarchy: Hierarchy, x: Tensor, parameters: Parameters) -> SlowPass:
    return slow_pass(
        case.nodes, x, parameters, running=hierarchy.running.to(x.dtype), counts=case.count_tensor(x.dtype),
        training=case.training, seeds=case.drop_seeds,
    )  # fmt: skip


def assert_same(found: Result, expected: Result, tolerance: float) -> None:
    """Compare relative to the largest value of a kind: some gradients are 0 but for rounding (a bias that is normalised
    away)."""
    for name, error in errors(found, expected).items():
        assert error <= tolerance, f"{name} is off by {error:.2g}"


def errors(found: Result, expected: Result) -> dict[str, float]:
    """Return, by name, the largest difference relative to the largest value of a kind."""
    largest = max((float(g.abs().max()) for g in expected.gradients.values() if g.numel()), default=0.0)
    return {
        "hidden": _error(found.hidden, expected.hidden, float(expected.hidden.abs().max())),
        "running": _error(found.running, expected.running, 0.0),
        **{name: _error(found.gradients[name], expected.gradients[name], largest) for name in expected.gradients
           if name in found.gradients},
    }  # fmt: skip


def _error(found: Tensor, expected: Tensor, scale: float) -> float:
    assert found.shape == expected.shape
    assert torch.isfinite(expected).all()
    return float((found.double() - expected.double()).abs().max()) / max(scale, 1.0) if found.numel() else 0.0


DROPOUTS = st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.75])


@st.composite
def node_lists(
    draw: st.DrawFn, n_inputs: int, constant_rows: bool, most_levels: int, widths: Sequence[int]
) -> list[Node]:
    """Draw up to ``most_levels`` levels. Without ``constant_rows``, a node that reads nothing is not normalised."""
    nodes: list[Node] = []
    activations = ["tanh", "sigmoid", "identity", *(["relu"] if constant_rows else [])]
    for level in range(draw(st.integers(1, most_levels))):
        below = len(nodes)
        for _ in range(draw(st.integers(0 if nodes else 1, 4))):
            reads_all = draw(st.booleans())
            inputs = _some(draw, n_inputs, reads_all)
            children = _some(draw, below, reads_all)
            norm = draw(st.sampled_from(["none", "before", "after"]))
            if not constant_rows and not (inputs or children):
                norm = "none"
            nodes.append(
                Node(
                    id=f"n{len(nodes)}",
                    width=draw(st.sampled_from(widths)),
                    level=level * 2,
                    inputs=inputs,
                    children=children,
                    activation=draw(st.sampled_from(activations)),
                    norm=norm,
                    edge_dropout=draw(DROPOUTS),
                    pre_dropout=0.0 if norm == "after" else draw(DROPOUTS),
                    dropout=draw(DROPOUTS),
                )
            )
    if draw(st.booleans()):  # levels of one kind, as those of a blueprint are
        first = nodes[0]
        kind = {"activation": first.activation, "norm": "none", "edge_dropout": 0.0, "pre_dropout": 0.0, "dropout": 0.0}
        nodes = [replace(node, **kind) for node in nodes]
    return nodes


def _some(draw: st.DrawFn, n: int, all_of_them: bool) -> list[int]:
    if all_of_them:
        return list(range(n))
    return draw(st.lists(st.integers(0, n - 1), max_size=6, unique=True)) if n else []


@st.composite
def cases(draw: st.DrawFn, well_scaled: bool = False, small: bool = False) -> Case:
    """Draw a hierarchy and its data.

    ``well_scaled``: as single precision needs it; no row of a variance of 0, and no kink, where rounding decides.
    """
    n_inputs = draw(st.integers(1, 12))
    widths = [1, 2, 3, 5] if small else [1, 2, 3, 5, 6, 64]
    nodes = draw(node_lists(n_inputs, not well_scaled, 3 if well_scaled or small else 4, widths))
    networks = draw(st.integers(1, 3))
    batches = st.integers(24 if well_scaled else 2, 40)
    batch = draw(batches if small else st.one_of(batches, st.sampled_from([511, 512, 513, 600])))
    counted = draw(st.booleans())
    counts = draw(st.lists(st.integers(0, 3), min_size=batch, max_size=batch)) if counted and batch <= 40 else None
    if counts is not None:
        counts[0], counts[-1] = counts[0] or 1, counts[-1] or 2
        if well_scaled:
            counts = [max(c, 1) if i % 3 else c for i, c in enumerate(counts)]
    return Case(
        nodes=nodes,
        n_inputs=n_inputs,
        networks=networks,
        batch=batch,
        form=draw(st.sampled_from(["dense", "strided"] if well_scaled else ["dense", "sparse", "rows", "strided"])),
        counts=counts,
        training=draw(st.booleans()),
        seed=draw(st.integers(0, 10_000)),
        drop_seeds=draw(st.lists(st.integers(0, 2**31 - 1), min_size=networks, max_size=networks)),
    )
