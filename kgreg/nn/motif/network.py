"""A network on DNA whose first layer is a bank of known motifs: convolutions that start from what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.dense import dense_layers
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.motif.bank import MotifBank, random_filters
from kgreg.nn.motif.cache import frozen_scores
from kgreg.nn.motif.filters import implied_information, motif_filter
from kgreg.nn.motif.start import EXPONENTS, fit_start
from kgreg.nn.motif.thresholds import score_thresholds
from kgreg.nn.readout import Link

if TYPE_CHECKING:
    from kgreg.nn.motif.design import MotifDesign

#: Standard deviations below this are taken as 1: a motif that no training sequence has is left at 0.
_LEAST_SD = 1e-6

_ACTIVATIONS = {"none": nn.Identity, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class _Exponential(nn.Module):
    """``2^x``: bits become odds; beyond 20 bits it goes on as a straight line, so that no float overflows."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``."""
        most = 20.0
        bend = 2.0**most
        return torch.where(x < most, torch.exp2(x.clamp(max=most)), bend * (1 + (x - most) * np.log(2)))


class MotifNetwork(GuidedNetwork):
    """See :class:`kgreg.nn.motif.design.MotifDesign`.

    For motif m with filter W_m, threshold t_m, and the activation f::

        s_m = pool over windows and strands of  sum_j W_m[j, base_j]
        z_m = (f(s_m - t_m) - mean_m) / sd_m
        outputs = (V * scale) z + b (+ layers(z))

    mean and sd are those of the training samples before the first step, and ``scale`` is 1, or what an adaptive start
    chose (see :func:`kgreg.nn.motif.start.fit_start`). The loss is that of the task, plus
    ``head_l2 |V|^2``, plus ``strength |W - W at the start|^2`` where filters are regularised, plus what is asked of
    their information content and size. ``head_l1`` is a proximal step after every step of the optimiser.

    The named nodes are the motifs, in the order of the blueprint, and their activations are the z_m. A sequence and its
    reverse complement have the same outputs, to the last bit.

    Raises
    ------
    FitError
        If the blueprint holds no motifs, or one cannot become a filter.
    """

    mean: Tensor
    sd: Tensor
    threshold: Tensor
    ridge: Tensor
    scale: Tensor

    def __init__(
        self, design: MotifDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int = 0, link: Link = "identity"
    ) -> None:
        filters = starting_filters(design, blueprint)
        super().__init__(blueprint, n_outputs, list(filters), [1] * len(filters), n_covariates)
        self.design, self.link = design, link
        self.bank = MotifBank(filters, design.pooling, design.n_top)
        self.bank.weight.requires_grad_(design.mode != "frozen")
        n = len(filters)
        thresholds = np.zeros(n)
        if design.threshold is not None:
            thresholds = score_thresholds(list(filters.values()), design.threshold, design.background)
        self.register_buffer("threshold", torch.from_numpy(thresholds).float())
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("sd", torch.ones(n))
        self.register_buffer("ridge", torch.full((n_outputs,), design.head_l2 or 0.0))
        self.activation = _Exponential() if design.activation == "exp" else _ACTIVATIONS[design.activation]()
        self.dropout = nn.Dropout(design.dropout)
        self.head = nn.Linear(n + n_covariates, n_outputs)
        self.register_buffer("scale", torch.ones_like(self.head.weight))
        if design.head_start != "random":
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        self.hidden: nn.Sequential | None = None
        if design.hidden:
            layers = dense_layers(n + n_covariates, design.hidden, design.hidden_activation, design.dropout)
            last = nn.Linear(design.hidden[-1], n_outputs)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.hidden = layers.append(last)

    # ---- one pass --------------------------------------------------------------------------------------------------

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`."""
        codes = _codes(given)
        if self.training and self.design.jitter:
            codes = shifted(codes, self.design.jitter)
            pooled = self.bank(codes)
        elif self.bank.weight.requires_grad or self.bank.weight.device.type != "cpu":
            pooled = self.bank(codes)
        else:
            pooled = frozen_scores(self.bank, codes)
        return self._read_out(pooled, given.covariates)

    def from_one_hot(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return the outputs ``[batch, n_outputs]`` of any ``x [batch, 4, L]``, differentiable with respect to it."""
        return self._read_out(self.bank.dense(x), covariates).outputs

    def _activate(self, pooled: Tensor) -> Tensor:
        active: Tensor = self.activation(pooled - self.threshold)
        return active

    def _read_out(self, pooled: Tensor, covariates: Tensor | None) -> Passed:
        z = (self._activate(pooled) - self.mean) / self.sd
        read = self.dropout(z)
        if covariates is not None:
            read = torch.cat([read, covariates], dim=1)
        outputs = nn.functional.linear(read, self.head.weight * self.scale, self.head.bias)
        if self.hidden is not None:
            outputs = outputs + self.hidden(read)
        return Passed(outputs, [z])

    # ---- training --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def begin(self, given: Given, target: Tensor) -> None:
        """Take mean and standard deviation of the activations, and fit the head that training begins with."""
        pieces = [self._activate(frozen_scores(self.bank, rows)) for rows in torch.split(_codes(given), self.piece)]
        active = torch.cat(pieces)
        if self.design.standardise:
            sd = active.std(dim=0, correction=0)
            self.mean.copy_(active.mean(dim=0))
            self.sd.copy_(torch.where(sd > _LEAST_SD, sd, torch.ones_like(sd)))
        if self.design.head_start in ("adaptive", "ridge"):
            self._start_head((active - self.mean) / self.sd, given, target)

    def _start_head(self, z: Tensor, given: Given, target: Tensor) -> None:
        read = z if given.covariates is None else torch.cat([z, given.covariates], dim=1)
        exponents = EXPONENTS if self.design.head_start == "adaptive" else (0,)
        start = fit_start(read.cpu().numpy(), target.cpu().numpy(), self.link, self.n_outputs, exponents)
        if start is None:
            return
        self.scale.copy_(torch.from_numpy(start.scale))
        self.head.weight.copy_(torch.from_numpy(start.weight))
        self.head.bias.copy_(torch.from_numpy(start.bias))
        if self.design.head_l2 is None:
            self.ridge.copy_(torch.from_numpy(start.penalty))
        if self.design.positive:
            self._keep_positive()

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        loss = task_loss(passed.outputs.t(), target)
        loss = loss + (self.ridge * self.head.weight.square().sum(dim=1)).sum()
        design, weight = self.design, self.bank.weight
        if design.mode == "regularised" and design.strength:
            loss = loss + design.strength * (weight - self.bank.start).square().sum()
        if weight.requires_grad and design.information:
            bits = implied_information(weight, design.encoding, design.background)
            loss = loss + design.information * bits.sum() / len(self.bank.ids)
        if weight.requires_grad and design.filter_l1:
            loss = loss + design.filter_l1 * weight.abs().sum() / len(self.bank.ids)
        return loss

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the head's parameters, and the filters with their own learning rate and no decay."""
        filters = [p for p in self.bank.parameters() if p.requires_grad]
        own = {id(p) for p in filters}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.parameters() if p.requires_grad and id(p) not in own]}
        ]
        if filters:
            groups.append({"params": filters, "lr": learning_rate * self.design.filter_rate, "weight_decay": 0.0})
        return groups

    def after_step(self, learning_rate: float) -> None:
        """Shrink the head's weights by the L1 penalty, and clamp them where they must be positive."""
        if self.design.head_l1:
            weight = self.head.weight
            weight.copy_(weight.sign() * (weight.abs() - learning_rate * self.design.head_l1).clamp(min=0))
        if self.design.positive:
            self._keep_positive()

    def _keep_positive(self) -> None:
        """Let no motif speak against a class, label or value; of two classes, none for the first."""
        motifs = self.head.weight[:, : len(self.term_ids)]
        if self.link == "softmax" and self.n_outputs == 2:
            half = ((motifs[1] - motifs[0]) / 2).clamp(min=0)
            motifs.copy_(torch.stack([-half, half]))
        else:
            motifs.clamp_(min=0)


def starting_filters(design: MotifDesign, blueprint: Blueprint) -> dict[str, np.ndarray[Any, Any]]:
    """Return the filters that training begins with, by motif.

    Random ones have the widths and norms of the motifs' own; they are drawn from torch's generator.
    """
    matrices = blueprint.motif_matrices()
    if not matrices:
        raise FitError("The knowledge holds no motifs, which this network is made of.", 'Set guide = "motifs".')
    filters = {
        name: motif_filter(counts, design.encoding, design.pseudocount, design.background, name)
        for name, counts in matrices.items()
    }
    if design.initial == "motifs":
        return filters
    generator = np.random.default_rng(int(torch.randint(2**31, ())))
    norms = np.array([np.linalg.norm(values) for values in filters.values()])
    drawn = random_filters([len(values) for values in filters.values()], generator, norms)
    return dict(zip(filters, drawn, strict=True))


def shifted(codes: Tensor, most: int) -> Tensor:
    """Return codes ``[batch, L]``, each row shifted by up to ``most`` places; what comes in is no base."""
    by = torch.randint(-most, most + 1, (len(codes), 1))
    place = torch.arange(codes.shape[1]) + by
    inside = (place >= 0) & (place < codes.shape[1])
    return torch.where(inside, codes.gather(1, place.clamp(0, codes.shape[1] - 1)), torch.full_like(codes, 4))


def _codes(given: Given) -> Tensor:
    if given.sequences is None:
        raise FitError("The network reads sequences, and the data have none.", "Name them under [data.sequences].")
    return given.sequences
