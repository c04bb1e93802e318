"""The official files of a source -> checked files in the cache, from their addresses or from a folder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.fetch.download import MAX_BYTES, download
from kgreg.fetch.keeping import keep, place_for
from kgreg.fetch.layout import CURRENT, WantedFile, wanted_files
from kgreg.fetch.patience import Patience
from kgreg.fetch.record import Fetched, read_checked, read_record, record_path
from kgreg.fetch.web import MissingUpstreamError
from kgreg.progress import Progress, no_progress
from kgreg.sources.official import OfficialFile

log = logging.getLogger(__name__)


def fetch(
    source_or_files: str | Sequence[OfficialFile],
    *,
    species: str = "human",
    release: str | None = None,
    cache: Path | None = None,
    from_dir: Path | None = None,
    allow_http: bool = False,
    progress: Progress = no_progress,
    force: bool = False,
    roles: Collection[str] | None = None,
    name: str = "files",
    max_bytes: int = MAX_BYTES,
    patience: Patience | None = None,
) -> list[Fetched]:
    """Bring the official files of a source into the cache and return their records, in the order of the source.

    They lie as ``<cache>/<source>/<species>/<release>/<file>``, each with its record ``<file>.json``; the species is
    ``all`` for files that hold every species. Files that are there and unaltered are not fetched again. A file that
    the source can do without is left out where it is not published, with a warning.

    Parameters
    ----------
    source_or_files
        Name of a source with official files (a module of ``kgreg.sources``), or such files.
    species
        Name of ``kgreg.sources.official.TAXA``, or an NCBI taxon.
    release
        The release to fetch; None takes the one that the source names, mostly ``current``.
    cache
        Folder of the cache; :func:`kgreg.fetch.layout.default_cache_path` by default.
    from_dir
        Take the files from this folder, by their official names with or without ``.gz``, and nothing from the network.
        They replace what the cache holds of them. Where a record lies beside a file, the file must fit it.
    allow_http
        Accept addresses that are not https.
    progress
        Called with (what is being done, share of all files from 0 to 1).
    force
        Fetch again what is there already, even if it was altered.
    roles
        Which of the files; all of them by default.
    name
        What the cache calls the source if files are given.
    max_bytes, patience
        As for :func:`kgreg.fetch.download.download`.

    Raises
    ------
    SourceError
        If the source, the species or the release are not known, or a file cannot be had or is not sound.
    OutputError
        If the cache cannot be written.
    """
    wanted = wanted_files(source_or_files, name, species, release, cache, roles)
    folder = from_dir.expanduser().absolute() if from_dir is not None else None
    if folder is None:
        _check_addresses(wanted, species, release)
    elif not folder.is_dir():
        raise SourceError(f"There is no folder {folder}.", "Give the folder that holds the official files.")
    fetched = []
    for i, file in enumerate(wanted):

        def report(text: str, share: float, before: int = i) -> None:
            progress(text, (before + share) / len(wanted))

        if folder is not None:
            found = _take(file, folder, release, max_bytes, report)
        else:
            found = _get(file, allow_http, report, force, max_bytes, patience)
        if found is not None:
            fetched.append(replace(found, role=file.role))
    if not fetched:
        where = f"{folder} holds" if folder is not None else "There is"
        names = ", ".join(file.target.name for file in wanted)
        raise SourceError(f"{where} none of the files {names}.", "Put them into a folder and name it with --from-dir.")
    return fetched


def cached_files(
    source_or_files: str | Sequence[OfficialFile],
    *,
    species: str = "human",
    release: str | None = None,
    cache: Path | None = None,
    roles: Collection[str] | None = None,
    name: str = "files",
) -> list[Fetched]:
    """Return the records of what :func:`fetch` brought, without the network; the parameters are those of ``fetch``.

    Raises
    ------
    SourceError
        If a file that the source needs is not there, or one was altered.
    """
    wanted = wanted_files(source_or_files, name, species, release, cache, roles)
    fetched = []
    for file in wanted:
        found = _cached(file)
        if found is not None:
            fetched.append(replace(found, role=file.role))
        elif file.required:
            raise SourceError(f"{file.target} has not been fetched.", "Run `kgreg fetch` for this source first.")
    return fetched


def _check_addresses(wanted: Sequence[WantedFile], species: str, release: str | None) -> None:
    """See to it, before anything is fetched, that what is asked for is published."""
    for file in wanted:
        if file.required and not file.url and _cached(file) is None:
            raise SourceError(
                f"{file.target.name} has no address for the species '{species}'.",
                "Download it by hand and give its folder with --from-dir.",
            )
    if release not in (None, CURRENT) and all(file.release is None for file in wanted):
        raise SourceError(
            f"The release '{release}' cannot be fetched: the source has one address, for its newest release.",
            "Leave the release out, or download that release by hand and give its folder with --from-dir.",
        )


def _cached(file: WantedFile) -> Fetched | None:
    """Return what the cache holds of a file, under either of its names."""
    for path in file.variants(file.target.parent):
        found = read_checked(path)
        if found is not None:
            return found
    return None


def _get(
    file: WantedFile,
    allow_http: bool,
    report: Progress,
    force: bool,
    max_bytes: int,
    patience: Patience | None,
) -> Fetched | None:
    """Fetch one file, or return None if it can be done without and is not published."""
    other = file.variants(file.target.parent)[1]
    taken = None if force else read_checked(other)
    if taken is not None:
        return taken
    if not file.url:
        return read_checked(file.target)
    try:
        found = download(
            file.url,
            file.target,
            release=file.release,
            max_bytes=max_bytes,
            allow_http=allow_http,
            progress=report,
            force=force,
            patience=patience,
        )
    except MissingUpstreamError as error:
        if file.required:
            raise
        log.warning("%s It is left out.", error.message)
        return None
    _remove(other)
    return found


def _take(file: WantedFile, folder: Path, release: str | None, max_bytes: int, report: Progress) -> Fetched | None:
    """Take one file from a folder into the cache, or return None if it can be done without and is not there."""
    names = file.variants(folder)
    origin = next((path for path in names if path.is_file()), None)
    if origin is None:
        if file.required:
            raise SourceError(
                f"{folder} holds neither {names[0].name} nor {names[1].name}.",
                "Put the file there under its official name.",
            )
        return None
    target = file.target.with_name(origin.name)
    if origin == target:
        raise SourceError(f"{folder} is the cache itself.", "Give the folder that holds the official files.")
    if origin.stat().st_size > max_bytes:
        raise SourceError(f"{origin} is larger than the {max_bytes:,} bytes that are allowed.", "Allow more.")
    beside = read_record(origin)
    with place_for(target, lambda: report(f"waiting for another process that fetches {target.name}", 0.0)):
        report(f"copying {origin.name}", 0.0)
        copy = target.with_name(target.name + ".copy")
        _copy(origin, copy)
        found = keep(
            copy,
            target,
            name=str(origin),
            url=f"from {folder}",
            release=release or file.release or (beside.release if beside else None),
            etag=beside.etag if beside else "",
            last_modified=beside.last_modified if beside else "",
            expected_sha256=beside.sha256 if beside else None,
        )
    _remove(next(path for path in file.variants(file.target.parent) if path != target))
    report(f"{target.name} is taken", 1.0)
    return found


def _copy(origin: Path, copy: Path) -> None:
    try:
        file = origin.open("rb")
    except OSError as error:
        raise SourceError(f"{origin} cannot be read: {error.strerror}.", "Check its permissions.") from error
    try:
        with file, copy.open("wb") as written:
            shutil.copyfileobj(file, written)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def _remove(path: Path) -> None:
    """Remove the same file under its other name, so that the cache holds one."""
    path.unlink(missing_ok=True)
    record_path(path).unlink(missing_ok=True)
