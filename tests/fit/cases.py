"""What the tests of fits share: which fit, the same fit, and a fit that is interrupted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from kgreg.data import Samples, Split, split_folds
from kgreg.data.samples import Task
from kgreg.fit import FittedModel
from tests.small_data import small_blueprint

BLUEPRINT = small_blueprint()
TASKS: list[Task] = ["classification", "regression", "multilabel", "survival"]


def first_split(samples: Samples) -> Split:
    return split_folds(samples, 3)[0]


def inputs(samples: Samples, rows: np.ndarray) -> np.ndarray:
    return samples.columns(BLUEPRINT.inputs)[rows]


def same(a: FittedModel, b: FittedModel) -> bool:
    """Whether two models hold the same numbers, bit for bit."""
    left, right = a.network.state_dict(), b.network.state_dict()
    scalers = a.preprocessing.scaler, b.preprocessing.scaler
    return (
        left.keys() == right.keys()
        and all(torch.equal(left[name], right[name]) for name in left)
        and np.array_equal(scalers[0].mean, scalers[1].mean)
        and np.array_equal(scalers[0].sd, scalers[1].sd)
        and a.preprocessing.encoder == b.preprocessing.encoder
        and a.history == b.history
        and (a.best_epoch, a.seed, a.task, a.target_scale) == (b.best_epoch, b.seed, b.task, b.target_scale)
    )


def assert_alike(a: FittedModel, b: FittedModel, rtol: float = 1e-5) -> None:
    """Whether two models hold the same numbers but for the order of summation; weights relative to their largest."""
    pd.testing.assert_frame_equal(pd.DataFrame(a.history), pd.DataFrame(b.history), rtol=rtol, check_exact=False)
    assert (a.best_epoch, a.seed, a.task) == (b.best_epoch, b.seed, b.task)
    np.testing.assert_allclose(a.target_scale[1], b.target_scale[1], rtol=1e-6)
    right = b.network.state_dict()
    for name, tensor in a.network.state_dict().items():
        if a.task == "survival" and name in ("readout.bias", "hierarchy.bias"):
            continue  # the loss ignores a shift of all risks, so that of a bias only rounding says where it goes
        size = float(tensor.abs().max()) if tensor.numel() else 0.0
        difference = float((tensor - right[name]).abs().max()) if tensor.numel() else 0.0
        assert difference <= rtol * size, f"{name}: {difference / size:.1e} of its largest"


def interrupt_at(epoch: int, error: BaseException) -> Callable[[int, int], None]:
    def on_epoch(now: int, most: int) -> None:
        if now == epoch:
            raise error

    return on_epoch
