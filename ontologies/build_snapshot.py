"""Build the bundled snapshot: compressed Parquet tables of GO, human genes, GO annotations and Reactome.

Runs on Debian (or anything with ``apt-get`` and ``dpkg-deb``) and needs nothing beyond kgreg's own dependencies::

    python ontologies/build_snapshot.py                      # fetch the packages, rewrite ontologies/
    python ontologies/build_snapshot.py --from-dir DIR       # the .deb and .whl files already lie in DIR
    python ontologies/build_snapshot.py --from-dir DIR --check   # rebuild aside and compare with what is here

The same packages and the same pyarrow give the same bytes: rows are sorted by all columns and no date is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GO_PACKAGE = "r-bioc-go.db"
GENES_PACKAGE = "r-bioc-org.hs.eg.db"
REACTOME_PACKAGE = "binn"
REACTOME_VERSION = "0.1.1"

GO_SQLITE = "usr/lib/R/site-library/GO.db/extdata/GO.sqlite"
GENES_SQLITE = "usr/lib/R/site-library/org.Hs.eg.db/extdata/org.Hs.eg.sqlite"
REACTOME_FOLDER = "binn/data/downloads"
REACTOME_FILES = {
    "names": "reactome_pathways_names_2025_01_21.txt",
    "relations": "reactome_pathways_relation_2025_01_14.txt",
    "members": "uniprot_2_reactome_2025_01_14.txt",
}

GO_RELATIONS = {
    "isa": "is_a",
    "part of": "part_of",
    "regulates": "regulates",
    "positively regulates": "positively_regulates",
    "negatively regulates": "negatively_regulates",
}
GO_NAMESPACE = "CASE ontology WHEN 'BP' THEN 'biological_process' WHEN 'MF' THEN 'molecular_function' \
WHEN 'CC' THEN 'cellular_component' ELSE ontology END"


@dataclass(frozen=True)
class Package:
    """One downloaded package file and the folder it was unpacked into."""

    name: str
    version: str
    file: Path
    root: Path

    def record(self) -> dict[str, str]:
        """Return what the manifest says about the package."""
        return {"name": self.name, "version": self.version, "file": self.file.name, "sha256": sha256(self.file)}


@dataclass
class Source:
    """One folder of the snapshot: what its manifest says, and its tables."""

    name: str
    about: dict[str, Any]
    packages: list[Package]
    tables: dict[str, pa.Table] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sorted_table(columns: list[str], rows: Iterable[tuple[str | None, ...]]) -> pa.Table:
    """Make a table of strings whose rows are distinct and sorted by all columns (null first)."""
    ordered = sorted(set(rows), key=lambda row: tuple(value or "" for value in row))
    values = zip(*ordered, strict=True) if ordered else ([] for _ in columns)
    return pa.table({name: pa.array(list(v), pa.string()) for name, v in zip(columns, values, strict=True)})


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Run one SELECT on an SQLite file, read-only."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(sql).fetchall()


# --- the packages ---------------------------------------------------------------------------------------------------


def download_packages(folder: Path) -> None:
    """Fetch the three packages into ``folder`` with apt-get and pip."""
    subprocess.run(["apt-get", "download", GO_PACKAGE, GENES_PACKAGE], cwd=folder, check=True)
    requirement = f"{REACTOME_PACKAGE}=={REACTOME_VERSION}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", requirement]
    subprocess.run(pip, cwd=folder, check=True)


def find_one(folder: Path, pattern: str) -> Path:
    """Return the only file that matches ``pattern``; exit with a message otherwise."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder}: expected one file {pattern}, found {[f.name for f in found]}")
    return found[0]


def unpack_deb(folder: Path, name: str, into: Path) -> Package:
    """Unpack the Debian package ``name`` found in ``folder``."""
    file = find_one(folder, f"{name}_*.deb")
    root = into / name
    subprocess.run(["dpkg-deb", "-x", file, root], check=True)
    version = subprocess.run(["dpkg-deb", "-f", file, "Version"], check=True, capture_output=True, text=True)
    return Package(name, version.stdout.strip(), file, root)


