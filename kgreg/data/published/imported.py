"""What an import makes, and how it is written: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgreg.blueprint import Blueprint, save_blueprint
from kgreg.errors import OutputError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Imported:
    """A published project as kgreg takes it.

    Attributes
    ----------
    blueprint
        The hierarchy, nothing collapsed, nothing pruned.
    samples
        One row a measurement; ``obs`` holds the label and the column ``split``.
    experiment
        Section -> key -> value of the experiment file, but for the paths.
    notes
        What was left out or looks odd, each with file and line.
    """

    blueprint: Blueprint
    samples: AnnData
    experiment: Mapping[str, Any]
    notes: list[str]

    def figures(self) -> dict[str, int]:
        """Return the counts of the network, and the samples of each part."""
        parts = self.samples.obs["split"].value_counts()
        network = {k: n for k, n in self.blueprint.summary().items() if k not in ("neurons", "interactions")}
        return {**network, "train": int(parts.get("train", 0)), "test": int(parts.get("test", 0))}


def group_by(obs: Any, column: str) -> tuple[dict[str, str], list[str]]:
    """Return ``{"group": column}`` where values repeat and none lies in both parts of the split, else a note."""
    if not obs[column].duplicated().any():
        return {}, []
    parts = obs.groupby(column, observed=True)["split"].nunique()
    both = int((parts > 1).sum())
    if both:
        return {}, [
            f"split: {both:,} of {len(parts):,} values of '{column}' have samples in both parts, as published; the "
            f"test part says nothing about a new {column.replace('_', ' ')}"
        ]
    return {"group": column}, []


def refuse_output(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises
    ------
    OutputError
        If ``folder`` is a file or is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already and is not an empty folder.", "Choose another one with --output.")


def write_import(imported: Imported, folder: Path) -> Path:
    """Write ``blueprint/``, ``data.h5ad`` and ``experiment.toml``; return the path of the last.

    All is written beside ``folder`` and renamed onto it, so that what is there is whole.

    Raises
    ------
    OutputError
        If ``folder`` is not empty or cannot be written.
    """
    refuse_output(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        save_blueprint(imported.blueprint, aside / "blueprint")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # anndata's notes about the storage of strings
            imported.samples.write_h5ad(aside / "data.h5ad", compression="gzip")
        (aside / "experiment.toml").write_text(_toml(imported.experiment, imported.notes), encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error}.", "Choose another folder, and check that the disk is not full."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder / "experiment.toml"


def _toml(experiment: Mapping[str, Any], notes: list[str]) -> str:
    lines = [f"# {note}" for note in notes]
    lines += [f"{key} = {_value(value)}" for key, value in experiment.items() if not isinstance(value, Mapping)]
    for section, values in experiment.items():
        if isinstance(values, Mapping):
            lines += ["", f"[{section}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    # JSON's strings, numbers and lists of them are TOML's.
    return json.dumps(value, ensure_ascii=False)
