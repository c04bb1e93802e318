"""Real against control inputs: the comparison, which networks are accepted, and planted nodes found by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from kgreg.data.simulate.cascade import simulate_cascade
from kgreg.decode.controls import compare_with_controls, network_errors, relative
from kgreg.errors import BlueprintError, DataError, ExperimentError
from kgreg.experiment import make_experiment
from kgreg.runs import Run, run_experiment

INFO = pd.DataFrame({"node": list("abcde"), "kind": ["term"] * 3 + ["gene"] * 2})


def test_weights_are_relative_to_those_of_the_same_network_and_kind() -> None:
    found = relative(np.array([[-4.0, 1.0, 2.0, 7.0, 7.0]]), INFO["kind"].to_numpy())
    np.testing.assert_allclose(found, [[1, 0, 1 / 3, 0, 0]])


def test_means_are_compared_by_welch_and_adjusted_within_a_kind() -> None:
    rng = np.random.default_rng(0)
    real, control = rng.random((7, 5)), rng.random((9, 5))
    real[:, 1] += 2
    table = compare_with_controls(real, control, INFO).set_index("node")
    one, two = relative(real, INFO["kind"].to_numpy()), relative(control, INFO["kind"].to_numpy())
    for i, node in enumerate("abc"):
        expected = stats.ttest_ind(one[:, i], two[:, i], equal_var=False)
        assert table.at[node, "t"] == pytest.approx(expected.statistic)
        assert table.at[node, "p"] == pytest.approx(expected.pvalue)
        assert table.at[node, "difference"] == pytest.approx(one[:, i].mean() - two[:, i].mean())
        assert table.at[node, "low"] < table.at[node, "difference"] < table.at[node, "high"]
    np.testing.assert_allclose(
        table.loc[list("abc"), "q"], stats.false_discovery_control(table.loc[list("abc"), "p"].to_numpy())
    )
    assert table.index[0] == "b"
    assert (table["n"].iloc[0], table["n_control"].iloc[0]) == (7, 9)
    with pytest.raises(DataError, match="there are 1 and 9"):
        compare_with_controls(real[:1], control, INFO)


# ---- on simulated cascades -------------------------------------------------------------------------------------------


def run(folder: Path, until: str, dropout: float, **sections: Any) -> tuple[Run, pd.DataFrame]:
    made = simulate_cascade(n_samples=300, seed=0)
    made.write(folder / "cascade")
    record: dict[str, Any] = {
        "recipe": "kpnn",
        "data": {"file": str(folder / "cascade" / "data.h5ad"), "label": "state"},
        "knowledge": {"network": str(folder / "cascade" / "network.csv")},
        "network": {"dropout": dropout, "term_dropout": dropout},
        "training": {"folds": 2, "replicates": 5, "max_epochs": 50, "learning_rate": 0.1, "accelerator": "cpu"},
        "output": {"folder": str(folder / "run")},
    }
    for name, keys in sections.items():
        record[name] = {**record.get(name, {}), **keys}
    return run_experiment(make_experiment(record), until=until, workers=1), made.truth.set_index("node")["planted"]


def test_dropout_and_control_inputs_find_planted_nodes_that_plain_weights_do_not(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain, planted = run(tmp_path / "plain", "explain", 0.0, nulls={"controls": 0}, training={"replicates": 2})
    ranking = plain.explanation.ranking
    weight = ranking[ranking["output"] == "all"].set_index("node")["score"]
    assert roc_auc_score(planted, weight[planted.index]) < 0.7
    assert plain.explanation.controls.empty

    done, planted = run(tmp_path, "report", 0.1)
    controls = done.explanation.controls
    terms = controls[controls["kind"] == "term"].set_index("node")
    assert roc_auc_score(planted, terms.loc[planted.index, "t"]) >= 0.9
    assert set(controls["n_control"]) == {10}
    assert (done.explanation.ranking["score"] <= 1).all()
    assert [arm["arm"] for arm in done.metrics["arms"]][-1] == "control"
    text = done.report.read_text(encoding="utf-8")
    assert 'id="controls"' in text
    assert "controls.parquet" in text
    errors = network_errors(done.predictions, _jobs(done), _samples(done))
    assert (pd.Series(errors) < 0.2).sum() == controls["n"].iloc[0] + 10


def _jobs(done: Run) -> list[Any]:
    from kgreg.fit import plan
    from kgreg.runs.stages import compile_experiment

    training, nulls = done.experiment.training, done.experiment.nulls
    splits = compile_experiment(done.experiment).splits
    return plan(splits, training.replicates, nulls.rewired, nulls.labels, training.seed, nulls.controls)


def _samples(done: Run) -> Any:
    from kgreg.runs.stages import read_data

    return read_data(done.experiment)


def test_networks_that_do_not_predict_are_not_accepted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"None of the 2 networks \(graph\) has an error below 0.2"):
        run(tmp_path, "explain", 0.1, training={"max_epochs": 1, "replicates": 1}, nulls={"controls": 0})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("parent,child\noutput,\n", DataError, "line 2: the column 'child' is empty"),
        ("parent,child,sign\noutput,G001_gene,up\n", DataError, "line 2: 'up' in the column 'sign'"),
        ("source,target,weight\nG001,output,-2\n", BlueprintError, "negative weight"),
        ("parent,child\noutput,A\nA,B\nB,A\nB,G001_gene\n", BlueprintError, "has a cycle"),
        ("parent,child\none,G001_gene\ntwo,G002_gene\nthree,G001_gene\n", ExperimentError, "has 3 outputs"),
        ("parent,child\noutput,nobody_gene\n", DataError, "None of the"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "n.csv").write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        run(tmp_path, "compile", 0.1, knowledge={"network": str(tmp_path / "n.csv")})


@pytest.mark.parametrize(
    ("knowledge", "message"),
    [
        ({"guide": "network", "network": "n.csv", "max_genes": 20}, "'max_genes' means nothing with guide = .network."),
        ({"guide": "go", "signs": True}, "'signs' is for guide = .network."),
        ({"guide": "network"}, "go together"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(knowledge: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        make_experiment({"data": {"file": "d.h5ad", "label": "state"}, "knowledge": knowledge})
