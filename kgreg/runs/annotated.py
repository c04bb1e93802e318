"""The results of a run as fields of AnnData and MuData, so that scanpy and its kin plot them.

``obsm["kgreg_activity"]``: subsystem activities; ``varm["kgreg_scores"]``: scores of genes; ``obs`` and
``obsm["kgreg_predictions"]``: what networks predicted of samples that they had not seen; ``uns["kgreg"]``: the run, and
the names of columns. Every name that is added begins with ``kgreg``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.anndata_files import open_h5ad
from kgreg.data.bundled import bundled_file
from kgreg.data.multiomics import is_mudata
from kgreg.data.multiomics.views import open_mudata
from kgreg.decode.importance import ALL
from kgreg.errors import DataError, OutputError, some
from kgreg.runs.stages import read_data

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from kgreg.runs.run import Run

#: Columns of the ranking that become matrices, one column an output, and how their names end.
_MATRICES = {"score": "kgreg_scores", "low": "kgreg_low", "high": "kgreg_high", "q": "kgreg_q"}

#: Columns of the ranking for all outputs together that a table of subsystems shows.
_RANKED = ("score", "low", "high", "z", "p", "q", "rank", "stability", "top_probability", "n")


def to_anndata(run: Run, data: AnnData | Path | str | None = None) -> AnnData:
    """Return the samples of a run with its results.

    Parameters
    ----------
    data
        The samples: an object (which stays as it is) or a file; it may hold more than was read, such as embeddings, and
        samples that were not tested, whose results are NaN. Default: the file of the experiment.

    Raises
    ------
    DataError
        If the samples cannot be read, or lack some that were tested; if they are of several modalities
        (:func:`to_mudata`) or DNA (:func:`activities_anndata`).
    """
    if is_mudata(data) or (data is None and _is_multiomic(run)):
        raise DataError("The samples of this run are of several modalities.", "Use to_mudata(), and a file .h5mu.")
    adata = _opened(run, data).copy()
    _annotate_samples(run, adata)
    _annotate_features(run, adata, None)
    adata.uns["kgreg"] = about(run)
    return adata


def to_mudata(run: Run, data: MuData | Path | str | None = None) -> MuData:
    """Return the samples of a run of several modalities with its results.

    Activities and predictions are fields of the whole, the scores of genes those of each modality, where its features
    have the names of genes that the networks read. Of tables, the modalities hold what the networks read.

    Raises
    ------
    DataError
        See :func:`to_anndata`.
    """
    import mudata

    if data is None and not _is_multiomic(run):
        raise DataError("The samples of this run are of one modality.", "Use to_anndata(), and a file .h5ad.")
    with mudata.set_options(pull_on_update=False):
        if data is None and run.experiment.data.file is None:
            mdata = _of_tables(run)
        else:
            mdata = open_mudata(data if data is not None else str(run.experiment.data.file))[0].copy()
        _annotate_samples(run, mdata)
        for name, part in mdata.mod.items():
            _annotate_features(run, part, name)
    mdata.uns["kgreg"] = about(run)
    return mdata


def activities_anndata(run: Run, data: AnnData | MuData | Path | str | None = None) -> AnnData:
    """Return the tested samples with subsystems in the place of genes.

    ``X``: activities (:func:`kgreg.decode.activity.subsystem_activity`); ``var``: labels as names (with their id where
    two subsystems share one), ``id, kind, level, n_genes`` and the ranking for all outputs together; ``varm``: scores
    for each. ``obs``, ``obsm`` and colours are those of ``data``, where it is given or can be read.

    Raises
    ------
    DataError
        If the networks have no subsystems, or ``data`` lacks samples that were tested.
    """
    import anndata

    table = run.activities
    if table.empty:
        raise DataError("The networks of this run have no subsystems with names.", "Export it without --activities.")
    ranking = run.explanation.ranking
    var = _subsystems(ranking[ranking["output"] == ALL].set_index("node").reindex(table.columns), run)
    adata = anndata.AnnData(table.to_numpy(np.float32), obs=pd.DataFrame(index=table.index.astype(str)), var=var)
    source = _source(run, data)
    if source is not None:
        place = _places(source, adata.obs_names)
        adata.obs = source.obs.iloc[place].copy()
        for name, matrix in source.obsm.items():
            adata.obsm[name] = matrix.iloc[place] if isinstance(matrix, pd.DataFrame) else np.asarray(matrix)[place]
        adata.uns |= {name: value for name, value in source.uns.items() if name.endswith("_colors")}
    _annotate_samples(run, adata, activity=False)
    for column, name in _MATRICES.items():
        adata.varm[name] = _by_output(ranking, column, list(table.columns))
    adata.uns["kgreg"] = about(run)
    return adata


def export(run: Run, path: Path, data: Path | str | None = None, *, activities: bool = False) -> Path:
    """Write :func:`to_anndata`, :func:`to_mudata` (``.h5mu``) or :func:`activities_anndata`; return ``path``.

    Raises
    ------
    OutputError
        If ``path`` ends otherwise, or cannot be written.
    DataError
        See there.
    """
    if path.suffix not in (".h5ad", ".h5mu"):
        raise OutputError(f"{path} is neither an .h5ad nor an .h5mu file.", "Give it one of these endings.")
    if path.suffix == ".h5mu" and activities:
        raise OutputError("Activities alone are one table.", "Write them to an .h5ad file.")
    made: Any
    if activities:
        made = activities_anndata(run, data)
    else:
        made = to_mudata(run, data) if path.suffix == ".h5mu" else to_anndata(run, data)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        made.write(aside)
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose a folder that you may write to."
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return path


def about(run: Run) -> dict[str, Any]:
    """Return what ``uns["kgreg"]`` holds: texts, numbers and arrays of them, as h5ad can store them."""
    metrics, blueprint = run.metrics, run.blueprint
    ranking = run.explanation.ranking
    sources = [source for source in blueprint.provenance.get("sources", []) if source.get("title")]
    main = metrics["metric"]
    return {
        "title": run.experiment.title,
        "seed": int(metrics["seed"]),
        "metric": str(main),
        "arms": np.array([arm["arm"] for arm in metrics["arms"]], dtype=object),
        **{
            f"metric_{end}": np.array([_number(arm["metrics"].get(main, {}).get(end)) for arm in metrics["arms"]])
            for end in ("mean", "low", "high")
        },
        "verdict": str(metrics["verdict"]),
        "blueprint_sha256": blueprint.content_hash(),
        "data_sha256": str(run.data.get("sha256") or ""),
        "sources": np.array([f"{s['title']} ({s.get('release', '')})" for s in sources], dtype=object),
        "kgreg": str(run.record["kgreg"]),
        "packages": {name: str(version) for name, version in run.record.get("packages", {}).items()},
        "outputs": np.array(_outputs(ranking), dtype=object),
        "predicted": np.array(_predicted_columns(run), dtype=object),
        "activity_nodes": np.array(list(run.activities.columns), dtype=object),
        "activity_labels": np.array(_labels(run, run.activities.columns), dtype=object),
        "activity_unit": "standard deviations over the training samples, held-out samples",
    }


# ---- where the samples come from -------------------------------------------------------------------------------------


def _is_multiomic(run: Run) -> bool:
    section = run.experiment.data
    return (section.file is None and bool(section.modalities)) or str(section.file).endswith(".h5mu")


def _opened(run: Run, data: AnnData | Path | str | None) -> AnnData:
    if data is None:
        file = run.experiment.data.file
        if file is None:
            raise DataError(
                "This run read DNA: there is no table of features to put results into.",
                "Export the activities alone (--activities), or give the samples.",
            )
        data = bundled_file(file) if file.startswith("scanpy:") else file
    adata = open_h5ad(data)[0]
    return adata


def _source(run: Run, data: AnnData | MuData | Path | str | None) -> Any:
    """Return the object that holds ``obs`` and ``obsm`` of the samples; None if no file says more of them."""
    if data is not None:
        return open_mudata(data)[0] if is_mudata(data) else open_h5ad(data)[0]
    file = run.experiment.data.file
    if file is None:
        return None
    path = bundled_file(file) if file.startswith("scanpy:") else Path(file)
    if not path.is_file():  # a run that was moved
        return None
    return open_mudata(path)[0] if is_mudata(path) else open_h5ad(path)[0]


def _of_tables(run: Run) -> MuData:
    import anndata
    import mudata

    samples = read_data(run.experiment)
    parts = {}
    for i, name in enumerate(samples.modality_names):
        columns = [j for j, modality in enumerate(samples.modalities) if modality == name]
        own = slice(None) if samples.present is None else np.flatnonzero(samples.present[:, i])
        var = pd.DataFrame(index=[samples.features[j] for j in columns])
        obs = pd.DataFrame(index=np.asarray(samples.names, dtype=object)[own])
        parts[name] = anndata.AnnData(samples.x[own][:, columns], obs=obs, var=var)
    return mudata.MuData(parts)


def _places(source: AnnData | MuData, names: Iterable[str]) -> NDArray[np.int64]:
    """Return where samples stand in ``source``.

    Raises
    ------
    DataError
        If some are not there.
    """
    wanted = pd.Index([str(name) for name in names])
    there = pd.Index([str(name) for name in source.obs_names])
    if not there.is_unique:
        raise DataError("The data name samples more than once.", "Call obs_names_make_unique() on what the run read.")
    place = there.get_indexer(wanted)
    if (place < 0).any():
        raise DataError(
            f"{(place < 0).sum()} of {len(wanted)} tested samples are not in the data: {some(wanted[place < 0])}.",
            "Give the data that the run was trained on.",
        )
    found: NDArray[np.int64] = place.astype(np.int64)
    return found


# ---- fields ----------------------------------------------------------------------------------------------------------


def _annotate_samples(run: Run, target: AnnData | MuData, *, activity: bool = True) -> None:
    predicted = _mean_predictions(run)
    place = _places(target, predicted.index)
    target.obsm["kgreg_predictions"] = _spread(predicted.to_numpy(np.float32), place, target.n_obs)
    task = run.metrics["task"]
    if task == "classification":
        best = predicted.columns.to_numpy()[predicted.to_numpy().argmax(axis=1)]
        column = np.full(target.n_obs, None, dtype=object)
        column[place] = best
        target.obs["kgreg_predicted"] = pd.Categorical(column, categories=list(predicted.columns))
    elif task in ("regression", "survival"):
        values = _spread(predicted.to_numpy(np.float32), place, target.n_obs)[:, 0]
        target.obs["kgreg_risk" if task == "survival" else "kgreg_predicted"] = values
    if activity and not run.activities.empty:
        values = run.activities.to_numpy(np.float32)
        target.obsm["kgreg_activity"] = _spread(values, _places(target, run.activities.index), target.n_obs)


def _annotate_features(run: Run, adata: AnnData, modality: str | None) -> None:
    """Put the scores of genes beside the features that stand for them; other features have NaN."""
    inputs = run.blueprint.inputs
    if modality is not None:
        inputs = inputs[inputs["modality"] == modality]
    node_of = inputs.drop_duplicates("feature").set_index("feature")["node"]
    nodes = node_of.reindex(pd.Index([str(name) for name in adata.var_names]))
    ranking = run.explanation.ranking
    for column, name in _MATRICES.items():
        adata.varm[name] = _by_output(ranking[ranking["kind"] == "gene"], column, nodes.tolist(), ranking)
    adata.var["kgreg_node"] = nodes.fillna("").to_numpy(dtype=object)


def _by_output(
    rows: pd.DataFrame, column: str, nodes: list[Any], ranking: pd.DataFrame | None = None
) -> NDArray[np.float32]:
    """Return a column of the ranking as ``[n_nodes, n_outputs]``, the outputs as :func:`about` names them."""
    table = rows.pivot(index="node", columns="output", values=column)
    table = table.reindex(index=nodes, columns=_outputs(rows if ranking is None else ranking))
    values: NDArray[np.float32] = table.to_numpy(dtype=np.float32)
    return values


def _subsystems(best: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return the table ``var`` of the activities; ``best`` is the ranking of all outputs together by node."""
    nodes = run.blueprint.nodes.set_index("id").loc[best.index]
    sizes = best["n_genes"].fillna(0).astype(int)
    head = pd.DataFrame({"id": best.index, "kind": nodes["kind"], "level": nodes["level"], "n_genes": sizes})
    for name in _RANKED:
        if name in best:
            head[name] = best[name].astype(float)
    return head.set_axis(pd.Index(_labels(run, best.index), dtype=object), axis=0)


