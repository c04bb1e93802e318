"""How long does knowledge take to load, and how much memory?

Each measurement runs in a process of its own, so that its peak memory is its own:

- the bundled snapshot into a new embedded store;
- a file as large as STRING's human network (13.7 million lines, made up), filtered to a score of 700 and loaded;
- the whole Gene Ontology from OBO (written from the snapshot), beside pronto and obonet reading the same file.

Run it with ``python benchmarks/knowledge_store.py [--only NAME] [--lines N]``.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINES = 13_700_000
PROTEINS = 19_600


def load_snapshot(folder: Path) -> None:
    """Load everything that is bundled."""
    from kgreg.store import load

    load(folder / "store.lbug")


def load_links(folder: Path) -> None:
    """Read the made-up STRING file and load it."""
    from kgreg.fetch import read_official_source
    from kgreg.store import load

    tables = read_official_source("string", files={"links": folder / "links.txt.gz"}, options={"min_score": 700})
    counts = load(folder / "links.lbug", [tables])
    print(f"           ({counts['INTERACTS_WITH']:,} interactions kept)", flush=True)


def read_ontology(folder: Path) -> None:
    """Read the OBO with kgreg."""
    from kgreg.sources.obo import read_obo

    read_obo(folder / "go.obo")


def read_with_pronto(folder: Path) -> None:
    """Read the OBO with pronto."""
    import pronto

    pronto.Ontology(str(folder / "go.obo"))


def read_with_obonet(folder: Path) -> None:
    """Read the OBO with obonet."""
    import obonet

    obonet.read_obo(str(folder / "go.obo"))


MEASURED = {
    "snapshot": (load_snapshot, "the bundled snapshot into a new store"),
    "string": (load_links, "a STRING-size file, score >= 700, into a new store"),
    "obo": (read_ontology, "GO from OBO, kgreg (with validation)"),
    "obo-pronto": (read_with_pronto, "GO from OBO, pronto"),
    "obo-obonet": (read_with_obonet, "GO from OBO, obonet"),
}


def write_links(path: Path, lines: int) -> None:
    """Write a file in the format of ``protein.links``, scores spread about as STRING's are."""
    import numpy as np

    rng = np.random.default_rng(0)
    names = np.array([f"9606.ENSP{i:011d}" for i in range(PROTEINS)])
    with gzip.open(path, "wt", encoding="ascii", compresslevel=1) as file:
        file.write("protein1 protein2 combined_score\n")
        for start in range(0, lines, 500_000):
            n = min(500_000, lines - start)
            a, b = names[rng.integers(0, PROTEINS, n)], names[rng.integers(0, PROTEINS, n)]
            score = np.clip(150 + rng.exponential(170, n), 150, 999).astype(int)
            file.writelines(f"{x} {y} {s}\n" for x, y, s in zip(a, b, score, strict=True))


def write_ontology(path: Path) -> None:
    """Write the GO of the snapshot as OBO."""
    from kgreg.sources import read_source

    go = read_source("go")
    parents: dict[str, list[str]] = {}
    for kind, table in go.relations.items():
        for child, parent in zip(table["from"].to_pylist(), table["to"].to_pylist(), strict=True):
            line = f"is_a: {parent}" if kind == "IS_A" else f"relationship: {kind.lower()} {parent}"
            parents.setdefault(child, []).append(line)
    with path.open("w", encoding="utf-8") as file:
        file.write("format-version: 1.2\ndata-version: releases/2022-07-01\nontology: go\n")
        for row in go.nodes["Term"].to_pylist():
            if row["namespace"] == "universal":
                continue
            file.write(f"\n[Term]\nid: {row['id']}\nname: {row['name']}\nnamespace: {row['namespace']}\n")
            if row["definition"]:
                text = row["definition"].replace("\\", "\\\\").replace('"', '\\"')
                file.write(f'def: "{text}" []\n')
            for line in parents.get(row["id"], []):
                if not line.endswith(" all"):
                    file.write(line + "\n")
        for name in ("part_of", "regulates", "positively_regulates", "negatively_regulates"):
            file.write(f"\n[Typedef]\nid: {name}\nname: {name.replace('_', ' ')}\n")


def prepare(name: str, folder: Path, lines: int) -> None:
    """Write the file that a measurement reads, unless it is there."""
    if name.startswith("obo") and not (folder / "go.obo").exists():
        write_ontology(folder / "go.obo")
    if name == "string":
        write_links(folder / "links.txt.gz", lines)


def measure(name: str, folder: Path) -> None:
    """Run one measurement in this process and print its seconds and peak memory."""
    started = time.perf_counter()
    MEASURED[name][0](folder)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:>10}: {seconds:6.1f} s, {peak:6.0f} MB at the peak - {MEASURED[name][1]}", flush=True)


def main() -> None:
    """Prepare the files and run every measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=list(MEASURED))
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--in-folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.only, options.in_folder, options.lines)
        return
    if options.in_folder is not None:
        measure(options.only, options.in_folder)
        return
    names = [options.only] if options.only else list(MEASURED)
    with tempfile.TemporaryDirectory(prefix="kgreg-benchmark-") as scratch:
        for name in names:
            # A process starts with the peak memory of the one that started it: this one does nothing itself.
            command = [sys.executable, __file__, "--only", name, "--in-folder", scratch]
            subprocess.run([*command, "--prepare", "--lines", str(options.lines)], check=True)
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
