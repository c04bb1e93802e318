"""What there is to learn, read from columns of ``obs``: classes, values, labels, survival."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.errors import DataError, some

Task = Literal["classification", "regression", "multilabel", "survival"]

#: Tasks whose one output is a number; the others have an output a class or label.
ONE_OUTPUT: frozenset[Task] = frozenset({"regression", "survival"})

#: Name of the output of a survival model: the log partial hazard.
RISK = "risk"

#: Fewer distinct numbers than this, all of them whole, are read as classes when the task is not given.
MOST_NUMERIC_CLASSES = 20

#: Columns of the results that stand beside one column a class or label, and the output "all".
RESERVED_CLASSES = frozenset({"all", "arm", "fold", "replicate", "sample", "target"})

#: Begins the columns of the true labels in the predictions.
TRUE_LABEL = "target."


@dataclass(frozen=True)
class Target:
    """The target of every sample.

    Attributes
    ----------
    values
        Classification: ``[n]`` int64 class index. Regression: ``[n]`` float32. Multilabel: ``[n, n_labels]`` float32
        0, 1 or NaN (unknown). Survival: ``[n, 2]`` float32 time and event (1) or censored (0).
    task
        What is learned.
    classes, labels
        Names of the classes, or of the labels of a multilabel task; else empty.
    label
        The columns in words.
    """

    values: NDArray[Any]
    task: Task
    classes: list[str]
    labels: list[str]
    label: str


def read_target(
    obs: pd.DataFrame,
    label: str | Sequence[str] | None,
    time: str | None,
    event: str | None,
    task: Task | None,
    origin: str,
) -> Target:
    """Read the target: one column (classes or values), several (labels), or a time and an event (survival).

    Raises
    ------
    DataError
        If the columns do not fit the task, are missing, or hold what the task cannot use; the message names column
        and values.
    """
    if (time is None) != (event is None):
        raise DataError("Survival needs two columns, time and event.", "Give both, or a label.")
    if (label is None) == (time is None):
        raise DataError("Either a label, or a time and an event, must be given.", "Give one of them.")
    kind: Task | None = "survival" if time is not None else None if isinstance(label, str) else "multilabel"
    if task is not None and task != (kind or task):
        raise DataError(f"The columns that were given are for {kind}, not for {task}.", "Leave the task out.")
    if time is not None and event is not None:
        values = _survival(obs, time, event, origin)
        return Target(values, "survival", [], [], f"{time}, {event}")
    if isinstance(label, str):
        if task in ("multilabel", "survival"):
            wanted = "a list of labels" if task == "multilabel" else "a time and an event"
            raise DataError(f"The task {task} needs {wanted}, not one label ('{label}').", "Give these columns.")
        return _one_column(obs, label, task, origin)
    labels = list(label or ())
    return Target(_labels(obs, labels, origin), "multilabel", [], labels, some(labels, 10))


def complete_column(obs: pd.DataFrame, name: str, origin: str) -> pd.Series[Any]:
    """Return a column of ``obs`` that has a value for every sample.

    Raises
    ------
    DataError
        If there is no such column, or it is missing in some samples.
    """
    column = _column(obs, name, origin)
    missing = int(column.isna().sum())
    if missing:
        raise DataError(
            f"The column '{name}' of {origin} is missing in {missing} of {len(column)} samples.",
            "Remove those samples or fill the column in.",
        )
    return column


def _column(obs: pd.DataFrame, name: str, origin: str) -> pd.Series[Any]:
    if name not in obs:
        raise DataError(
            f"{origin} has no column '{name}' in obs.", f"Choose one of: {', '.join(map(str, obs)) or '-'}."
        )
    column: pd.Series[Any] = obs[name]
    return column


# ---- one column ------------------------------------------------------------------------------------------------------


def _one_column(obs: pd.DataFrame, label: str, task: Task | None, origin: str) -> Target:
    values = complete_column(obs, label, origin)
    if values.nunique() < 2:
        only = values.iloc[0] if len(values) else "nothing"
        raise DataError(
            f"The column '{label}' of {origin} holds one value only ({only}).", "There is nothing to tell apart."
        )
    if pd.api.types.is_float_dtype(values) and not np.isfinite(values.to_numpy(dtype=float)).all():
        raise DataError(f"The column '{label}' of {origin} holds infinite values.", "Remove those samples.")
    task = task or _guess_task(values)
    if task == "regression":
        return Target(_numbers(values, label, origin, 'Set task = "classification".'), task, [], [], label)
    codes, classes = pd.factorize(values.astype(str), sort=True)
    _refuse_reserved(classes, f"The column '{label}' of {origin} has classes")
    return Target(codes.astype(np.int64), "classification", [str(name) for name in classes], [], label)


def _guess_task(values: pd.Series[Any]) -> Task:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return "classification"
    whole = bool((values == values.round()).all())
    return "classification" if whole and values.nunique() <= MOST_NUMERIC_CLASSES else "regression"


def _refuse_reserved(names: Iterable[str], what: str) -> None:
    taken = sorted(RESERVED_CLASSES.intersection(names))
    if taken:
        raise DataError(f"{what} named {', '.join(taken)}, which name something else in the results.", "Rename them.")


def _numbers(values: pd.Series[Any], name: str, origin: str, hint: str) -> NDArray[np.float32]:
    """Return a column as float32."""
    if not pd.api.types.is_numeric_dtype(values):
        text = [value for value in values if isinstance(value, str)]
        examples = some(dict.fromkeys(text or values), 3)
        raise DataError(f"The column '{name}' of {origin} holds no numbers: {examples}.", hint)
    numbers = values.to_numpy(dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise DataError(f"The column '{name}' of {origin} holds infinite values.", "Remove those samples.")
    return numbers


# ---- several labels --------------------------------------------------------------------------------------------------


def _labels(obs: pd.DataFrame, labels: list[str], origin: str) -> NDArray[np.float32]:
    if not labels:
        raise DataError("The list of labels is empty.", "Name at least one column.")
    twice = [name for i, name in enumerate(labels) if name in labels[:i]]
    if twice:
        raise DataError(f"Labels named more than once: {some(twice)}.", "Name each column once.")
    _refuse_reserved(labels, "There are labels")
    prefixed = [name for name in labels if name.startswith(TRUE_LABEL)]
    if prefixed:
        raise DataError(
            f"Labels must not begin with '{TRUE_LABEL}', as the columns of the true labels in the results do: "
            f"{some(prefixed)}.",
            "Rename these columns.",
        )
    values = np.stack([_binary(_column(obs, name, origin), name, origin) for name in labels], axis=1)
    constant = [
        f"{name} ({_only(values[:, i])})" for i, name in enumerate(labels) if len(np.unique(_known(values[:, i]))) < 2
    ]
    if constant:
        raise DataError(
            f"Labels of {origin} that do not vary: {some(constant, 10)}.",
            "There is nothing to tell apart; remove them.",
        )
    empty = np.flatnonzero(np.isnan(values).all(axis=1))
    if len(empty):
        raise DataError(
            f"{len(empty)} of {len(values)} samples of {origin} have no label at all: {some(obs.index[empty])}.",
            "Remove these samples.",
        )
    return values


def _binary(column: pd.Series[Any], name: str, origin: str) -> NDArray[np.float32]:
    """Return a column of 0, 1, booleans and missing values as 0, 1 and NaN."""
    values = column.astype(object)
    known = values.notna()
    wrong = [value for value in pd.unique(values[known]) if isinstance(value, str) or value not in (0, 1)]
    if wrong:
        raise DataError(
            f"The column '{name}' of {origin} holds other values than 0 and 1: {some(map(repr, wrong))}.",
            "Use 0 and 1, or booleans.",
        )
    result = np.full(len(values), np.nan, dtype=np.float32)
    result[known.to_numpy()] = values[known].to_numpy().astype(np.float32)
    return result


def _known(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values[~np.isnan(values)]


def _only(values: NDArray[np.float32]) -> str:
    known = _known(values)
    return f"always {int(known[0])}" if len(known) else "never known"


# ---- survival --------------------------------------------------------------------------------------------------------


def _survival(obs: pd.DataFrame, time: str, event: str, origin: str) -> NDArray[np.float32]:
    if time == event:
        raise DataError(f"'{time}' cannot be both time and event.", "Name two columns.")
    times = _numbers(complete_column(obs, time, origin), time, origin, "Give times as numbers, in months, say.")
    if (times <= 0).any():
        wrong = times[times <= 0]
        raise DataError(
            f"{len(wrong)} times of the column '{time}' of {origin} are zero or negative: {some(np.unique(wrong))}.",
            "A time is counted from the start of the observation; remove these samples or correct them.",
        )
    if np.ptp(times) == 0:
        raise DataError(
            f"The column '{time}' of {origin} holds one value only ({times[0]:g}).", "There is nothing to tell apart."
        )
    events = _binary(complete_column(obs, event, origin), event, origin)
    if not events.any():
        raise DataError(
            f"The column '{event}' of {origin} has no event: all {len(events)} samples are censored.",
            "Check that 1 stands for an event and 0 for a censored sample.",
        )
    return np.stack([times, events], axis=1)