def _labels(run: Run, nodes: Iterable[str]) -> list[str]:
    """Return the labels of nodes, with the id where several share one or there is none."""
    ids = list(nodes)
    label = run.blueprint.nodes.set_index("id")["label"].loc[ids]
    shared = label.duplicated(keep=False) | (label == "")
    return [
        f"{name} ({node})".strip() if twice else str(name) for node, name, twice in zip(ids, label, shared, strict=True)
    ]


def _outputs(ranking: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(ranking["output"]))


def _predicted_columns(run: Run) -> list[str]:
    """Return which columns of the predictions hold what was predicted."""
    known = {"arm", "fold", "replicate", "sample", "target", "time", "event"}
    names = [str(name) for name in run.predictions]
    return [name for name in names if name not in known and not name.startswith("target.")]


def _mean_predictions(run: Run) -> pd.DataFrame:
    """Return what the networks of the graph predict of tested samples, mean over replicates; index: samples."""
    own = run.predictions[run.predictions["arm"] == "graph"]
    return own.groupby(own["sample"].astype(str), sort=False)[_predicted_columns(run)].mean()


def _spread(values: NDArray[np.float32], place: NDArray[np.int64], n: int) -> NDArray[np.float32]:
    """Return rows at their places among ``n``, NaN elsewhere."""
    found = np.full((n, values.shape[1]), np.nan, dtype=np.float32)
    found[place] = values
    return found


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
