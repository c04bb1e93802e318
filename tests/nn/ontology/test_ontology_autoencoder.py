"""Ontology autoencoders against loops over terms, written from the equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn.guided import Given
from kgreg.nn.inputs import Inputs
from kgreg.nn.ontology import OntologyAutoencoder, OntologyAutoencoderDesign
from kgreg.nn.ontology.cascade import Cascade
from tests.nn.ontology import hierarchies
from tests.nn.ontology.twin import Twin, cascade_block, group_of, step_both, value

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "relu": lambda z: z.clamp(min=0),
    "tanh": torch.tanh,
}


def task_loss(outputs: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs.t(), target)


def beside(activities: Tensor, given: Given) -> Tensor:
    """What the head reads."""
    return torch.stack(
        [
            torch.cat([row, *([] if given.covariates is None else [given.covariates[i]])])
            for i, row in enumerate(activities)
        ]
    )


class SlowAutoencoder:
    """One term, one sample at a time; no order but that of the edges."""

    def __init__(self, network: OntologyAutoencoder, blueprint: Blueprint) -> None:
        self.network, self.blueprint, self.design = network, blueprint, network.design
        self.twin = Twin()
        self.terms = blueprint.terms["id"].tolist()
        self.features = list(zip(blueprint.inputs["node"], range(len(blueprint.inputs)), strict=True))
        for name, cascade in (("up", network.up), ("down", network.down)):
            if cascade is not None:
                self._take_cascade(name, cascade)
        if network.dense_encoder is not None:
            encoder = network.dense_encoder
            self._take_layers("encoder", encoder.layers)
            self.twin.linear("mean", encoder.mean)
            if encoder.log_variance is not None:
                self.twin.linear("log variance", encoder.log_variance)
        if network.dense_decoder is not None:
            self._take_layers("decoder", network.dense_decoder[0])
            self.twin.linear("reconstruction", network.dense_decoder[1])
        if network.shift is not None:
            self.twin.linear("shift", network.shift)
        if network.adversary is not None:
            for i, classifier in enumerate(network.adversary.classifiers):
                self.twin.linear(f"classifier {i} hidden", classifier[0][0])
                self.twin.linear(f"classifier {i}", classifier[1])
        self.twin.linear("head", network.head)

    def _take_layers(self, name: str, layers: torch.nn.Sequential) -> None:
        for i, layer in enumerate(layers):
            if isinstance(layer, torch.nn.Linear):
                self.twin.linear(f"{name} {i}", layer)
            elif isinstance(layer, torch.nn.BatchNorm1d):
                self.twin.take(f"{name} {i} scale", lambda of, layer=layer: of(layer.weight))
                self.twin.take(f"{name} {i} shift", lambda of, layer=layer: of(layer.bias))

    def spans(self, cascade: Cascade, name: str) -> dict[str, tuple[int, int]]:
        """Node -> first neuron and number of neurons; features by their number."""
        found = {
            term: (int(start), self.design.width)
            for term, start in zip(self.terms, cascade.links.term_start, strict=True)
        }
        first = 0 if name == "up" else sum(cascade.links.sizes[:-1])
        return found | {f"feature {i}": (first + i, 1) for _, i in self.features}

    def pairs(self) -> list[tuple[str, str]]:
        """(below, above), features for genes."""
        of_gene: dict[str, list[str]] = {}
        for node, i in self.features:
            of_gene.setdefault(node, []).append(f"feature {i}")
        edges = zip(self.blueprint.edges["source"], self.blueprint.edges["target"], strict=True)
        return [(below, above) for child, above in edges for below in of_gene.get(child, [child])]

    def _take_cascade(self, name: str, cascade: Cascade) -> None:
        spans = self.spans(cascade, name)
        for below, above in self.pairs():
            reads, read = (above, below) if name == "up" else (below, above)
            self.twin.take(f"{name} {reads} <- {read}", cascade_block(cascade, spans[reads], spans[read]))
        for node, (start, size) in spans.items():
            group, first = group_of(cascade, start)
            if group:
                bias = cascade.biases[group - 1]
                begin = start - first
                self.twin.take(f"{name} {node} bias", lambda of, bias=bias, b=begin, s=size: of(bias)[b : b + s])
        if self.design.soft_links:
            for group, soft in enumerate(cascade.soft):
                free = getattr(cascade, f"free_{group + 1}")
                self.twin.take(f"{name} soft {group}", lambda of, soft=soft: of(soft))
                assert float(value(soft)[~free].abs().sum()) == 0

    def _compute(self, name: str, cascade: Cascade, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute all nodes of a cascade for one sample from those that are known."""
        spans = self.spans(cascade, name)
        reads: dict[str, list[str]] = {}
        for below, above in self.pairs():
            target, source = (above, below) if name == "up" else (below, above)
            reads.setdefault(target, []).append(source)
        by_group: dict[int, list[str]] = {}
        for node in sorted(spans, key=lambda node: spans[node][0]):
            by_group.setdefault(group_of(cascade, spans[node][0])[0], []).append(node)
        h = dict(known)
        for group in sorted(by_group):
            for node in by_group[group]:
                if node in known:
                    continue
                z = self.twin.leaves[f"{name} {node} bias"]
                for source in reads[node]:
                    z = z + self.twin.leaves[f"{name} {node} <- {source}"] @ h[source]
                if self.design.soft_links:
                    z = z + self._soft(name, group, node, by_group[group - 1], by_group[group], reads[node], h)
                linear = node.startswith("feature") or node in self.blueprint.roots
                h[node] = z if linear else ACTIVATIONS[self.design.activation](z)
        return h

    def _soft(
        self,
        name: str,
        group: int,
        node: str,
        before: list[str],
        own: list[str],
        linked: list[str],
        h: dict[str, Tensor],
    ) -> Tensor:
        soft = self.twin.leaves[f"{name} soft {group - 1}"]
        sizes = [1 if n.startswith("feature") else self.design.width for n in own]
        row = sum(sizes[: own.index(node)])
        size = sizes[own.index(node)]
        total, column = torch.zeros(size, dtype=torch.float64), 0
        for source in before:
            width = len(h[source])
            if source not in linked:
                total = total + soft[row : row + size, column : column + width] @ h[source]
            column += width
        return total

    def layers(self, name: str, layers: torch.nn.Sequential, x: Tensor) -> Tensor:
        for i, layer in enumerate(layers):
            if isinstance(layer, torch.nn.Linear):
                x = self.twin.apply(f"{name} {i}", x)
            elif isinstance(layer, torch.nn.BatchNorm1d):
                mean, variance = x.mean(dim=0), ((x - x.mean(dim=0)) ** 2).mean(dim=0)
                if not self.network.training:
                    mean, variance = layer.running_mean, layer.running_var  # type: ignore[assignment]
                scale, shift = self.twin.leaves[f"{name} {i} scale"], self.twin.leaves[f"{name} {i} shift"]
                x = (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift
            elif isinstance(layer, torch.nn.ReLU):
                x = torch.where(x > 0, x, torch.zeros_like(x))
        return x

    def compute(self, given: Given) -> dict[str, Any]:
        network, design = self.network, self.design
        found: dict[str, Any] = {"log_variance": None}
        ups: list[dict[str, Tensor]] = []
        if network.up is not None:
            for row in given.x:
                known = {f"feature {i}": row[i : i + 1] for _, i in self.features}
                ups.append(self._compute("up", network.up, known))
            roots = [term for term in self.terms if term in self.blueprint.roots]
            latent = torch.stack([torch.cat([h[root] for root in roots]) for h in ups])
        else:
            assert network.dense_encoder is not None
            hidden = self.layers("encoder", network.dense_encoder.layers, given.x)
            dropped = design.latent_dropout if network.training else 0.0
            mean = torch.nn.functional.dropout(self.twin.apply("mean", hidden), dropped)
            latent = mean
            if design.variational:
                log_variance = torch.nn.functional.dropout(self.twin.apply("log variance", hidden), dropped)
                if network.training:
                    latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
                found |= {"mean": mean, "log_variance": log_variance}
        shifted = latent
        if network.shift is not None and given.covariates is not None:
            shifted = latent + self.twin.apply("shift", given.covariates)
        basal: list[dict[str, Tensor]] = []
        if network.down is None:
            assert network.dense_decoder is not None
            hidden = self.layers("decoder", network.dense_decoder[0], shifted)  # type: ignore[arg-type]
            rebuilt = self.twin.apply("reconstruction", hidden)
        else:
            decoded = [self._compute("down", network.down, self._roots(z)) for z in shifted]
            rebuilt = torch.stack([torch.cat([h[f"feature {i}"] for i in range(len(self.features))]) for h in decoded])
            basal = [self._compute("down", network.down, self._roots(z)) for z in latent]
        nodes = ups or basal
        activities = torch.stack([torch.stack([h[term].mean() for term in self.terms]) for h in nodes])
        return found | {
            "reconstruction": rebuilt,
            "activities": activities,
            "latent": latent,
            "outputs": self.twin.apply("head", beside(activities, given)),
        }

    def _roots(self, z: Tensor) -> dict[str, Tensor]:
        width = self.design.width
        roots = [term for term in self.terms if term in self.blueprint.roots]
        return {root: z[i * width : (i + 1) * width] for i, root in enumerate(roots)}

    def loss(self, given: Given, target: Tensor) -> Tensor:
        design, found = self.design, self.compute(given)
        total = torch.zeros((), dtype=torch.float64)
        for x, y in zip(given.x, found["reconstruction"], strict=True):
            errors = [(a - b) ** 2 for a, b in zip(x, y, strict=True)]
            total = total + sum(errors) / (len(errors) if design.reconstruction == "mean" else 1)
        if found["log_variance"] is not None:
            m, v = found["mean"], found["log_variance"]
            total = total + design.kl * 0.5 * (v.exp() + m**2 - 1 - v).sum()
        total = total / len(given.x)
        if design.soft_links:
            size, number = torch.zeros((), dtype=torch.float64), 0
            for name, cascade in (("up", self.network.up), ("down", self.network.down)):
                if cascade is not None:
                    for group in range(len(cascade.soft)):
                        free = getattr(cascade, f"free_{group + 1}")
                        size = size + self.twin.leaves[f"{name} soft {group}"].abs()[free].sum()
                        number += int(free.sum())
            total = total + design.soft_penalty * size / number
        if design.head == "joint":
            total = total + design.task_weight * task_loss(found["outputs"].t(), target)
        self.found = found
        return total

    def clamp(self) -> None:
        if self.design.non_negative:
            for name, leaf in self.twin.leaves.items():
                if name.startswith("down") and "<-" in name:
                    leaf.copy_(torch.where(leaf < 0, torch.zeros_like(leaf), leaf))


def make(covariates: bool = False, modalities: tuple[str, ...] = (), **options: Any) -> tuple[Any, SlowAutoencoder]:
    torch.manual_seed(3)
    plan = hierarchies.blueprint(modalities)
    design = OntologyAutoencoderDesign(hidden=(6,), **options)
    network = design.build(plan, 3, covariates=hierarchies.COVARIATES if covariates else ()).double()
    for cascade in (network.up, network.down):
        if cascade is not None:
            for soft in cascade.soft:
                soft.data *= 300
    return network, SlowAutoencoder(network, plan)


def sgd(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)


def adamw(parameters: list[Tensor]) -> torch.optim.Optimizer:
    # Biases before a batch normalisation have gradients that are rounding alone; eps keeps Adam from scaling them up.
    return torch.optim.AdamW(parameters, lr=1e-2, eps=1e-4)


OPTIONS: dict[str, dict[str, Any]] = {
    "ontovae": {"non_negative": True, "latent_dropout": 0.3},
    "non-linear": {"activation": "tanh", "width": 2, "kl": 0.3, "head": "joint"},
    "plain": {"variational": False, "norm": "none", "width": 1},
    "gonnect": {
        "encoder": "ontology", "variational": False, "activation": "relu", "soft_links": True, "width": 1,
        "reconstruction": "mean", "soft_penalty": 2.0,
    },
    "encoder": {"encoder": "ontology", "decoder": "dense", "variational": False, "soft_links": True, "width": 2},
    "decoder": {"variational": False, "soft_links": True, "activation": "relu", "norm": "none"},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_three_steps_equal_those_of_the_loop(name: str) -> None:
    network, slow = make(**OPTIONS[name])
    given, target = hierarchies.given(), torch.arange(7) % 3
    step_both(
        slow.twin,
        network,
        lambda: network.loss(network.compute(given), given, target, task_loss),
        lambda: slow.loss(given, target),
        sgd if name == "gonnect" else adamw,
        lambda: network.after_step(1e-2),
        slow.clamp,
    )
    network.eval()
    found, expected = network.compute(given), slow.compute(given)
    for one, two in (
        (found.outputs, expected["outputs"]),
        (found.levels[0], expected["activities"]),
        (found.extra.reconstruction, expected["reconstruction"]),
    ):
        assert torch.allclose(one, two, rtol=0, atol=1e-9)


def test_features_of_a_gene_are_read_and_rebuilt_each_by_itself() -> None:
    network, slow = make(modalities=("rna", "protein"), encoder="ontology", variational=False, activation="tanh")
    given, target = hierarchies.given(n_inputs=18), torch.zeros(7, dtype=torch.int64)
    fast = network.loss(network.compute(given), given, target, task_loss)
    assert fast.item() == pytest.approx(slow.loss(given, target).item(), rel=1e-12)


def test_the_adversary_learns_as_the_alternating_scheme_does() -> None:
    """Encoder: minus the cross-entropy; classifiers: the cross-entropy at the same latent variables, and a penalty."""
    weight, penalty = 3.0, 0.7
    network, slow = make(
        covariates=True, adversary=weight, gradient_penalty=penalty, adversary_hidden=(5,), adversary_dropout=0.0,
        latent_dropout=0.0, norm="none",
    )  # fmt: skip
    given, target = hierarchies.given(covariates=True), torch.zeros(7, dtype=torch.int64)
    torch.manual_seed(1)
    network.loss(network.compute(given), given, target, task_loss).backward()
    torch.manual_seed(1)
    rest = slow.loss(given, target)
    z, leaves = slow.found["latent"], slow.twin.leaves
    assert given.covariates is not None
    known = given.covariates[:, :3].sum(dim=1) > 0
    assert int(known.sum()) == 6

    def entropy(latent: Tensor) -> Tensor:
        hidden = slow.twin.apply("classifier 0 hidden", latent).clamp(min=0)
        logits = slow.twin.apply("classifier 0", hidden)
        rows = [
            torch.logsumexp(row, 0) - row[int(one_hot.argmax())]
            for row, one_hot, counts in zip(logits, given.covariates[:, :3], known, strict=True)  # type: ignore[index]
            if counts
        ]
        return torch.stack(rows).mean()

    slopes = []
    for row in z.detach():
        open_ = (leaves["classifier 0 hidden weight"] @ row + leaves["classifier 0 hidden bias"] > 0).double()
        slopes.append((leaves["classifier 0 weight"].sum(dim=0) * open_) @ leaves["classifier 0 hidden weight"])
    of_classifier = [name for name in leaves if name.startswith("classifier")]
    others = [name for name in leaves if name not in of_classifier]
    for names, loss in (
        (others, rest - weight * entropy(z)),
        (of_classifier, entropy(z.detach()) + penalty * torch.stack(slopes).square().mean()),
    ):
        found = torch.autograd.grad(loss, [leaves[name] for name in names], retain_graph=True, allow_unused=True)
        for name, grad in zip(names, found, strict=True):
            leaves[name].grad = grad
    slow.twin.compare(lambda parameter: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)


def test_activities_do_not_see_the_covariates() -> None:
    network, _ = make(covariates=True)
    network.eval()
    given = hierarchies.given(covariates=True)
    other = Given(given.x, torch.zeros_like(given.covariates))  # type: ignore[arg-type]
    one, two = network.compute(given), network.compute(other)
    assert torch.equal(one.levels[0], two.levels[0])
    assert not torch.allclose(one.extra.reconstruction, two.extra.reconstruction)


@pytest.mark.parametrize("width", [1, 2])
def test_activities_have_no_more_dimensions_than_the_roots_have_neurons(width: int) -> None:
    """Of a linear decoder: what it gives a term is a combination of the neurons of the roots above it."""
    network, _ = make(width=width)
    network.eval()
    activities = network.compute(hierarchies.given(n=60)).levels[0]
    below_one_root = [network.term_ids.index(term) for term in ("low", "middle", "top", "other")]
    found = activities[:, below_one_root]
    roots = 2  # "other" stands below both
    assert int(torch.linalg.matrix_rank((found - found.mean(dim=0)).detach(), atol=1e-9)) <= roots * width


def test_what_was_not_measured_does_not_count() -> None:
    network, _ = make(modalities=("rna", "protein"))
    network.eval()
    given, target = hierarchies.given(n_inputs=18), torch.zeros(7, dtype=torch.int64)
    present = torch.ones(7, 2, dtype=torch.float64)
    present[:3, 1] = 0
    shown = Given(given.x, None, present)
    found = network.loss(network.compute(shown), shown, target, task_loss)
    extra = network.compute(given).extra
    errors = (given.x - extra.reconstruction) ** 2
    errors[:3, 1::2] = 0
    kl = 0.5 * (extra.log_variance.exp() + extra.mean**2 - 1 - extra.log_variance).sum()
    assert found.item() == pytest.approx(((errors.sum() + 1e-4 * kl) / 7).item())


def test_knocked_out_genes_move_what_they_reach() -> None:
    """Of an encoder along the hierarchy only the terms above a gene change."""
    network, _ = make(encoder="ontology", variational=False, activation="tanh", width=2)
    network.eval()
    given = hierarchies.given()
    genes = hierarchies.blueprint().inputs["node"].tolist()
    before = network(Inputs(given.x[None])).hidden
    (effect,) = network.knock_out(Inputs(given.x[None]), [[genes.index("g6")]])
    changed = (effect.hidden - before).abs().sum(dim=1) > 0
    assert {t for t, c in zip(network.term_ids, changed, strict=True) if c} == {"middle", "top"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "dense", "decoder": "dense"}, 'must be "ontology"'),
        ({"encoder": "ontology"}, "variational = false"),
        ({"encoder": "ontology", "decoder": "dense", "variational": False, "non_negative": True}, "non_negative"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OntologyAutoencoderDesign(**options)


def test_an_adversary_needs_a_category() -> None:
    with pytest.raises(FitError, match="categorical covariate"):
        OntologyAutoencoderDesign(adversary=1.0).build(hierarchies.blueprint(), 2, covariates=["age"])


def test_size_is_about_the_number_of_parameters() -> None:
    for options in OPTIONS.values():
        network, _ = make(**options)
        design = network.design
        predicted, _ = design.size(hierarchies.blueprint(), 3)
        assert network.n_parameters() / 2 <= predicted <= 2 * network.n_parameters()
