"""The bundled snapshot is what its manifests say, and nothing altered is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kgreg.errors import SourceError
from kgreg.resources import resource_dir
from kgreg.sources import snapshot
from kgreg.sources.snapshot import read_manifest, read_table

NAMES = ["go", "genes_human", "goa_human", "reactome"]


@pytest.fixture
def altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the Reactome folder that the reader takes for the snapshot; Reactome has the smallest tables."""
    shutil.copytree(resource_dir("ontologies") / "reactome", tmp_path / "reactome")
    monkeypatch.setattr(snapshot, "resource_dir", lambda name: tmp_path)
    return tmp_path / "reactome"


def rewrite_manifest(folder: Path, table: str, **entries: object) -> None:
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["tables"][table].update(entries)
    file.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_those_of_the_manifest(name: str) -> None:
    manifest = read_manifest(name)
    assert manifest["licence"]
    assert manifest["release"]
    for table, entry in manifest["tables"].items():
        rows = read_table(name, table)
        assert rows.num_rows == entry["rows"]
        assert rows.column_names == entry["columns"]
        assert (resource_dir("ontologies") / name / entry["file"]).stat().st_size == entry["bytes"]


@pytest.mark.parametrize(
    ("name", "table", "rows"),
    [
        ("go", "terms", 43_559),
        ("go", "relations", 85_716),
        ("genes_human", "genes", 77_614),
        ("goa_human", "annotations", 348_116),
        ("reactome", "pathways", 2_751),
        ("reactome", "members", 51_056),
    ],
)
def test_the_releases_have_their_known_sizes(name: str, table: str, rows: int) -> None:
    assert read_table(name, table).num_rows == rows


def test_the_snapshot_stays_small() -> None:
    files = [file for file in resource_dir("ontologies").rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sum(file.stat().st_size for file in files) < 8_000_000


def test_an_altered_file_is_refused(altered: Path) -> None:
    file = altered / "pathways.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"SHA-256 of .*pathways\.parquet \(table reactome/pathways\)") as caught:
        read_table("reactome", "pathways")
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert caught.value.hint


def test_a_wrong_row_count_is_refused(altered: Path) -> None:
    rewrite_manifest(altered, "relations", rows=2_770)
    with pytest.raises(SourceError, match=r"row count .*reactome/relations.* says 2770, found 2769"):
        read_table("reactome", "relations")


def test_a_table_with_rows_missing_is_refused_even_if_its_sha_was_updated(altered: Path) -> None:
    file = altered / "relations.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    rewrite_manifest(altered, "relations", sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(SourceError, match=r"row count .*says 2769, found 2768"):
        read_table("reactome", "relations")


def test_missing_and_broken_files_are_named(altered: Path) -> None:
    (altered / "members.parquet").unlink()
    with pytest.raises(SourceError, match=r"reactome/members cannot be read from .*members\.parquet"):
        read_table("reactome", "members")
    with pytest.raises(SourceError, match="no table 'proteins'") as caught:
        read_table("reactome", "proteins")
    assert "pathways" in caught.value.hint
    (altered / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"manifest\.json cannot be read"):
        read_table("reactome", "members")
    with pytest.raises(SourceError, match="no manifest for 'nope'"):
        read_manifest("nope")


@pytest.mark.slow
def test_rebuilding_gives_the_same_bytes() -> None:
    packages = os.environ.get("KGREG_SNAPSHOT_PACKAGES")
    if not packages:
        pytest.skip("KGREG_SNAPSHOT_PACKAGES does not name a folder with the .deb and .whl files")
    script = resource_dir("ontologies") / "build_snapshot.py"
    command = [sys.executable, str(script), "--from-dir", packages, "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
