"""Networks that read DNA from an experiment file to the report: with motifs, without knowledge, from a recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kgreg.cli import app
from kgreg.errors import ExperimentError, FitError
from kgreg.experiment import make_experiment, read_recipe, recipe_names
from kgreg.fit import load_fitted
from kgreg.runs import Run, run_experiment

SITES = {"first": "TGACTCAGCA", "second": "ATTTGCATAA"}
RECIPES = ["basenji", "basset", "bpnet", "danq", "danq-jaspar", "deepbind", "deepcpg", "deepsea", "koo", "xpresso"]


def write_data(folder: Path, n: int = 60, length: int = 50) -> None:
    """Write sequences of two classes, each with a site of its own on either strand, and motifs of both and of more."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number, (name, site) in enumerate(SITES.items()):
        records = []
        for i in range(n):
            letters = rng.choice(list("ACGT"), length)
            start = int(rng.integers(0, length - len(site)))
            turned = site[::-1].translate(str.maketrans("ACGT", "TGCA"))
            letters[start : start + len(site)] = list(turned if i % 2 else site)
            place = (number * n + i) * 1000
            records.append(f">chr{i % 6 + 1}:{place}-{place + length}\n{''.join(letters)}\n")
        (folder / f"{name}.fa").write_text("".join(records))
    texts = []
    for number, site in enumerate([*SITES.values(), "GGGCGGGGC", "CACGTGAC"]):
        rows = {base: " ".join("90" if letter == base else "3" for letter in site) for base in "ACGT"}
        texts.append(f">MA000{number}.1 TF{number}\n" + "".join(f"{base} [ {row} ]\n" for base, row in rows.items()))
    (folder / "motifs.jaspar").write_text("".join(texts))


def experiment(folder: Path, layers: list[dict[str, Any]], guide: dict[str, Any], **network: Any) -> Any:
    write_data(folder / "data")
    record = {
        "data": {"sequences": {"files": {name: str(folder / "data" / f"{name}.fa") for name in SITES}}},
        "knowledge": guide,
        "network": {"model": "sequence", "layers": layers, **network},
        "training": {"folds": 2, "max_epochs": 8, "batch_size": 16, "learning_rate": 0.01, "seed": 1},
        "nulls": {"rewired": 0 if guide["guide"] == "none" else 1, "labels": 1},
        "output": {"folder": str(folder / "run")},
    }
    return make_experiment(record)


