"""Loading sources into an embedded store, so that a crash leaves either the old store or the new one.

Everything is written into ``<path>.loading``, marked as complete, flushed to disk, and renamed onto ``path``.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ladybug
import pyarrow as pa
import pyarrow.compute as pc

from kgreg.errors import SourceError, StoreError
from kgreg.resources import resource_dir
from kgreg.sources import SOURCES, SourceTables, find_source, read_source
from kgreg.store.ladybug import MARKER, SCHEMA_VERSION, LadybugStore, loading_path, open_database, run_statement
from kgreg.store.locking import write_lock

log = logging.getLogger(__name__)

#: Called with (what is being done, share done from 0 to 1).
Progress = Callable[[str, float], None]

# The share of the work that is over once the sources are read, and once they are copied.
_READ, _COPIED = 0.15, 0.95

# How a database file of Ladybug begins, and what it may keep beside the file.
_MAGIC = b"LBUG"
_SIDE_FILES = (".wal", ".shadow", ".tmp")


def load(
    path: str | Path,
    sources: Sequence[str] | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> dict[str, int]:
    """Load sources into the store at ``path`` and return its counts by label and relation type.

    A source brings those its relations refer to along. Sources that the store holds at the same release are left as
    they are; missing ones are added to a copy of the store, which then takes its place. When a release differs, or
    with ``force``, the store is written anew with all the sources it held and those asked for.

    Parameters
    ----------
    path
        The database file; its folder is made.
    sources
        Names of ``kgreg.sources.SOURCES``; all of them by default.
    progress
        Called with (what is being done, share done from 0 to 1).
    force
        Write the store anew even if nothing seems to be missing, or if what lies at ``path`` is damaged.

    Raises
    ------
    SourceError
        If a source is unknown, or its data are damaged.
    StoreError
        If ``path`` cannot be written, holds something that is no store, or another process writes to it.
    """
    target = Path(path).expanduser().absolute()
    report = progress or _no_progress
    wanted = _with_requirements(SOURCES if sources is None else sources)
    with _readable_errors(target), ExitStack() as stack:
        target.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(write_lock(target))
        _remove(loading_path(target))
        present = _settle(target, force)
        stale = [name for name in present if name in SOURCES and present[name] != SOURCES[name].provenance().release]
        if not force and not stale and present.keys() >= set(wanted):
            report(f"already loaded: {', '.join(wanted)}", 1.0)
            with LadybugStore(target) as store:
                return store.counts()
        anew = force or bool(stale) or not present
        names = _with_requirements([*present, *wanted]) if anew else [n for n in wanted if n not in present]
        return _build(target, names, anew, report)


def _build(target: Path, names: list[str], anew: bool, report: Progress) -> dict[str, int]:
    """Write the store aside and put it in place; remove what was written if anything goes wrong."""
    aside = loading_path(target)
    try:
        read: list[tuple[str, SourceTables]] = []
        for i, name in enumerate(names):
            report(f"reading {name}", _READ * i / len(names))
            read.append((name, read_source(name)))
        if not anew:
            shutil.copyfile(target, aside)
        database = open_database(aside, read_only=False)
        try:
            connection = ladybug.Connection(database)
            try:
                _write(connection, read, anew, report)
            finally:
                connection.close()
        finally:
            database.close()
        report("finishing", _COPIED)
        _flush(aside)
        # Only a damaged store still has files beside it here; a new one must not meet them.
        for file in _beside(target):
            file.unlink(missing_ok=True)
        os.replace(aside, target)
        _flush(target.parent)
    except BaseException:
        _remove(aside)
        raise
    with LadybugStore(target) as store:
        counts = store.counts()
    report(f"loaded: {', '.join(names)}", 1.0)
    return counts


def _write(connection: ladybug.Connection, read: list[tuple[str, SourceTables]], anew: bool, report: Progress) -> None:
    """Write the tables of all sources, then what was loaded, then the mark of completeness."""
    if anew:
        connection.execute((resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8"))
    else:
        connection.execute(f"MATCH (s:{MARKER}) DELETE s")
        connection.execute("CHECKPOINT")
    total = max(1, sum(tables.rows for _, tables in read))
    done = 0
    for name, tables in read:
        for label, nodes in tables.nodes.items():
            report(f"loading {name}: {nodes.num_rows:,} {label}", _READ + (_COPIED - _READ) * done / total)
            _copy(connection, name, label, _not_there_yet(connection, label, nodes))
            done += nodes.num_rows
        for kind, relations in tables.relations.items():
            report(f"loading {name}: {relations.num_rows:,} {kind}", _READ + (_COPIED - _READ) * done / total)
            _copy(connection, name, kind, relations)
            done += relations.num_rows
        for what, count in tables.provenance.dropped.items():
            log.info("%s: %d %s", name, count, what)
    for name, tables in read:
        origin = tables.provenance
        connection.execute(
            "CREATE (:Source {id: $id, title: $title, release: $release, date: $date, licence: $licence, url: $url,"
            " rows: $rows})",
            {
                "id": name,
                "title": origin.title,
                "release": origin.release,
                "date": origin.date,
                "licence": origin.licence,
                "url": origin.url,
                "rows": tables.rows,
            },
        )
    connection.execute("CHECKPOINT")
    connection.execute(f"CREATE (:{MARKER} {{id: 'kgreg', schema: $schema}})", {"schema": SCHEMA_VERSION})
    connection.execute("CHECKPOINT")


def _copy(connection: ladybug.Connection, source: str, table: str, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    try:
        connection.execute(f"COPY {table} FROM $rows", {"rows": rows})
    except RuntimeError as error:
        if not str(error).startswith("Copy exception"):  # a full disk, say, is no fault of the source
            raise
        raise SourceError(
            f"The rows of {source} for {table} do not fit the graph: {str(error).strip()}",
            "A relation names a node that no source brings, or a node comes twice; check the source's tables.",
        ) from None


def _not_there_yet(connection: ladybug.Connection, label: str, nodes: pa.Table) -> pa.Table:
    """Return the nodes that no source loaded before brought."""
    there = run_statement(connection, f"MATCH (n:{label}) RETURN n.id AS id")["id"].cast(pa.string())
    return nodes.filter(pc.invert(pc.is_in(nodes["id"], value_set=there))) if len(there) else nodes


def _settle(target: Path, force: bool) -> dict[str, str]:
    """Return the sources (name -> release) of the store at ``target``; none if there is no store.

    Statements that a crashed writer left in the side file are folded into the store, for a copy takes one file only.
    """
    if not target.exists():
        return {}
    if target.is_file():
        with target.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start not in (b"", _MAGIC):  # not even with force: it may be somebody's data
            raise StoreError(
                f"{target} exists and is not a store; it is left alone.", "Give another path, or move the file away."
            )
    logged = any(file.exists() for file in _beside(target))
    try:
        # Opened for writing, because that fails while another process writes to it.
        with LadybugStore(target, read_only=False) as store:
            if not logged:  # nothing to fold in: let the file be, to the last byte
                store.query("CALL force_checkpoint_on_close=false")
            rows = store.sources().to_pylist()
        return {row["name"]: row["release"] for row in rows}
    except StoreError:
        if not force:
            raise
        log.warning("What lies at %s cannot be read and is replaced.", target)
        return {}


def _with_requirements(names: Iterable[str]) -> list[str]:
    """Return the sources and those they refer to, in the order of loading."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += find_source(name).requires
    return [name for name in SOURCES if name in needed]


def _remove(file: Path) -> None:
    """Remove a database and the files beside it."""
    for one in (file, *_beside(file)):
        one.unlink(missing_ok=True)


def _beside(file: Path) -> list[Path]:
    return [file.with_name(file.name + suffix) for suffix in _SIDE_FILES]


def _flush(path: Path) -> None:
    """Wait until a file or a folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot flush folders
        log.debug("%s cannot be flushed: %s", path, error)
    finally:
        os.close(descriptor)


@contextmanager
def _readable_errors(target: Path) -> Iterator[None]:
    """Turn what the file system and the database say into a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The store {target} cannot be written: {error.strerror or error}.",
            "Choose a folder that you may write to and that has 200 MB to spare.",
        ) from error
    except RuntimeError as error:
        raise StoreError(
            f"Loading into {target} failed: {str(error).strip()}", "What was there before is untouched."
        ) from error


def _no_progress(text: str, share: float) -> None:
    """Take no notice."""