def unpack_wheel(folder: Path, name: str, into: Path) -> Package:
    """Unpack the wheel ``name`` found in ``folder``."""
    file = find_one(folder, f"{name}-*.whl")
    root = into / name
    with zipfile.ZipFile(file) as archive:
        archive.extractall(root)
    return Package(name, file.name.split("-")[1], file, root)


# --- the tables -----------------------------------------------------------------------------------------------------


def build_go(go: Package) -> Source:
    """Make the tables of the whole Gene Ontology from GO.db."""
    db = go.root / GO_SQLITE
    facts = dict(query(db, "SELECT name, value FROM metadata"))
    terms = query(db, f"SELECT go_id, term, {GO_NAMESPACE}, definition FROM go_term")
    relations: list[tuple[str, str, str]] = []
    for namespace in ("bp", "mf", "cc"):
        relations += [
            (child, parent, GO_RELATIONS[relation])
            for child, parent, relation in query(
                db,
                f"SELECT c.go_id, p.go_id, r.relationship_type FROM go_{namespace}_parents r"
                " JOIN go_term c ON c._id = r._id JOIN go_term p ON p._id = r._parent_id",
            )
        ]
    source = Source(
        "go",
        {
            "title": "Gene Ontology",
            "urls": [facts["GOSOURCEURL"]],
            "release": facts["GOSOURCEDATE"],
            "date": facts["GOSOURCEDATE"],
            "licence": "CC BY 4.0 (Gene Ontology Consortium)",
        },
        [go],
    )
    source.tables["terms"] = sorted_table(["id", "name", "namespace", "definition"], terms)
    source.tables["relations"] = sorted_table(["child", "parent", "relation"], relations)
    source.tables["obsolete"] = sorted_table(
        ["id", "name", "namespace"], query(db, f"SELECT go_id, term, {GO_NAMESPACE} FROM go_obsolete")
    )
    source.tables["alternative_ids"] = sorted_table(
        ["alternative", "id"],
        query(db, "SELECT s.secondary, t.go_id FROM go_synonym s JOIN go_term t USING (_id) WHERE secondary NOT NULL"),
    )
    undefined = sum(1 for row in terms if row[3] is None)
    source.notes += [
        "One of the terms is 'all' (namespace 'universal'), which GO.db puts above the three roots with one is_a each."
        " It is kept, so that the counts are those of GO.db; a query on one of GO's namespaces never meets it.",
        "GO.db keeps relations within one namespace only.",
        f"{undefined} terms have no definition in GO.db and a null here.",
    ]
    return source


def build_genes(genes: Package) -> Source:
    """Make the tables of human genes, their aliases, proteins and Ensembl ids from org.Hs.eg.db."""
    db = genes.root / GENES_SQLITE
    facts = dict(query(db, "SELECT name, value FROM metadata"))
    gene = "'NCBIGene:' || g.gene_id"
    source = Source(
        "genes_human",
        {
            "title": "Human genes of NCBI Gene, with UniProt accessions and Ensembl ids",
            "urls": [facts["EGSOURCEURL"], facts["UPSOURCEURL"], facts["ENSOURCEURL"]],
            "release": facts["EGSOURCEDATE"],
            "date": "2022-09-12",
            "licence": "Public domain (NCBI Gene); UniProt accessions CC BY 4.0 (UniProt Consortium)",
        },
        [genes],
    )
    source.tables["genes"] = sorted_table(
        ["id", "symbol", "name", "type"],
        query(
            db,
            f"SELECT {gene}, i.symbol, i.gene_name, t.gene_type FROM genes g"
            " JOIN gene_info i USING (_id) JOIN genetype t USING (_id)",
        ),
    )
    source.tables["aliases"] = sorted_table(
        ["gene", "alias"],
        query(
            db,
            f"SELECT {gene}, a.alias_symbol FROM alias a JOIN genes g USING (_id) JOIN gene_info i USING (_id)"
            " WHERE a.alias_symbol <> i.symbol",
        ),
    )
    source.tables["proteins"] = sorted_table(
        ["gene", "uniprot"], query(db, f"SELECT {gene}, u.uniprot_id FROM uniprot u JOIN genes g USING (_id)")
    )
    source.tables["ensembl"] = sorted_table(
        ["gene", "ensembl"], query(db, f"SELECT {gene}, e.ensembl_id FROM ensembl e JOIN genes g USING (_id)")
    )
    source.notes += [
        "aliases holds the synonyms only; the official symbol is a column of genes."
        " An alias may belong to several genes.",
        f"UniProt mapping of {facts['UPSOURCEDATE']}, Ensembl mapping of {facts['ENSOURCEDATE']}.",
    ]
    return source


