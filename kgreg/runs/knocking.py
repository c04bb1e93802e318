"""Other knockouts in the trained networks of a run; nothing is written into its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kgreg.data import Matching
from kgreg.data.anndata_files import open_h5ad
from kgreg.decode.knockout import (
    KnockoutOptions,
    drug_knockouts,
    drug_pairs,
    epistasis_table,
    knockout_samples,
    knockout_table,
    sweep_table,
)
from kgreg.errors import DataError, OutputError, some
from kgreg.experiment import Experiment, read_experiment
from kgreg.fit import CrossValidation
from kgreg.progress import Progress, no_progress
from kgreg.runs.knockouts import knockout_options
from kgreg.runs.pipeline import trained_networks
from kgreg.runs.records import read_table

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def knock_out_again(
    path: Path | str,
    knockouts: Mapping[str, Sequence[str]],
    *,
    data: AnnData | MuData | None = None,
    progress: Progress = no_progress,
    **changed: Any,
) -> pd.DataFrame:
    """Knock genes out of the trained networks of a run.

    Parameters
    ----------
    knockouts
        Name -> genes.
    changed
        Fields of :class:`kgreg.decode.KnockoutOptions` that are to differ from ``[knockouts]`` of the run.

    Returns
    -------
    DataFrame
        Of :func:`kgreg.decode.knockout_table`.

    Raises
    ------
    OutputError
        If there is no run in ``path``, or it is not trained yet.
    DataError
        If a gene is not in the network, or the samples are no longer those of the run.
    """
    result, options = _networks(path, data, progress, changed)
    return knockout_table(result, knockouts, progress, options)


def knock_out_pairs(
    path: Path | str,
    genes: Sequence[str],
    *,
    data: AnnData | MuData | None = None,
    progress: Progress = no_progress,
    **changed: Any,
) -> pd.DataFrame:
    """Knock all pairs of a list of genes out, see :func:`knock_out_again` and :func:`kgreg.decode.epistasis_table`."""
    result, options = _networks(path, data, progress, changed)
    models = read_experiment(Path(path) / "experiment.json").knockouts.epistasis
    return epistasis_table(result, genes, progress, options, models)


def sweep_genes(
    path: Path | str, *, data: AnnData | MuData | None = None, progress: Progress = no_progress, **changed: Any
) -> pd.DataFrame:
    """Knock out every gene, see :func:`knock_out_again` and :func:`kgreg.decode.sweep_table`."""
    result, options = _networks(path, data, progress, changed)
    return sweep_table(result, progress, options)


def knock_out_samples(
    path: Path | str,
    knockouts: Mapping[str, Sequence[str]],
    *,
    data: AnnData | MuData | None = None,
    progress: Progress = no_progress,
    **changed: Any,
) -> AnnData:
    """Knock genes out sample by sample, see :func:`knock_out_again` and :func:`kgreg.decode.knockout_samples`."""
    result, options = _networks(path, data, progress, changed)
    return knockout_samples(result, knockouts, progress, options)


def compare_drugs(
    path: Path | str,
    drugs: Sequence[str],
    knockouts: Mapping[str, Sequence[str]] | None = None,
    *,
    by: str = "drug",
    data: AnnData | MuData | None = None,
    progress: Progress = no_progress,
    **changed: Any,
) -> pd.DataFrame:
    """Compare knockouts under drugs (:func:`kgreg.decode.knockout.drug_knockouts`), or drugs in pairs.

    Parameters
    ----------
    knockouts
        Name -> genes. Without any, see :func:`kgreg.decode.knockout.drug_pairs`.
    by
        The column of ``obs`` that names the drug of every sample.

    Raises
    ------
    DataError
        If the data have no such column, and as the functions named above.
    """
    result, options = _networks(path, data, progress, changed)
    given = _column(read_experiment(Path(path) / "experiment.json"), result, by, data)
    if knockouts:
        return drug_knockouts(result, knockouts, drugs, given, progress, options)
    return drug_pairs(result, drugs, given, progress)


def write_samples(found: AnnData, path: Path) -> None:
    """Write effects on samples, as AnnData (``.h5ad``) or as a long table (``.parquet``, ``.csv``).

    Raises
    ------
    OutputError
        If the ending is another, or the file cannot be written.
    """
    from kgreg.decode.knockout.per_sample import long_table

    check_ending(path)
    try:
        if path.suffix == ".h5ad":
            found.write_h5ad(path)
        elif path.suffix == ".parquet":
            long_table(found).to_parquet(path, index=False)
        else:
            long_table(found).to_csv(path, index=False)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error}", "Choose another place.") from error


def check_ending(path: Path) -> None:
    """Refuse a file whose ending does not say how effects on samples are to be written."""
    if path.suffix not in (".h5ad", ".parquet", ".csv"):
        raise OutputError(f"{path}: the ending says nothing of the format.", "Use .h5ad, .parquet or .csv.")


def _column(experiment: Experiment, result: CrossValidation, name: str, data: AnnData | MuData | None) -> list[str]:
    """Return a column of ``obs`` for the samples of a run."""
    obs = (data if data is not None else open_h5ad(experiment.data.file or "")[0]).obs
    if name not in obs:
        raise DataError(f"The data have no column '{name}' in obs.", f"There are: {some(obs.columns, 10)}.")
    column = pd.Series(obs[name].astype(str).to_numpy(), index=obs.index.astype(str))
    if not column.index.is_unique or not column.index.isin(result.samples.names).any():
        raise DataError("The names of the samples (obs_names) do not tell their rows of obs apart.")
    return column.reindex(result.samples.names).astype(str).tolist()


def _networks(
    path: Path | str, data: AnnData | MuData | None, progress: Progress, changed: Mapping[str, Any]
) -> tuple[CrossValidation, KnockoutOptions]:
    result = trained_networks(path, data=data, progress=progress)
    matching = Matching(read_table(Path(path) / "matching.parquet"))
    options = knockout_options(read_experiment(Path(path) / "experiment.json"), matching)
    return result, replace(options, **changed)
