"""Importing published projects: what is made of them, and what is refused with which words."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from kgreg.blueprint import load_blueprint
from kgreg.data import read_samples
from kgreg.data.published import FORMATS, Imported, import_dcell, import_drugcell, import_nest, write_import
from kgreg.errors import DataError, KgregError, OutputError
from kgreg.experiment import read_experiment
from tests.data.published_files import CELLS, DRUGS, GENES, LINKS, bits, dcell, drugcell, matrix, nest, write
from tests.sources.shared_data import shared

LAYERS = ["mutation", "cndeletion", "cnamplification"]
MAKERS: dict[str, Callable[[Path], Path]] = {"nest": nest, "drugcell": drugcell, "dcell": dcell}


def said(imported: Imported) -> str:
    return "\n".join(imported.notes)


# ---- the real files --------------------------------------------------------------------------------------------------


def test_the_palbociclib_sample_of_nest() -> None:
    imported = import_nest(shared("nest_palbociclib"))
    assert imported.figures() == {
        **{"genes": 718, "terms": 131, "levels": 8, "roots": 1, "gene_links": 1366, "term_links": 150},
        **{"train": 1316, "test": 333},
    }
    assert imported.notes == []
    assert len(imported.blueprint.inputs) == 3 * 718
    assert imported.samples.obs["cell_line"].nunique() == 934
    assert dict(imported.samples.obs["dataset"].value_counts()) == {"GDSC1": 886, "GDSC2": 763}
    assert imported.experiment["data"]["group"] == "cell_line"
    assert "fingerprint" not in imported.samples.obsm
    mutation = np.loadtxt(shared("nest_palbociclib/cell2mutation.txt"), delimiter=",")
    cells = [line.split()[1] for line in shared("nest_palbociclib/cell2ind.txt").read_text().splitlines()]
    rows = [cells.index(cell) for cell in imported.samples.obs["cell_line"]]
    np.testing.assert_array_equal(imported.samples.layers["mutation"].toarray(), mutation[rows])


def test_the_dna_repair_sample_of_dcell() -> None:
    imported = import_dcell(shared("dcell_dna_repair"))
    assert imported.figures() == {
        **{"genes": 162, "terms": 21, "levels": 5, "roots": 1, "gene_links": 215, "term_links": 25},
        **{"train": 8783, "test": 2868},
    }
    assert imported.notes == []
    assert len(imported.blueprint.gene_sets()["GO:0006302"]) == 69
    assert (imported.samples.layers["knockout"].sum(axis=1) == 2).all()


# ---- what is made ----------------------------------------------------------------------------------------------------


def test_nest_has_three_layers_a_gene(tmp_path: Path) -> None:
    imported = import_nest(nest(tmp_path))
    adata, blueprint = imported.samples, imported.blueprint
    assert adata.obs["cell_line"].tolist() == [*CELLS[:3], *CELLS[:2], *CELLS[3:]]
    assert adata.obs["tissue"].tolist()[:3] == ["LUNG", "URINARY_TRACT", "unknown"]
    assert adata.obs["split"].tolist() == ["train"] * 5 + ["test"] * 2
    assert adata.obs["AUC"].tolist()[:2] == [0.5, 0.6]
    assert adata.obs_names[3] == "training_data.txt:4"
    for seed, layer in enumerate(LAYERS, 1):
        assert sparse.issparse(adata.layers[layer])
        assert adata.layers[layer].dtype == np.uint8
        np.testing.assert_array_equal(adata.layers[layer].toarray()[3], bits(5, 5, seed)[0])
    assert blueprint.genes["id"].tolist() == GENES
    assert blueprint.inputs["modality"].tolist() == LAYERS * 5
    found = set(blueprint.edges[["target", "source", "relation"]].itertuples(index=False, name=None))
    assert found == set(LINKS)
    assert imported.notes == []


def test_drugcell_has_fingerprints_and_its_validation_part_trains(tmp_path: Path) -> None:
    imported = import_drugcell(drugcell(tmp_path))
    adata = imported.samples
    np.testing.assert_array_equal(adata.obsm["fingerprint"].toarray()[[0, 5, 10]], bits(3, 16, 4))
    assert adata.obs["split"].tolist() == ["train"] * 10 + ["test"] * 5
    assert adata.obs["part"].tolist() == ["train"] * 5 + ["val"] * 5 + ["test"] * 5
    assert imported.experiment["data"]["blocks"] == ["fingerprint"]
    assert "group" not in imported.experiment["data"]
    assert "dataset" not in adata.obs
    assert "5 of 5 values of 'cell_line' have samples in both parts" in said(imported)
    assert "5 validation samples train" in said(imported)


@pytest.mark.parametrize("maker", [nest, drugcell])
def test_fingerprints_of_several_drugs_are_computed_where_no_file_has_them(
    tmp_path: Path, maker: Callable[[Path], Path]
) -> None:
    pytest.importorskip("rdkit")
    folder = maker(tmp_path)
    (folder / "drug2fingerprint.txt").unlink(missing_ok=True)
    if maker is nest:
        write(folder, "training_data.txt", [(CELLS[i], drug, 0.1) for i, drug in enumerate(DRUGS)])
    imported = FORMATS[maker.__name__](folder)
    prints = imported.samples.obsm["fingerprint"]
    assert prints.shape == (imported.samples.n_obs, 2048)
    assert len({tuple(row) for row in prints.toarray().tolist()}) == 3
    assert "3 Morgan fingerprints" in said(imported)


def test_a_structure_that_is_none_is_named_by_file_and_line(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    write(nest(tmp_path), "training_data.txt", [(CELLS[0], "CCO", 0.1), (CELLS[1], "C1CC", 0.2)])
    with pytest.raises(DataError, match=r"training_data\.txt, line 2: 'C1CC' is not a SMILES"):
        import_nest(tmp_path)


def test_dcell_has_one_row_a_strain(tmp_path: Path) -> None:
    imported = import_dcell(dcell(tmp_path))
    adata = imported.samples
    assert adata.obs["strain"].tolist()[:4] == ["YA+YB", "YC", "YD+YE", "YA+YC+YE"]
    assert adata.obs["phenotype"].tolist() == [0.5, -0.25, 0.01, 0.1, 0.2, 0.3]
    deleted = [set(adata.var_names[row > 0]) for row in adata.layers["knockout"].toarray()]
    assert ["+".join(sorted(genes)) for genes in deleted] == adata.obs["strain"].tolist()
    assert imported.notes == []
    assert {term: sorted(genes) for term, genes in imported.blueprint.gene_sets().items()} == {
        **{"GO:1": ["YA", "YB", "YC", "YD", "YE"], "GO:2": ["YB", "YC"], "GO:3": ["YC", "YD", "YE"]}
    }


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_is_written_can_be_read_and_run(name: str, tmp_path: Path) -> None:
    imported = FORMATS[name](MAKERS[name](tmp_path / "in"))
    path = write_import(imported, tmp_path / "out")
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["blueprint", "data.h5ad", "experiment.toml"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "out"]
    assert load_blueprint(tmp_path / "out" / "blueprint").content_hash() == imported.blueprint.content_hash()
    experiment = read_experiment(path)
    section = experiment.data
    samples = read_samples(
        section.file, section.label, layer=section.layers or section.layer, task=section.task, split=section.split
    )
    assert len(samples) == imported.samples.n_obs
    assert samples.task == "regression"
    assert sparse.issparse(samples.x)
    for note in imported.notes:
        assert f"# {note}\n" in path.read_text()


# ---- said, and not left out in silence -------------------------------------------------------------------------------


def test_genes_that_only_one_side_knows_are_listed(tmp_path: Path) -> None:
    links = [*LINKS[:-1], ("ROOT", "BRCA9", "gene"), ("NEW", "BRCA9", "gene")]
    write(nest(tmp_path), "ontology.txt", links)
    imported = import_nest(tmp_path)
    assert "ontology.txt: 1 genes are not in gene2ind.txt and are left out: BRCA9 (line 7)" in imported.notes
    assert "gene2ind.txt: 1 genes belong to no term and feed nothing: TP53" in imported.notes
    assert "ontology.txt: 1 terms hold no gene of the data and are left out: NEW" in imported.notes
    assert imported.samples.var_names.tolist() == GENES


def test_several_roots_and_components_are_counted(tmp_path: Path) -> None:
    write(nest(tmp_path), "ontology.txt", [*LINKS[2:], ("GROWTH", "EGFR", "gene")])
    notes = said(import_nest(tmp_path))
    assert "3 roots, 3 components: all roots are read (CYCLE, GROWTH, ROOT)" in notes
    assert "1 links are given twice" in notes


def test_numbers_other_than_zero_and_one_are_kept_and_said(tmp_path: Path) -> None:
    values = bits(5, 5, 1)
    values[1, 2] = 3
    matrix(nest(tmp_path), "cell2mutation.txt", values)
    imported = import_nest(tmp_path)
    assert "1 values are neither 0 nor 1 and are kept as they are (line 2, column 3: 3)" in said(imported)
    assert imported.samples.layers["mutation"].dtype == np.float32
    assert imported.samples.layers["mutation"].max() == 3


def test_a_last_line_without_an_end_is_said(tmp_path: Path) -> None:
    for name in ("test_data.txt", "cell2mutation.txt", "gene2ind.txt"):
        file = nest(tmp_path) / name
        file.write_text(file.read_text().rstrip("\n"))
        assert import_nest(tmp_path).notes == [f"{name}: the last line has no end; check that the file is whole"]


def test_headers_byte_order_marks_gzip_and_windows_line_ends_are_no_hindrance(tmp_path: Path) -> None:
    plain = import_nest(nest(tmp_path))
    training = (tmp_path / "training_data.txt").read_text()
    (tmp_path / "training_data.txt").write_text("cell_line\tsmiles\tauc\tdataset\n" + training)
    (tmp_path / "gene2ind.txt").write_bytes(
        b"\xef\xbb\xbf" + (tmp_path / "gene2ind.txt").read_bytes().replace(b"\n", b"\r\n")
    )
    (tmp_path / "ontology.txt").write_bytes(gzip.compress((tmp_path / "ontology.txt").read_bytes()))
    other = import_nest(tmp_path)
    assert other.notes == ["training_data.txt: the first line is taken for a header (cell_line, smiles, auc, dataset)"]
    assert other.samples.obs["AUC"].tolist() == plain.samples.obs["AUC"].tolist()
    assert other.samples.var_names.tolist() == GENES


def test_measurements_given_twice_and_genes_that_never_vary_are_said(tmp_path: Path) -> None:
    nest(tmp_path)
    for name in ("mutation", "cndeletion", "cnamplification"):
        values = bits(5, 5, 1)
        values[:, 0] = 0
        matrix(tmp_path, f"cell2{name}.txt", values)
    lines = (tmp_path / "training_data.txt").read_text()
    (tmp_path / "training_data.txt").write_text(lines + lines.splitlines()[0] + "\n")
    imported = import_nest(tmp_path)
    assert "1 measurements repeat the cell line, drug, dataset" in said(imported)
    assert "1 genes have one value in all samples" in said(imported)
    assert imported.experiment["data"]["constant_genes"] == "drop"


def test_counts_of_a_topology_that_are_wrong_and_strains_in_both_parts_are_said(tmp_path: Path) -> None:
    topology = (dcell(tmp_path) / "GO_1_topology.txt").read_text().replace("GO:3 3", "GO:3 9")
    (tmp_path / "GO_1_topology.txt").write_text(topology.replace("YC YD", "YC YC YD"))
    write(tmp_path, "GO_1_testing_data_2016_0.txt", ["2 YA YB 0.2", "2 YA YB 0.2", "1 YB 0.3"])
    notes = said(import_dcell(tmp_path))
    assert "1 terms hold another number of genes than is said: GO:3 (line 7: 9, found 3)" in notes
    assert "2 names stand twice in a record" in notes
    assert "1 strains are given twice, the first again in GO_1_testing_data_2016_0.txt:2" in notes
    assert "values of 'strain' have samples in both parts" in notes


# ---- refused ---------------------------------------------------------------------------------------------------------

BROKEN: list[tuple[str, str, list[object], str]] = [
    ("nest", "gene2ind.txt", [(0, "TP53"), (0, "MYC")], r"gene2ind\.txt, line 2: the number 0 stands for 'TP53'"),
    ("nest", "gene2ind.txt", [(0, "TP53"), (1, "TP53")], r"line 2: 'TP53' stands in line 1 already"),
    ("nest", "gene2ind.txt", [("x", "TP53")], r"line 1: 'x' is not a number"),
    ("nest", "gene2ind.txt", [(0, " ")], r"line 1: an empty name"),
    ("nest", "gene2ind.txt", [(0, "TP53"), (2, "MYC")], r"numbers 2 names, but n.* 1\b"),
    ("nest", "gene2ind.txt", ["0 TP53"], r"line 1: expected 2 columns"),
    ("nest", "cell2mutation.txt", ["0,0,0,0,0"] * 4, r"has 4 lines, cell2ind\.txt names 5"),
    ("nest", "cell2mutation.txt", ["0,0,0,0,0", "0,0,0,0"], r"line 2: expected 5 values, found 4"),
    ("nest", "cell2mutation.txt", ["0,0,0,0,0", "0,0,a,0,0"], r"line 2, column 3: 'a' is not a finite number"),
    ("nest", "cell2mutation.txt", ["0,0,0,0,nan"], r"line 1, column 5: 'nan' is not a finite number"),
    ("nest", "ontology.txt", [*LINKS, ("CYCLE", "ROOT", "default")], r"line \d+: a cycle: .*ROOT"),
    ("nest", "ontology.txt", [*LINKS, ("ROOT", "CYCLE", "gene")], r"line 8: 'CYCLE' is a gene here and a term"),
    ("nest", "ontology.txt", [*LINKS, ("ROOT", "X", "term")], r"line 8: expected 'default' or 'gene'"),
    ("nest", "ontology.txt", LINKS[:2], r"links no term to a gene"),
    ("nest", "training_data.txt", [("Z9", "CCO", 0.1), ("Z9", "CCO", 1)], r"names 1 cell lines .*: Z9 \(line 1\)"),
    ("nest", "training_data.txt", [("C3", "CCO", 0.1), ("C3", "CCO", "NA")], r"line 2: the AUC 'NA' is not"),
    ("nest", "training_data.txt", [("C3", "CCO", 0.1), ("C3", "CCO")], r"line 2: expected 3 columns .*, found 2"),
    ("nest", "training_data.txt", [("C3", "CCO", 0.1, "A"), ("C3", "CCO", 1)], r"line 2: expected 4 columns"),
    ("nest", "training_data.txt", [("C3", "", 0.1)], r"line 1: the column SMILES is empty"),
    ("nest", "training_data.txt", [("cell", "smiles", "auc")], r"holds no measurement"),
    ("drugcell", "drugcell_val.txt", [("C3", "CCN", 0.1)], r"names 1 drugs that drug2ind\.txt lacks: CCN \(line 1\)"),
    ("drugcell", "drug2fingerprint.txt", ["0,1"] * 2, r"has 2 lines, drug2ind\.txt names 3"),
    ("drugcell", "drug2fingerprint.txt", ["0,1", "0", "1,1"], r"line 2: expected 2 values, found 1"),
    ("dcell", "GO_1_topology.txt", ["ROOT: GO:1 1", "GENES: YA"], r"line 1: the last record is cut off"),
    ("dcell", "GO_1_topology.txt", ["ROOT: GO:1 1", "TERMS: YA"], r"line 2: expected 'GENES:', found 'TERMS:'"),
    ("dcell", "GO_1_topology.txt", ["ROOT: GO:1", "GENES: YA", "TERMS:"], r"line 1: expected 'ROOT: term count'"),
    ("dcell", "GO_1_topology.txt", ["ROOT: A 1", "GENES: Y", "TERMS: B"], r"without a record .*: B \(line 3\)"),
    ("dcell", "GO_1_topology.txt", ["ROOT: A 1", "GENES: A", "TERMS:"], r"line 2: 'A' is a gene here and a term"),
    ("dcell", "GO_1_topology.txt", ["ROOT: A 0", "GENES:", "TERMS:"], r"links no term to a gene"),
    ("dcell", "GO_1_topology.txt", ["ROOT: A 1", "GENES: Y", "TERMS:"] * 2, r"line 4: 'A' has a record in line 1"),
    (
        *("dcell", "GO_1_topology.txt"),
        ["ROOT: A 1", "GENES: Y", "TERMS: B", "ROOT: B 1", "GENES: Y", "TERMS: A"],
        r"line \d: a cycle",
    ),
    ("dcell", "GO_1_testing_data_2016_0.txt", ["2 YA 0.1"], r"line 1: expected 'k gene1 \.\.\. genek phenotype'"),
    ("dcell", "GO_1_testing_data_2016_0.txt", ["2 YA YA 0.1"], r"line 1: a gene is deleted twice"),
    ("dcell", "GO_1_testing_data_2016_0.txt", ["1 YA x"], r"line 1: the phenotype 'x' is not a finite number"),
    (
        "dcell",
        "GO_1_testing_data_2016_0.txt",
        ["1 YA 1", "1 YZ 1"],
        r"names 1 genes .*topology\.txt lacks: YZ \(line 2\)",
    ),
]


@pytest.mark.parametrize(("name", "file", "rows", "words"), BROKEN)
def test_a_broken_file_is_named_with_its_line(
    name: str, file: str, rows: list[object], words: str, tmp_path: Path
) -> None:
    write(MAKERS[name](tmp_path), file, rows)
    with pytest.raises(KgregError, match=words) as caught:
        FORMATS[name](tmp_path)
    assert file in caught.value.message


@pytest.mark.parametrize("name", list(MAKERS))
def test_empty_and_binary_files_are_refused(name: str, tmp_path: Path) -> None:
    for file in sorted(path.name for path in MAKERS[name](tmp_path).iterdir()):
        for content in (b"", b"\x00\x01\x02", b"\xff\xfe", b"PK\x03\x04", b"<html>log in</html>"):
            whole = (tmp_path / file).read_bytes()
            (tmp_path / file).write_bytes(content)
            with pytest.raises(KgregError, match=file.replace(".", r"\.")):
                FORMATS[name](tmp_path)
            (tmp_path / file).write_bytes(whole)


def test_missing_files_are_named_together(tmp_path: Path) -> None:
    nest(tmp_path)
    (tmp_path / "ontology.txt").unlink()
    (tmp_path / "cell2ind.txt").unlink()
    with pytest.raises(DataError, match=r"lacks ontology\.txt, cell2ind\.txt\."):
        import_nest(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        import_nest(tmp_path / "nothing")
    write(dcell(tmp_path / "d"), "other_topology.txt", ["x"])
    with pytest.raises(DataError, match=r"several files \*topology\*\.txt: GO_1_topology\.txt, other_topology\.txt"):
        import_dcell(tmp_path / "d")
    (drugcell(tmp_path / "c") / "drug2ind.txt").unlink()
    with pytest.raises(DataError, match=r"lacks drug2ind\.txt"):
        import_drugcell(tmp_path / "c")


def test_a_folder_that_holds_something_is_left_alone_and_nothing_half_done_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = import_nest(nest(tmp_path / "in"))
    with pytest.raises(OutputError, match="is not an empty folder"):
        write_import(imported, tmp_path / "in")
    (tmp_path / "empty").mkdir()
    write_import(imported, tmp_path / "empty")

    def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ad.AnnData, "write_h5ad", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_import(imported, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in"]


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_imports_says_what_it_did_and_writes_nothing_on_an_error(tmp_path: Path) -> None:
    def kgreg(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kgreg", "import", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    drugcell(tmp_path / "in")
    done = kgreg("drugcell", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "5 genes, 3 terms" in done.stdout
    assert "Note 5 validation samples train" in done.stdout.replace("split: ", "Note ")
    assert f"kgreg run {tmp_path / 'out' / 'experiment.toml'}" in done.stdout
    assert tomllib.loads((tmp_path / "out" / "experiment.toml").read_text())["recipe"] == "drugcell"
    (tmp_path / "in" / "gene2ind.txt").unlink()
    done = kgreg("drugcell", tmp_path / "in", "--output", tmp_path / "other")
    assert done.returncode == 1
    assert "lacks gene2ind.txt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "other").exists()
    assert kgreg("kegg", tmp_path / "in", "--output", tmp_path / "other").returncode == 2
