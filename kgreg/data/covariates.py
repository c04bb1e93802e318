"""Covariates of the samples (data set, tissue, age) as numbers, fitted on the training part only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.errors import DataError, some

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CovariateEncoder:
    """One column a category, and one standardised column a number.

    Attributes
    ----------
    categories
        Covariate -> its categories, sorted; a sample of one that training did not see has zeros in all of them.
    numbers
        Covariate -> its mean and standard deviation in the training part (1 where it does not vary).
    order
        The covariates, in the order of their columns.
    seen
        Covariate -> those of its categories that training saw. The others have a column too, so that the folds of one
        data set have the same columns, but it stays 0.
    """

    categories: dict[str, list[str]]
    numbers: dict[str, tuple[float, float]]
    order: list[str]
    seen: dict[str, list[str]]

    @classmethod
    def fit(cls, covariates: pd.DataFrame, everyone: pd.DataFrame | None = None) -> CovariateEncoder:
        """Fit on the rows of the training part; what tells nothing there is noted in the log.

        Parameters
        ----------
        covariates
            The training part.
        everyone
            All samples, whose categories get columns; of them nothing is learned. Default: the training part.

        Raises
        ------
        DataError
            If a value is missing or infinite, or there is no row.
        """
        if not len(covariates):
            raise DataError("There are no training samples to read covariates from.")
        _refuse_unknown(covariates)
        categories: dict[str, list[str]] = {}
        numbers: dict[str, tuple[float, float]] = {}
        seen: dict[str, list[str]] = {}
        for name, column in covariates.items():
            if column.nunique() < 2:
                log.warning("The covariate '%s' has one value in the training part: %s.", name, column.iloc[0])
            if _is_number(column):
                values = column.to_numpy(dtype=np.float64)
                numbers[str(name)] = (float(values.mean()), float(values.std()) or 1.0)
            else:
                seen[str(name)] = sorted(column.astype(str).unique())
                listed = column if everyone is None else everyone[name]
                categories[str(name)] = sorted(listed.astype(str).unique())
        return cls(categories, numbers, [str(name) for name in covariates], seen)

    @property
    def names(self) -> list[str]:
        """Names of the columns, such as ``dataset=GDSC1`` or ``age``."""
        names = []
        for name in self.order:
            names += [f"{name}={value}" for value in self.categories[name]] if name in self.categories else [name]
        return names

    def transform(self, covariates: pd.DataFrame) -> NDArray[np.float32]:
        """Return ``[n, len(names)]``; categories that training did not see are noted in the log.

        Raises
        ------
        DataError
            If a covariate is not there, or a value is missing, infinite or of another kind than in training.
        """
        missing = [name for name in self.order if name not in covariates]
        if missing:
            raise DataError(f"The samples lack the covariates {', '.join(missing)}.", "Give those used in training.")
        _refuse_unknown(covariates[self.order])
        columns: list[NDArray[np.float32]] = []
        for name in self.order:
            column = covariates[name]
            if name in self.numbers:
                if not _is_number(column):
                    raise DataError(f"The covariate '{name}' held numbers in training, and now {some(column, 3)}.")
                mean, sd = self.numbers[name]
                columns.append(((column.to_numpy(dtype=np.float64) - mean) / sd).astype(np.float32)[:, None])
                continue
            known = self.categories[name]
            place = pd.Index(known).get_indexer(pd.Index(column.astype(str)))
            place[~column.astype(str).isin(self.seen[name]).to_numpy()] = -1
            if (place < 0).any():
                unseen = column.astype(str)[place < 0]
                log.warning("The covariate '%s' has values that training did not see: %s.", name, some(unseen))
            one_hot = np.zeros((len(column), len(known)), dtype=np.float32)
            one_hot[place >= 0, place[place >= 0]] = 1
            columns.append(one_hot)
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(covariates), 0), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        numbers = {name: list(pair) for name, pair in self.numbers.items()}
        return {"categories": self.categories, "numbers": numbers, "order": self.order, "seen": self.seen}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> CovariateEncoder:
        """Return the encoder of a record that :meth:`to_dict` made."""
        numbers = {name: (float(mean), float(sd)) for name, (mean, sd) in record["numbers"].items()}
        return cls(dict(record["categories"]), numbers, list(record["order"]), dict(record["seen"]))


def read_covariates(obs: pd.DataFrame, names: Sequence[str], learned: Sequence[str], origin: str) -> pd.DataFrame:
    """Return the columns ``names`` of ``obs``; ``learned`` are the columns that are to be predicted.

    Raises
    ------
    DataError
        If a column is not there, a value is missing or infinite, a name comes twice, or a column is one that is to be
        predicted or says the same as it does.
    """
    if len(set(names)) < len(names):
        raise DataError(f"The covariates {', '.join(names)} name a column twice.", "Name each once.")
    absent = [name for name in names if name not in obs]
    if absent:
        raise DataError(
            f"{origin} has no column '{absent[0]}' in obs.", f"Choose one of: {', '.join(map(str, obs)) or '-'}."
        )
    covariates = obs[list(names)]
    _refuse_unknown(covariates, f" of {origin}")
    for name, column in covariates.items():
        for target in learned:
            if name == target or _same(column, obs[target]):
                raise DataError(
                    f"The covariate '{name}' of {origin} is what is to be predicted ('{target}').", "Leave it out."
                )
    return covariates


def _same(column: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Return whether two columns hold the same values, or the same classes by other names."""
    if _is_number(column) and _is_number(target):
        return bool((column.to_numpy() == target.to_numpy()).all())
    if _is_number(target) and target.nunique() == len(target):
        return False  # any column without repeats would be one-to-one with it
    return bool((pd.factorize(column)[0] == pd.factorize(target)[0]).all())


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _refuse_unknown(covariates: pd.DataFrame, origin: str = "") -> None:
    for name, column in covariates.items():
        missing = int(column.isna().sum())
        if not missing and _is_number(column):
            missing = int((~np.isfinite(column.to_numpy(dtype=np.float64))).sum())
        if missing:
            raise DataError(
                f"The covariate '{name}'{origin} is missing or infinite in {missing} of {len(column)} samples.",
                "Remove those samples, fill the column in, or leave it out.",
            )