def build_goa(genes: Package) -> Source:
    """Make the table of direct GO annotations of human genes from org.Hs.eg.db."""
    db = genes.root / GENES_SQLITE
    facts = dict(query(db, "SELECT name, value FROM metadata"))
    source = Source(
        "goa_human",
        {
            "title": "Gene Ontology annotations of human genes (NCBI gene2go)",
            "urls": [facts["GOEGSOURCEURL"]],
            "release": facts["GOEGSOURCEDATE"],
            "date": "2022-09-12",
            "licence": "CC BY 4.0 (Gene Ontology Consortium)",
        },
        [genes],
    )
    source.tables["annotations"] = sorted_table(
        ["gene", "term", "evidence"],
        query(db, "SELECT 'NCBIGene:' || g.gene_id, a.go_id, a.evidence FROM go a JOIN genes g USING (_id)"),
    )
    source.notes += [
        "Direct annotations only: nothing is propagated to ancestors.",
        "org.Hs.eg.db has no qualifier column, so whether a row was NOT-qualified in gene2go cannot be told from it.",
    ]
    return source


def human_rows(file: Path, column: int, prefix: str = "R-HSA-") -> Iterator[list[str]]:
    """Yield the fields of the lines of a Reactome text file whose ``column`` holds a human pathway."""
    for line in file.read_text(encoding="utf-8").splitlines():
        fields = [value.strip() for value in line.split("\t")]
        if fields[column].startswith(prefix):
            yield fields


def build_reactome(reactome: Package, proteins: pa.Table, genes: Package) -> Source:
    """Make the tables of human Reactome from the files in the binn wheel, joined to genes through UniProt."""
    folder = reactome.root / REACTOME_FOLDER
    genes_of: dict[str, list[str]] = {}
    for gene, uniprot in zip(proteins["gene"].to_pylist(), proteins["uniprot"].to_pylist(), strict=True):
        genes_of.setdefault(uniprot, []).append(gene)
    source = Source(
        "reactome",
        {
            "title": "Reactome, human pathways",
            "urls": [
                "https://reactome.org/download/current/ReactomePathways.txt",
                "https://reactome.org/download/current/ReactomePathwaysRelation.txt",
                "https://reactome.org/download/current/UniProt2Reactome.txt",
                "https://reactome.org/download-data",
            ],
            "release": "files of 2025-01-14",
            "date": "2025-01-14",
            "licence": "CC0 1.0 (Reactome)",
        },
        [reactome, genes],
    )
    source.tables["pathways"] = sorted_table(
        ["id", "name"], (tuple(row[:2]) for row in human_rows(folder / REACTOME_FILES["names"], 0))
    )
    source.tables["relations"] = sorted_table(
        ["child", "parent"],
        ((child, parent) for parent, child in human_rows(folder / REACTOME_FILES["relations"], 0)),
    )
    members = sorted_table(
        ["uniprot", "pathway", "evidence"],
        ((row[0], row[1], row[4]) for row in human_rows(folder / REACTOME_FILES["members"], 1)),
    )
    # "P12345-2" is isoform 2 of P12345; the gene table knows canonical accessions only.
    linked = [genes_of.get(a) or genes_of.get(a.split("-")[0]) for a in members["uniprot"].to_pylist()]
    source.tables["members"] = members.append_column("genes", pa.array(linked, pa.list_(pa.string())))
    unmapped = {a for a, g in zip(members["uniprot"].to_pylist(), linked, strict=True) if g is None}
    source.about["unmapped"] = {"proteins": len(unmapped), "members": sum(1 for g in linked if g is None)}
    source.notes += [
        "members name the lowest pathways that Reactome gives for a protein; nothing is propagated to ancestors.",
        "genes is null where no NCBI Gene id is known for the accession (see 'unmapped');"
        " isoforms use the genes of their canonical accession.",
        "The files carry no release number; the names are of 2025-01-21, the rest of 2025-01-14.",
    ]
    return source


