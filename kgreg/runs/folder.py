"""The folder of one run: who may write into it, and which stages are finished."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kgreg import __version__
from kgreg.disk import replace_text
from kgreg.errors import OutputError
from kgreg.runs.integrity import hash_files, missing_files, refuse_altered, refuse_missing

RECORD = "run.json"
FORMAT_VERSION = 1


class RunFolder:
    """A folder that holds ``run.json``: version, command, machine, and when each stage was finished."""

    def __init__(self, path: Path) -> None:
        """Open an existing run.

        Raises
        ------
        OutputError
            If there is no run in ``path``, or it was written by a later version.
        """
        self.path = path
        record = _read_record(path)
        if record is None:
            raise OutputError(f"{path} holds no run of kgreg.", "Give the folder that `kgreg run` or `compile` wrote.")
        if record.get("format") != FORMAT_VERSION:
            raise OutputError(
                f"{path}/{RECORD} has format {record.get('format')}; this version reads {FORMAT_VERSION}."
            )
        self.record = record

    @classmethod
    def create(cls, path: Path, *, force: bool, about: dict[str, Any]) -> RunFolder:
        """Start a new run in ``path``; what :func:`check_output` allows to be replaced is removed.

        Raises
        ------
        OutputError
            See :func:`check_output`.
        """
        check_output(path, force=force)
        if path.is_dir():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        record = {"format": FORMAT_VERSION, "kgreg": __version__, **about, "stages": {}}
        write_json(path / RECORD, record)
        return cls(path)

    def finished(self, stage: str) -> bool:
        """Say whether a stage was finished."""
        return stage in self.record["stages"]

    def finish(self, stage: str, seconds: float) -> None:
        """Write down that a stage is finished, with the SHA-256 of the files that it wrote."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        files = hash_files(self.path, stage, self.record["stages"])
        entry = {"finished": now, "seconds": round(seconds, 2)}
        self.record["stages"][stage] = {**entry, "files": files} if files else entry
        write_json(self.path / RECORD, self.record)

    def rewrote(self, stage: str) -> None:
        """Write down that the files of a finished stage were replaced, or joined by others, on purpose."""
        self.record["stages"][stage]["files"] = hash_files(self.path, stage, self.record["stages"])
        write_json(self.path / RECORD, self.record)

    def check(self) -> None:
        """Refuse a run with files that are missing or altered.

        Raises
        ------
        OutputError
            Naming the file and what to do.
        """
        refuse_missing(self.path, self.record["stages"])
        refuse_altered(self.path, self.record["stages"])

    def forget_incomplete(self) -> list[str]:
        """Write down that stages with missing files must be done again; return them.

        Raises
        ------
        OutputError
            If a file was altered, or one is missing that only a new run can make.
        """
        refuse_altered(self.path, self.record["stages"])
        refuse_missing(self.path, self.record["stages"], ["compile"])
        gone = list(missing_files(self.path, self.record["stages"]))
        if gone:
            self.forget(*gone)
        return gone

    def forget(self, *stages: str) -> None:
        """Write down that stages must be done again."""
        for stage in stages:
            self.record["stages"].pop(stage, None)
        write_json(self.path / RECORD, self.record)

    @property
    def seconds(self) -> float:
        """Time that the finished stages took."""
        return float(sum(stage["seconds"] for stage in self.record["stages"].values()))


def check_output(path: Path, *, force: bool) -> None:
    """Refuse a folder that cannot take a new run, before any work is done.

    Raises
    ------
    OutputError
        If ``path`` is a file, holds a run (unless ``force``), holds anything else (even with ``force``), or cannot be
        written.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file, not a folder.", "Choose another output folder.")
    if path.is_dir() and _read_record(path) is not None:
        if not force:
            raise OutputError(
                f"{path} already holds a run.",
                "Continue it with --resume, replace it with --force, or choose another folder with --output.",
            )
    elif path.is_dir() and any(path.iterdir()):
        raise OutputError(
            f"{path} is not empty and holds no run of kgreg; nothing in it was touched.", "Choose another folder."
        )
    _refuse_unwritable(path)


def _refuse_unwritable(path: Path) -> None:
    nearest = path
    while not nearest.exists():
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder with --output."
        ) from None


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "kgreg" in record else None


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole or not at all; a number that JSON has no word for becomes null."""
    replace_text(path, json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Return ``value`` with null for every number that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises
    ------
    OutputError
        If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}", "Finish the stage before, or run again.") from error