@pytest.fixture(scope="module")
def of_motifs(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("motifs")
    layers = [
        {"kind": "motifs", "filters": 8, "width": 12, "share": 0.5, "encoding": "log-odds", "threshold": [-6, -5]},
        {"kind": "pool", "width": 6},
        {"kind": "flatten"},
    ]
    guide = {"guide": "motifs", "motifs": str(folder / "data" / "motifs.jaspar")}
    return run_experiment(experiment(folder, layers, guide, length=50), until="explain", workers=1)


def test_motifs_of_a_first_layer_are_ranked_with_their_factors(of_motifs: Run) -> None:
    ranking = of_motifs.explanation.ranking
    assert set(ranking["kind"]) == {"motif", "tf"}
    of_all = ranking[(ranking["output"] == "all") & (ranking["kind"] == "motif")]
    assert set(of_all.nsmallest(2, "rank")["node"]) == {"MA0000.1", "MA0001.1"}
    assert of_motifs.metrics["arms"][0]["metrics"]["auroc"]["mean"] > 0.7


def test_models_are_read_back_and_predict_the_same(of_motifs: Run) -> None:
    folder = next((of_motifs.path / "models").rglob("model.json")).parent
    model = load_fitted(folder, of_motifs.blueprint)
    assert model.network.term_ids == of_motifs.blueprint.motifs["node"].drop_duplicates().tolist()


def test_a_network_without_knowledge_ranks_nothing(tmp_path: Path) -> None:
    layers = [{"kind": "conv", "filters": 8, "width": 10}, {"kind": "pool"}]
    run = run_experiment(experiment(tmp_path, layers, {"guide": "none"}), workers=1)
    assert run.explanation.ranking.empty
    assert run.report.is_file()
    said = CliRunner().invoke(app, ["explain", str(run.path)])
    assert said.exit_code == 0
    assert "Nothing is ranked" in said.output


def test_cells_beside_the_sequence_are_labels_as_in_deepcpg(tmp_path: Path) -> None:
    """Two cells: the state of one follows from the sequence, that of the other from its neighbours' states."""
    write_data(tmp_path)
    records = [line for name in SITES for line in (tmp_path / f"{name}.fa").read_text().split(">")[1:]]
    (tmp_path / "all.fa").write_text("".join(f">{record}" for record in records))
    rng = np.random.default_rng(1)
    names = [record.split()[0] for record in records]
    cells = pd.DataFrame(rng.integers(0, 2, (len(names), 8)).astype(float), index=names)
    cells.columns = [f"c{i}" for i in range(8)]
    labels = pd.DataFrame({"a": np.repeat([0.0, 1.0], 60), "b": cells["c4"]}, index=names)
    labels.iloc[::9, 0] = np.nan
    labels.to_csv(tmp_path / "labels.csv"), cells.to_csv(tmp_path / "cpg.csv")
    (tmp_path / "experiment.toml").write_text("""
recipe = "deepcpg"
[data]
label = ["a", "b"]
[data.sequences]
file = "all.fa"
labels = "labels.csv"
blocks = { cpg = "cpg.csv" }
[network]
length = 50
layers = [
  { kind = "conv", filters = 8, width = 10 },
  { kind = "pool" },
  { kind = "join", of = "cpg", columns = 4, layers = [
    { kind = "conv", filters = 6, width = 1 },
    { kind = "recurrent", cell = "gru", units = 6, gives = "last" },
  ] },
  { kind = "dense", units = 8 },
]
[training]
folds = 2
learning_rate = 0.03
batch_size = 16
max_epochs = 25
patience = 25
decay = 1.0
[nulls]
labels = 0
""")
    run = run_experiment(tmp_path / "experiment.toml", output=tmp_path / "run", until="train", workers=1)
    network = next(arm for arm in run.metrics["arms"] if arm["arm"] == "graph")
    assert network["metrics"]["auroc"]["mean"] > 0.75


def test_recipes_are_completed_by_the_file() -> None:
    assert set(recipe_names()) >= set(RECIPES)
    for name in RECIPES:
        record = {"recipe": name, "data": {"sequences": {"files": {"a": "a.fa", "b": "b.fa"}}}}
        made = make_experiment(record | {"training": {"batch_size": 7}})
        assert made.training.learning_rate == read_recipe(name)["training"]["learning_rate"]
        assert made.training.batch_size == 7
        assert make_experiment(made.to_dict()) == made


def test_faults_of_layers_name_file_line_and_layer(tmp_path: Path) -> None:
    text = """[data.sequences]
files = { a = "a.fa", b = "b.fa" }
[network]
model = "sequence"
length = 20
layers = [
  { kind = "conv", filters = 3, width = 8 },
  { kind = "pool", width = 30 },
]
"""
    for wrong, said in (
        (text, "experiment.toml, line 3: network: layer 2 (pool): a window of 30 does not fit into 13 positions."),
        (text.replace("filters", "filers"), "experiment.toml, line 6: network.layers: layer 1 (conv) lacks 'filters'"),
    ):
        with pytest.raises(ExperimentError) as caught:
            make_experiment(tomllib.loads(wrong), "experiment.toml", wrong)
        assert said in str(caught.value)


def test_sequences_that_are_too_short_are_told(tmp_path: Path) -> None:
    layers = [{"kind": "conv", "filters": 8, "width": 10}, {"kind": "flatten"}]
    with pytest.raises(FitError, match="reads 60 positions, the sequences have 50"):
        run_experiment(experiment(tmp_path, layers, {"guide": "none"}, length=60), workers=1)
