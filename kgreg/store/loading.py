"""Loading sources into an embedded store, so that a crash leaves either the old store or the new one.

Everything is written into ``<path>.loading``, marked as complete, flushed to disk, and renamed onto ``path``.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ladybug
import pyarrow as pa
import pyarrow.compute as pc

from kgreg.disk import flush
from kgreg.errors import SourceError, StoreError
from kgreg.progress import Progress, no_progress
from kgreg.resources import resource_dir
from kgreg.sources import SOURCES, SourceTables, find_source, read_source
from kgreg.store.changes import Changes
from kgreg.store.ladybug import MARKER, SCHEMA_VERSION, LadybugStore, loading_path, open_database, run_statement
from kgreg.store.locking import write_lock
from kgreg.store.updating import linkable, update_source

log = logging.getLogger(__name__)

#: Called with what a new release of a source changed.
OnChanges = Callable[[Changes], None]


def log_changes(changes: Changes) -> None:
    """Log what a new release changed."""
    for what, label, count, ids in changes.summary():
        log.info("%s, %s -> %s: %s %d %s %s", changes.source, changes.before, changes.after, what, count, label, ids)


# The share of the work that is over once the sources are read, and once they are copied.
_READ, _COPIED = 0.15, 0.95

# How a database file of Ladybug begins, and what it may keep beside the file.
_MAGIC = b"LBUG"
_SIDE_FILES = (".wal", ".shadow", ".tmp")


def load(
    path: str | Path,
    sources: Sequence[str | SourceTables] | None = None,
    progress: Progress = no_progress,
    force: bool = False,
    on_changes: OnChanges = log_changes,
) -> dict[str, int]:
    """Load sources into the store at ``path`` and return its counts by label and relation type.

    A source brings those its relations refer to along, from the bundled snapshot unless the store holds them. Sources
    that the store holds at the same release are left as they are. Missing ones are added, and those of another release
    replaced, in a copy of the store which then takes its place: nodes that stay keep what other sources, and you,
    attached to them. With ``force`` the store is written anew from what is bundled and given.

    Parameters
    ----------
    path
        The database file; its folder is made.
    sources
        Names of ``kgreg.sources.SOURCES``, or tables read from official files; everything bundled by default.
    progress
        Called as the work goes on.
    force
        Write the store anew even if nothing seems to be missing, or if what lies at ``path`` is damaged.
    on_changes
        Called for every source that was replaced by another release; by default the difference is logged.

    Raises
    ------
    SourceError
        If a source is unknown, or its data are damaged.
    StoreError
        If ``path`` cannot be written, holds something that is no store, or another process writes to it.
    """
    target = Path(path).expanduser().absolute()
    asked = list(SOURCES) if sources is None else list(sources)
    given = {one.provenance.source: one for one in asked if isinstance(one, SourceTables)}
    named = [one for one in asked if isinstance(one, str)]
    with_requirements(named)  # an unknown name is refused before anything is made
    with _readable_errors(target), ExitStack() as stack:
        target.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(write_lock(target))
        _remove(loading_path(target))
        present = _settle(target, force)
        needed = [name for one in given if one in SOURCES for name in SOURCES[one].requires]
        kept = [name for name in present if name in SOURCES] if force else []
        wanted = [name for name in with_requirements([*named, *needed, *kept]) if name not in given]
        if force:
            present = {}
        release = {name: find_source(name).provenance().release for name in wanted}
        release |= {name: tables.provenance.release for name, tables in given.items()}
        # A source that is only required may be there in any release: the bundled one was not asked for.
        asked_for = {*named, *given}
        work = [
            name
            for name in dict.fromkeys((*SOURCES, *given))
            if name in release and (name not in present or (name in asked_for and present[name] != release[name]))
        ]
        if not work:
            progress(f"already loaded: {', '.join(release)}", 1.0)
            with LadybugStore(target) as store:
                return store.counts()
        return _build(target, work, given, present, progress, on_changes)


def _build(
    target: Path,
    names: list[str],
    given: Mapping[str, SourceTables],
    present: Mapping[str, str],
    progress: Progress,
    on_changes: OnChanges,
) -> dict[str, int]:
    """Write the store aside and put it in place; remove what was written if anything goes wrong."""
    aside = loading_path(target)
    try:
        read: list[SourceTables] = []
        for i, name in enumerate(names):
            progress(f"reading {name}", _READ * i / len(names))
            read.append(given[name] if name in given else read_source(name))
        if present:
            shutil.copyfile(target, aside)
        database = open_database(aside, read_only=False)
        try:
            connection = ladybug.Connection(database)
            try:
                changes = _write(connection, read, given, present, progress)
            finally:
                connection.close()
        finally:
            database.close()
        progress("finishing", _COPIED)
        flush(aside)
        # Only a damaged store still has files beside it here; a new one must not meet them.
        for file in _beside(target):
            file.unlink(missing_ok=True)
        os.replace(aside, target)
        flush(target.parent)
    except BaseException:
        _remove(aside)
        raise
    for change in changes:
        on_changes(change)
    with LadybugStore(target) as store:
        counts = store.counts()
    progress(f"loaded: {', '.join(names)}", 1.0)
    return counts


def _write(
    connection: ladybug.Connection,
    read: list[SourceTables],
    given: Mapping[str, SourceTables],
    present: Mapping[str, str],
    progress: Progress,
) -> list[Changes]:
    """Write the tables of all sources, then what was loaded, then the mark of completeness; return what changed."""
    connection.execute((resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8"))
    if present:
        connection.execute(f"MATCH (s:{MARKER}) DELETE s")
        connection.execute("CHECKPOINT")
    total = max(1, sum(tables.rows for tables in read))
    done = 0
    changes = []
    for tables in read:
        name = tables.provenance.source

        def report(text: str, rows: int, name: str = name) -> None:
            progress(f"loading {name}: {text}", _READ + (_COPIED - _READ) * rows / total)

        if name in present:
            report("comparing with the release before", done)
            changes.append(update_source(connection, tables, present[name]))
            done += tables.rows
        else:
            for label, nodes in tables.nodes.items():
                report(f"{nodes.num_rows:,} {label}", done)
                _copy(connection, name, label, _not_there_yet(connection, label, nodes))
                done += nodes.num_rows
            for kind, relations in tables.relations.items():
                report(f"{relations.num_rows:,} {kind}", done)
                # What is bundled fits together; files of several makers and dates seldom do altogether.
                fitting = linkable(connection, name, kind, relations) if name in given else relations
                _copy(connection, name, kind, fitting)
                done += relations.num_rows
        for what, count in tables.provenance.dropped.items():
            log.info("%s: %d %s", name, count, what)
    for tables in read:
        _write_source(connection, tables)
    connection.execute("CHECKPOINT")
    connection.execute(f"CREATE (:{MARKER} {{id: 'kgreg', schema: $schema}})", {"schema": SCHEMA_VERSION})
    connection.execute("CHECKPOINT")
    return changes


def _write_source(connection: ladybug.Connection, tables: SourceTables) -> None:
    origin = tables.provenance
    connection.execute("MATCH (s:Source) WHERE s.id = $id DELETE s", {"id": origin.source})
    connection.execute(
        "CREATE (:Source {id: $id, title: $title, release: $release, date: $date, licence: $licence, url: $url,"
        " rows: $rows})",
        {
            "id": origin.source,
            "title": origin.title,
            "release": origin.release,
            "date": origin.date,
            "licence": origin.licence,
            "url": origin.url,
            "rows": tables.rows,
        },
    )


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


def with_requirements(names: Iterable[str]) -> list[str]:
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
