"""How well each label of a multilabel task is predicted."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd

from kgreg.data.splits import Split
from kgreg.data.targets import TRUE_LABEL
from kgreg.fit.metrics import fold_interval, score_labels


def summarise_labels(predictions: pd.DataFrame, splits: list[Split], labels: list[str]) -> list[dict[str, Any]]:
    """Return for every label the metrics of every arm with intervals (JSON values).

    A fold counts once: replicates and the draws of a null are averaged within it first. A fold in which a label has
    one value only is left out for that label.

    Parameters
    ----------
    predictions
        Of :class:`kgreg.fit.crossval.CrossValidation`.

    Returns
    -------
    list
        One entry a label: ``label`` and ``arms``: kind of arm -> metric -> ``mean, low, high, n``.
    """
    share = float(np.mean([len(split.test) / len(split.train) for split in splits]))
    truth = [TRUE_LABEL + name for name in labels]
    rows = []
    for key, part in predictions.groupby(["arm", "fold", "replicate"], sort=False):
        arm, fold, _ = cast("tuple[str, int, int]", key)
        kind = arm.rsplit("-", 1)[0]
        scores = score_labels(part[truth].to_numpy(dtype=float), part[labels].to_numpy(dtype=np.float32))
        for metric, values in scores.items():
            rows += [(kind, fold, metric, name, value) for name, value in zip(labels, values, strict=True)]
    arms, metrics = (list(dict.fromkeys(row[i] for row in rows)) for i in (0, 2))
    table = pd.DataFrame(rows, columns=["arm", "fold", "metric", "label", "value"])
    by_fold = table.groupby(["label", "arm", "metric", "fold"])["value"].mean()
    return [
        {
            "label": name,
            "arms": {
                arm: {
                    metric: fold_interval(by_fold[name, arm, metric].to_numpy(), share).to_dict() for metric in metrics
                }
                for arm in arms
            },
        }
        for name in labels
    ]
