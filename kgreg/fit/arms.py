"""The arms of an experiment: the graph, the graph rewired, with permuted labels, with control inputs, the baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.data.control import control_inputs
from kgreg.data.samples import Samples
from kgreg.data.splits import Split

ArmKind = Literal["graph", "rewired", "labels", "control"]


@dataclass(frozen=True)
class Arm:
    """One network to train in every fold.

    ``kind`` "graph": the blueprint as compiled; "rewired": degree-preserving random edges; "labels": the blueprint as
    compiled, targets permuted over the samples; "control": the blueprint as compiled, inputs that are all equally
    predictive (see :func:`kgreg.data.control_inputs`). ``number`` counts the draws of a null.
    """

    kind: ArmKind
    number: int = 0

    @property
    def name(self) -> str:
        """Folder-safe name, such as ``rewired-2``."""
        return "graph" if self.kind == "graph" else f"{self.kind}-{self.number}"


@dataclass(frozen=True)
class Job:
    """One fit: an arm, a fold, a replicate and the seed that follows from them."""

    arm: Arm
    split: Split
    replicate: int
    seed: int

    @property
    def name(self) -> str:
        """Folder-safe name, such as ``rewired-2/fold-0-replicate-1``."""
        return f"{self.arm.name}/fold-{self.split.fold}-replicate-{self.replicate}"


def plan(
    splits: list[Split],
    replicates: int,
    rewired: int,
    labels: int,
    seed: int,
    controls: int = 0,
    null_replicates: int | None = None,
) -> list[Job]:
    """Return every fit of an experiment, the real graph's first.

    All arms are trained on the same folds; rewired graphs and permuted labels with ``null_replicates``, if given,
    others with ``replicates``. The seed of a fit depends on the experiment's seed, the arm, the fold and the replicate.
    """
    arms = [Arm("graph"), *(Arm("rewired", k) for k in range(rewired)), *(Arm("labels", k) for k in range(labels))]
    arms += [Arm("control", k) for k in range(controls)]
    of_nulls = replicates if null_replicates is None else null_replicates
    return [
        Job(arm, split, replicate, _seed(seed, number, split.fold, replicate))
        for number, arm in enumerate(arms)
        for split in splits
        for replicate in range(of_nulls if arm.kind in ("rewired", "labels") else replicates)
    ]


def _seed(seed: int, arm: int, fold: int, replicate: int) -> int:
    return int(np.random.SeedSequence([seed, arm, fold, replicate]).generate_state(1)[0] % 2**31)


def arm_blueprint(blueprint: Blueprint, arm: Arm, seed: int) -> Blueprint:
    """Return the blueprint that an arm trains."""
    return blueprint.rewire(_null_seed(seed, arm)) if arm.kind == "rewired" else blueprint


def arm_samples(samples: Samples, arm: Arm, seed: int, inputs: pd.DataFrame) -> Samples:
    """Return the samples that an arm trains on: permuted targets for "labels", other inputs for "control".

    Where samples come in groups, whole targets are permuted all the same: the null is "no relation to expression".

    Parameters
    ----------
    inputs
        ``Blueprint.inputs``.
    """
    if arm.kind == "control":
        return control_inputs(samples, inputs, _null_seed(seed, arm))
    if arm.kind == "labels":
        return replace(samples, target=arm_target(samples, arm, seed))
    return samples


def arm_target(samples: Samples, arm: Arm, seed: int) -> NDArray[Any]:
    """Return the target that an arm trains on."""
    target: NDArray[Any] = samples.target
    if arm.kind == "labels":
        target = target[np.random.default_rng(_null_seed(seed, arm)).permutation(len(samples))]
    return target


def _null_seed(seed: int, arm: Arm) -> int:
    kind = {"graph": 0, "rewired": 1, "labels": 2, "control": 3}[arm.kind]
    return int(np.random.SeedSequence([seed, 1000 + kind, arm.number]).generate_state(1)[0] % 2**31)