# --- writing --------------------------------------------------------------------------------------------------------


def write_source(source: Source, output: Path) -> None:
    """Write the tables of one source and its manifest into ``output/<name>``."""
    folder = output / source.name
    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    for name, table in source.tables.items():
        file = folder / f"{name}.parquet"
        pq.write_table(table, file, compression="zstd", compression_level=22, row_group_size=2**20, store_schema=False)
        tables[name] = {
            "file": file.name,
            "rows": table.num_rows,
            "columns": table.column_names,
            "bytes": file.stat().st_size,
            "sha256": sha256(file),
        }
    manifest = {
        "name": source.name,
        **source.about,
        "notes": source.notes,
        "packages": [package.record() for package in source.packages],
        "writer": f"pyarrow {pa.__version__}",
        "tables": tables,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def build(packages: Path, output: Path) -> None:
    """Write every source of the snapshot into ``output`` from the package files in ``packages``."""
    with tempfile.TemporaryDirectory(prefix="kgreg-snapshot-") as scratch:
        into = Path(scratch)
        go = unpack_deb(packages, GO_PACKAGE, into)
        genes = unpack_deb(packages, GENES_PACKAGE, into)
        reactome = unpack_wheel(packages, REACTOME_PACKAGE, into)
        human = build_genes(genes)
        for source in (
            build_go(go),
            human,
            build_goa(genes),
            build_reactome(reactome, human.tables["proteins"], genes),
        ):
            write_source(source, output)


def differences(output: Path, rebuilt: Path) -> list[str]:
    """Say how ``rebuilt`` differs from ``output``, table by table."""
    found = []
    for new_manifest in sorted(rebuilt.glob("*/manifest.json")):
        old_manifest = output / new_manifest.relative_to(rebuilt)
        old, new = (json.loads(m.read_text(encoding="utf-8")) for m in (old_manifest, new_manifest))
        for name, entry in new["tables"].items():
            label, before = f"{new['name']}/{entry['file']}", old["tables"].get(name, {})
            if before.get("sha256") == entry["sha256"] == sha256(old_manifest.parent / entry["file"]):
                continue
            found.append(f"{label}: {before.get('rows')} rows before, {entry['rows']} now; other bytes")
        if old["writer"] != new["writer"]:
            found.append(
                f"{new['name']}: written by {old['writer']}, rebuilt by {new['writer']}; bytes may differ for that"
            )
        if {**old, "tables": 0, "writer": 0} != {**new, "tables": 0, "writer": 0}:
            found.append(f"{new['name']}/manifest.json: another origin or other notes")
    return found


@contextmanager
def package_folder(given: Path | None) -> Iterator[Path]:
    """Yield ``given``, or a temporary folder with the packages freshly downloaded."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="kgreg-packages-") as fresh:
        download_packages(Path(fresh))
        yield Path(fresh)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from-dir", type=Path, help="folder that already holds the .deb and .whl files")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent, help="the ontologies folder")
    parser.add_argument("--check", action="store_true", help="rebuild aside and compare instead of writing")
    options = parser.parse_args()
    with package_folder(options.from_dir) as packages:
        if not options.check:
            build(packages, options.output)
            return 0
        with tempfile.TemporaryDirectory(prefix="kgreg-rebuilt-") as rebuilt:
            build(packages, Path(rebuilt))
            found = differences(options.output, Path(rebuilt))
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print("the snapshot is what the packages give, byte for byte")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
