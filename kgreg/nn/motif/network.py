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
from kgreg.nn.motif.de_novo import DeNovo
from kgreg.nn.motif.filters import implied_information, motif_filter
from kgreg.nn.motif.rounds import not_needed
from kgreg.nn.motif.start import EXPONENTS, fit_start
from kgreg.nn.motif.thresholds import score_thresholds
from kgreg.nn.readout import Link

if TYPE_CHECKING:
    from kgreg.nn.motif.design import MotifDesign

#: Standard deviations below this are taken as 1: a motif that no training sequence has is left at 0.
_LEAST_SD = 1e-6


class Exponential(nn.Module):
    """``2^x``: bits become odds; from 20 bits on a straight line, so that no float overflows."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``."""
        most = 20.0
        return torch.where(x < most, torch.exp2(x.clamp(max=most)), 2.0**most * (1 + (x - most) * np.log(2)))


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "exp": Exponential,
}


class MotifNetwork(GuidedNetwork):
    """See :class:`kgreg.nn.motif.design.MotifDesign`.

    For motif m with filter W_m, threshold t_m, and the activation f::

        s_m = pool over windows and strands of  sum_j W_m[j, base_j]
        z_m = (f(s_m - t_m) - mean_m) / sd_m
        outputs = (V * scale) z + b (+ layers(z))

    mean and sd are those of the training samples before the first step, and ``scale`` is 1, or what an adaptive start
    chose (see :func:`kgreg.nn.motif.start.fit_start`). The loss is that of the task, plus ``head_l2 |V|^2``, plus
    ``strength |W - W at the start|^2`` where filters are regularised, plus what is asked of their information content
    and size. ``head_l1`` is a proximal step after every step of the optimiser.

    De novo filters stand beside the motifs; their mean and sd are those of the batch (running ones in evaluation).
    After every ``round_epochs`` epochs, filters without which the loss on the stopping part is no higher are given up
    (see :func:`kgreg.nn.motif.rounds.not_needed`): of the de novo filters these are drawn anew, and with ``prune =
    "all"`` motifs are silenced for good.

    The named nodes are the motifs, in the order of the blueprint, and their activations are the z_m. A sequence and its
    reverse complement have the same outputs, to the last bit.

    Raises
    ------
    FitError
        If the blueprint holds no motifs, or one cannot become a filter.
    """

    mean: Tensor
    sd: Tensor
    ridge: Tensor
    scale: Tensor
    kept: Tensor
    unneeded: Tensor

    def __init__(
        self, design: MotifDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int = 0, link: Link = "identity"
    ) -> None:
        filters = starting_filters(design, blueprint)
        super().__init__(blueprint, n_outputs, list(filters), [1] * len(filters), n_covariates)
        self.design, self.link, self.judges = design, link, design.round_epochs > 0
        if design.pooling != "max":  # the scores of all windows are held at once
            self.piece = 256
        self._epoch = 0
        learns = design.mode != "frozen"
        self.bank = MotifBank(filters, design.pooling, design.n_top)
        self.bank.weight.requires_grad_(learns)
        self.de_novo = DeNovo(design) if design.de_novo else None
        n, new = len(filters), design.de_novo
        thresholds = np.zeros(n)
        if design.threshold is not None:
            thresholds = score_thresholds(list(filters.values()), design.threshold, design.background)
        self.threshold = nn.Parameter(
            torch.from_numpy(thresholds).float(), requires_grad=learns and design.activation != "none"
        )
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("sd", torch.ones(n))
        self.register_buffer("kept", torch.ones(n))
        self.register_buffer("unneeded", torch.zeros(n + new, dtype=torch.bool))
        self.register_buffer("ridge", torch.full((n_outputs,), design.head_l2 or 0.0))
        self.activation = ACTIVATIONS[design.activation]()
        self.dropout = nn.Dropout(design.dropout)
        self.head = nn.Linear(n + new + n_covariates, n_outputs)
        self.register_buffer("scale", torch.ones_like(self.head.weight))
        if design.head_start != "random":
            nn.init.zeros_(self.head.bias)
            with torch.no_grad():
                self.head.weight[:, :n] = 0
                self.head.weight[:, n + new :] = 0
        self.hidden: nn.Sequential | None = None
        if design.hidden:
            layers = dense_layers(n + new + n_covariates, design.hidden, design.hidden_activation, design.dropout)
            last = nn.Linear(design.hidden[-1], n_outputs)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.hidden = layers.append(last)

    # ---- one pass --------------------------------------------------------------------------------------------------

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`."""
        codes = _codes(given)
        jitters = self.training and self.design.jitter
        if jitters:
            codes = shifted(codes, self.design.jitter)
        if jitters or self.bank.weight.requires_grad or self.bank.weight.device.type != "cpu":
            pooled = self.bank(codes)
        else:
            pooled = frozen_scores(self.bank, codes)
        return self._read_out(pooled, None if self.de_novo is None else self.de_novo.bank(codes), given.covariates)

    def from_one_hot(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Return the outputs ``[batch, n_outputs]`` of any ``x [batch, 4, L]``, differentiable with respect to it."""
        new = None if self.de_novo is None else self.de_novo.bank.dense(x)
        return self._read_out(self.bank.dense(x), new, covariates).outputs

    def _activate(self, pooled: Tensor) -> Tensor:
        active: Tensor = self.activation(pooled - self.threshold)
        return active

    def _read_out(self, pooled: Tensor, new: Tensor | None, covariates: Tensor | None) -> Passed:
        """Return the pass of pooled scores of the motifs and of the de novo filters."""
        z = (self._activate(pooled) - self.mean) / self.sd * self.kept
        if torch.is_grad_enabled() and not z.requires_grad:
            z.requires_grad_()  # of a frozen bank: what is learned is decoded by derivatives with respect to z
        (z,) = self.changed([z])
        parts = [z]
        if self.de_novo is not None:
            parts.append(self.de_novo(new))
        read = torch.cat(parts, dim=1) if len(parts) > 1 else z
        return Passed(self._outputs(self.dropout(read), covariates), [z], (read, covariates) if self.judges else None)

    def _outputs(self, read: Tensor, covariates: Tensor | None) -> Tensor:
        if covariates is not None:
            read = torch.cat([read, covariates], dim=1)
        outputs = nn.functional.linear(read, self.head.weight * self.scale, self.head.bias)
        return outputs if self.hidden is None else outputs + self.hidden(read)

    # ---- training --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def begin(self, given: Given, target: Tensor) -> None:
        """Take mean and standard deviation of the activations, and fit the head that training begins with."""
        pieces = [self._activate(self._scores(rows)) for rows in torch.split(_codes(given), self.piece)]
        active = torch.cat(pieces)
        if self.design.standardise:
            sd = active.std(dim=0, correction=0)
            self.mean.copy_(active.mean(dim=0))
            self.sd.copy_(torch.where(sd > _LEAST_SD, sd, torch.ones_like(sd)))
        if self.design.head_start in ("adaptive", "ridge"):
            self._start_head((active - self.mean) / self.sd, given.covariates, target)

    def _scores(self, codes: Tensor) -> Tensor:
        """Return pooled scores without derivatives; at the start they are the same in every fit of the process."""
        return frozen_scores(self.bank, codes) if self.bank.weight.device.type == "cpu" else self.bank(codes)

    def _start_head(self, z: Tensor, covariates: Tensor | None, target: Tensor) -> None:
        read = z if covariates is None else torch.cat([z, covariates], dim=1)
        exponents = EXPONENTS if self.design.head_start == "adaptive" else (0,)
        start = fit_start(read.cpu().numpy(), target.cpu().numpy(), self.link, self.n_outputs, exponents)
        if start is None:
            return
        n = len(self.term_ids)
        own = torch.ones(self.head.weight.shape[1], dtype=torch.bool)
        own[n : n + self.design.de_novo] = False
        self.head.weight[:, own] = torch.from_numpy(start.weight).to(self.head.weight)
        self.scale[:, own] = torch.from_numpy(start.scale).to(self.scale)
        self.head.bias.copy_(torch.from_numpy(start.bias))
        if self.design.head_l2 is None:
            self.ridge.copy_(torch.from_numpy(start.penalty))
        if self.design.positive:
            self._keep_positive()

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        loss = task_loss(passed.outputs.t(), target)
        loss = loss + (self.ridge * self.head.weight.square().sum(dim=1)).sum()
        design = self.design
        if design.mode == "regularised" and design.strength:
            loss = loss + design.strength * (self.bank.weight - self.bank.start).square().sum()
        for bank in self._learned():
            if design.information:
                bits = implied_information(bank.weight, design.encoding, design.background)
                loss = loss + design.information * bits.sum() / len(bank.ids)
            if design.filter_l1:
                loss = loss + design.filter_l1 * bank.weight.abs().sum() / len(bank.ids)
        return loss

    def _learned(self) -> list[MotifBank]:
        """Return the banks whose filters are learned."""
        banks = [self.bank] if self.de_novo is None else [self.bank, self.de_novo.bank]
        return [bank for bank in banks if bank.weight.requires_grad]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the head's weights, what else there is, and the filters: each has a learning rate of its own.

        Adam moves every weight by about the learning rate, all motifs at once. A ridge head spreads over a thousand
        motifs and has weights far below 1: it steps in proportion to them. Filters are not decayed.
        """
        filters = [p for p in [self.threshold, *(bank.weight for bank in self._learned())] if p.requires_grad]
        own = {id(p) for p in [self.head.weight, *filters]}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in own]
        most = float(self.head.weight.detach().abs().max())
        fitted = self.design.head_start in ("adaptive", "ridge") and most > 0
        groups: list[dict[str, Any]] = [
            {"params": [self.head.weight], "lr": learning_rate * (most if fitted else 1.0)},
            {"params": rest},
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
        motifs = self.head.weight[:, : len(self.unneeded)]
        if self.link == "softmax" and self.n_outputs == 2:
            half = ((motifs[1] - motifs[0]) / 2).clamp(min=0)
            motifs.copy_(torch.stack([-half, half]))
        else:
            motifs.clamp_(min=0)

    # ---- rounds ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def judge(self, passed: list[Passed], target: Tensor, task_loss: TaskLoss) -> None:
        """Note, at the end of a round, which filters the stopping part does not need."""
        if (self._epoch + 1) % self.design.round_epochs:
            return
        read = torch.cat([part.extra[0] for part in passed])
        covariates = None if passed[0].extra[1] is None else torch.cat([part.extra[1] for part in passed])
        n = len(self.term_ids)
        candidates = np.arange(0 if self.design.prune == "all" else n, len(self.unneeded))
        candidates = candidates[~np.isin(candidates, np.flatnonzero(self.kept.cpu().numpy() == 0))]

        def loss_of(changed: Tensor) -> float:
            return float(task_loss(self._outputs(changed, covariates).t(), target))

        given_up = not_needed(read, candidates, loss_of, self.design.tolerance)
        self.unneeded[torch.from_numpy(given_up)] = True

    @torch.no_grad()
    def at_epoch(self, epoch: int) -> None:
        """Give up the filters that the last round did not need, and draw new ones."""
        self._epoch = epoch
        if not bool(self.unneeded.any()):
            return
        n = len(self.term_ids)
        self.kept[self.unneeded[:n]] = 0
        self.head.weight[:, :n][:, self.unneeded[:n]] = 0
        if self.de_novo is not None:
            drawn = self.unneeded[n:]
            self.de_novo.draw(drawn, epoch)
            self.head.weight[:, n : n + len(drawn)] = torch.where(
                drawn, self.de_novo.first_weights(self.n_outputs, epoch), self.head.weight[:, n : n + len(drawn)]
            )
        self.unneeded.zero_()


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
    by = torch.randint(-most, most + 1, (len(codes), 1), device=codes.device)
    place = torch.arange(codes.shape[1], device=codes.device) + by
    inside = (place >= 0) & (place < codes.shape[1])
    return torch.where(inside, codes.gather(1, place.clamp(0, codes.shape[1] - 1)), torch.full_like(codes, 4))


def _codes(given: Given) -> Tensor:
    codes: Tensor | None = given.sequences
    if codes is None:
        raise FitError("The network reads sequences, and the data have none.", "Name them under [data.sequences].")
    return codes
