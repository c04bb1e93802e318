"""Whether the files of a run are those that its stages wrote: their SHA-256 stand in ``run.json``.

Networks are not among them: each has its own SHA-256 in its ``model.json``, which is checked when it is read, so that a
run whose networks were left behind can still be read. Neither are reports, which are made again at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kgreg.errors import OutputError

#: Stage -> patterns of the files that it writes. What an earlier finished stage wrote stays that stage's.
_PATTERNS = {
    "compile": ("experiment.json", "data.json", "matching.parquet", "splits.parquet", "blueprint/*"),
    "train": ("predictions.parquet", "scores.parquet", "metrics.json"),
    "explain": ("*.parquet", "*.json", "sequences/*"),
    "knockout": ("*.parquet", "*.json"),
}

#: Is written by all stages.
_RECORD = "run.json"

#: What no stage answers for.
_NOT_OF_STAGES = {_RECORD, "report.json"}


def hash_files(folder: Path, stage: str, stages: Mapping[str, Any]) -> dict[str, str]:
    """Return file -> SHA-256 of what a stage wrote that has just ended; ``stages`` are the finished ones, recorded."""
    others = {name for other, entry in stages.items() if other != stage for name in entry.get("files", {})}
    found = {
        path.relative_to(folder).as_posix()
        for pattern in _PATTERNS.get(stage, ())
        for path in folder.glob(pattern)
        if path.is_file()
    }
    return {name: _sha256(folder / name) for name in sorted(found - others - _NOT_OF_STAGES)}


def missing_files(folder: Path, stages: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return stage -> files that it wrote and that are gone."""
    gone: dict[str, list[str]] = {}
    for stage, name, _ in _recorded(stages):
        if not (folder / name).is_file():
            gone.setdefault(stage, []).append(name)
    return gone


def refuse_altered(folder: Path, stages: Mapping[str, Any]) -> None:
    """Refuse a run with files that somebody changed; those that are gone are left to :func:`missing_files`.

    Raises
    ------
    OutputError
        Naming the first such file and what to do.
    """
    for stage, name, digest in _recorded(stages):
        path = folder / name
        if path.is_file() and _sha256(path) != digest:
            remedy = (
                "run again with --force"
                if stage == "compile"
                else f"remove it, and `kgreg report {folder}` does the stage '{stage}' again"
            )
            raise OutputError(
                f"{path} is not what the stage '{stage}' wrote (its SHA-256 is another than in {_RECORD}).",
                f"Bring the former file back, or {remedy}.",
            )


def refuse_missing(folder: Path, stages: Mapping[str, Any], only: Iterable[str] | None = None) -> None:
    """Refuse a run with files missing that finished stages wrote (those of ``only``; default: of all).

    Raises
    ------
    OutputError
        Naming the files and what to do.
    """
    for stage, names in missing_files(folder, stages).items():
        if only is None or stage in only:
            again = "Run again with --force" if stage == "compile" else f"`kgreg report {folder}` makes them again"
            raise OutputError(
                f"{', '.join(str(folder / name) for name in names)}: missing; the stage '{stage}' had written it.",
                f"{again}, or bring the files back.",
            )


def _recorded(stages: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield stage, file and SHA-256; runs of former versions have none."""
    for stage, entry in stages.items():
        for name, digest in entry.get("files", {}).items():
            yield stage, name, digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
