"""Doses, matched random genes, sweeps, pairs and effects on samples, against slow ways to find the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kgreg.data import split_folds
from kgreg.data.matching import Matching
from kgreg.decode import KnockoutOptions, epistasis_table, knock_out, knockout_samples, knockout_table, sweep_table
from kgreg.decode.intervals import network_interval, overlap_of
from kgreg.decode.knockout import sentences
from kgreg.decode.knockout.effects import knock_out_each
from kgreg.decode.knockout.genes import InputGenes
from kgreg.decode.knockout.null import draw_matched, empirical_p, expression_bins, q_values
from kgreg.decode.knockout.per_sample import long_table
from kgreg.decode.knockout.settings import Manipulation
from kgreg.errors import DataError
from kgreg.fit import CrossValidation, cross_validate
from kgreg.nn.architecture import Architecture
from kgreg.nn.guided import Given, GuidedNetwork, Passed
from kgreg.nn.hierarchy import SparseRows
from tests.small_data import FAST, GENES, small_blueprint, small_samples, with_alterations

BLUEPRINT = small_blueprint()
SAMPLES = small_samples(n=90)
PLAIN = KnockoutOptions(random=0)


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    training = replace(FAST, max_epochs=6)
    return cross_validate(BLUEPRINT, SAMPLES, split_folds(SAMPLES, 3), training, replicates=2, rewired=0, labels=0)


@pytest.fixture(scope="module")
def values() -> CrossValidation:
    """A regression on a network without any non-linearity: its value is a weighted sum of the genes."""
    samples = small_samples("regression", n=90)
    linear = replace(FAST, max_epochs=30, architecture=Architecture(activation="identity"))
    return cross_validate(BLUEPRINT, samples, split_folds(samples, 3), linear, rewired=0, labels=0)


def changed_x(result: CrossValidation, x: np.ndarray, genes: list[int], dose: float = 0.0) -> np.ndarray:
    after = x.copy()
    after[:, genes] *= np.float32(dose)
    return after


def deltas(result: CrossValidation, genes: list[int], dose: float = 0.0) -> np.ndarray:
    """Return the mean change of every output, network by network."""
    found = []
    for job, model in result.fits("graph"):
        x = result.inputs_of(job, job.split.test).x
        found.append((model.predict(changed_x(result, x, genes, dose)) - model.predict(x)).mean(axis=0))
    return np.stack(found).astype(float)


# ---- doses and values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("genes", "dose"), [([0], 0.5), ([2, 7, 11], 2.0), ([3], 1.0)])
def test_a_dose_is_a_factor_on_what_was_measured(result: CrossValidation, genes: list[int], dose: float) -> None:
    job, model = next(result.fits("graph"))
    x = result.inputs_of(job, job.split.test).x
    effect = knock_out(model, x, genes, dose=dose)
    expected = model.predict(changed_x(result, x, genes, dose)) - model.predict(x)
    np.testing.assert_allclose(effect.outputs, expected, atol=1e-6)
    assert dose == 1 or np.abs(expected).max() > 1e-3


def test_several_doses_are_knockouts_of_their_own(result: CrossValidation) -> None:
    table = knockout_table(result, {"g": ["G00"]}, options=replace(PLAIN, dose=[0, 0.5, 2]))
    outputs = table[(table["kind"] == "output") & (table["group"] == "all") & (table["target"] == "class 1")]
    assert outputs["knockout"].tolist() == ["g", "g at dose 0.5", "g at dose 2"]
    assert outputs["dose"].tolist() == [0, 0.5, 2]
    for dose, delta in zip((0, 0.5, 2), outputs["delta"], strict=True):
        assert delta == pytest.approx(deltas(result, [0], dose)[:, 1].mean(), abs=1e-6)


def test_centred_values_are_scaled_from_the_lowest() -> None:
    x = np.array([[-2.0, 1.0], [4.0, 3.0]], dtype=np.float32)
    how = Manipulation.of(x, dose=2.0)
    np.testing.assert_allclose(how.factors * x + how.values, [[-2.0, 2.0], [10.0, 6.0]])
    silent = Manipulation.of(x)
    np.testing.assert_allclose(silent.factors * x + silent.values, [[-2.0, 0.0], [-2.0, 0.0]])
    assert (silent.how, silent.dose, how.how) == ("silent", 0.0, "dose 2")


def test_genotypes_are_altered_unless_asked_otherwise() -> None:
    x = (np.arange(12).reshape(4, 3) % 3 == 0).astype(np.float32)
    assert Manipulation.of(x).how == "altered"
    assert (Manipulation.of(x).values == 1).all()
    assert Manipulation.of(x, "silent").how == "unaltered"
    assert Manipulation.of(x, one_modality=False).how == "unaltered", "an amplification is no knockout"
    assert Manipulation.of(x, 0.25).how == "value 0.25"
    both = np.concatenate([x, x + 0.5], axis=1)
    assert Manipulation.of(both, among=np.arange(3)).how == "altered"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dose": -1.0}, "dose of -1 means nothing"),
        ({"dose": np.nan}, "dose of nan means nothing"),
        ({"dose": 2.0, "value": "altered"}, "not both"),
        ({"value": "altered"}, "2 of 3 inputs hold other values than 0 and 1"),
    ],
)
def test_what_means_nothing_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Manipulation.of(np.array([[0.5, 2.0, 1.0]], dtype=np.float32), **asked)


def test_an_altered_gene_is_1_in_every_sample() -> None:
    samples = with_alterations(SAMPLES)
    result = cross_validate(
        BLUEPRINT, samples, split_folds(samples, 3), replace(FAST, max_epochs=3), rewired=0, labels=0
    )
    table = knockout_table(result, {"g": ["G01"]}, options=PLAIN)
    assert set(table["how"]) == {"altered"}
    assert table["dose"].isna().all()
    by_hand = []
    for job, model in result.fits("graph"):
        x = result.inputs_of(job, job.split.test).x
        after = x.copy()
        after[:, 1] = 1
        by_hand.append(float((model.predict(after) - model.predict(x))[:, 0].mean()))
    chosen = (table["kind"] == "output") & (table["group"] == "all") & (table["target"] == "class 0")
    assert table.loc[chosen, "delta"].item() == pytest.approx(np.mean(by_hand), abs=1e-6)


class _Plain(GuidedNetwork):
    def compute(self, given: Given) -> Passed:
        return Passed(given.x.cumsum(dim=1)[:, -1:] ** 2, [given.x[:, :2] * 3])


def test_networks_of_other_kinds_know_doses() -> None:
    network = _Plain(BLUEPRINT, 1, ["a", "b"], [1, 1])
    network.head = torch.nn.Linear(1, 1)
    network.eval()
    x = torch.randn(5, len(GENES))
    values, factors = torch.randn(len(GENES)), torch.rand(len(GENES))
    for columns, found in zip(([0], [3, 1]), network.knock_out(x, [[0], [3, 1]], values, factors), strict=True):
        after = x.clone()
        after[:, columns] = factors[columns] * x[:, columns] + values[columns]
        torch.testing.assert_close(found.outputs, network(after).outputs)
        torch.testing.assert_close(found.hidden, network(after).hidden)
    rows = SparseRows(np.array([0, 1]), np.array([2]), np.array([3.0], np.float32), (1, 1, len(GENES)))
    assert next(network.knock_out(rows.dense(), [[2]])).outputs.item() == 0


# ---- the mean effect on subsystems -----------------------------------------------------------------------------------


def test_subsystems_move_as_they_do_sample_by_sample(result: CrossValidation) -> None:
    table = knockout_table(result, {"one": ["G00"], "two": ["G04", "G11"]}, options=PLAIN)
    how = Manipulation.to(np.zeros(len(GENES), dtype=np.float32))
    sums: dict[tuple[str, str, str], list[float]] = {}
    for job, model in result.fits("graph"):
        each = knock_out_each(model, result.inputs_of(job, job.split.test), [[0], [4, 11]], how)
        target = SAMPLES.target[job.split.test]
        for name, effect in zip(("one", "two"), each, strict=True):
            for i, term in enumerate(model.network.term_ids):
                for group, members in (("all", target >= 0), ("class 0", target == 0), ("class 1", target == 1)):
                    sums.setdefault((name, group, term), []).append(float(effect.subsystems[i][members].mean()))
    terms = table[table["kind"] == "term"].set_index(["knockout", "group", "target"])["delta"]
    assert set(terms.index) == set(sums)
    for key, parts in sums.items():
        assert terms[key] == pytest.approx(np.mean(parts), abs=1e-5), key


# ---- random genes expressed alike ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 12), st.integers(0, 99), st.data())
def test_matched_sets_come_from_the_same_bins(bins: list[int], n: int, seed: int, data: st.DataObject) -> None:
    numbers = np.array(bins)
    genes = st.lists(st.integers(0, len(bins) - 1), min_size=1, max_size=4, unique=True)
    knockouts = data.draw(st.lists(genes, min_size=1, max_size=4))
    found = draw_matched(knockouts, numbers, n, seed)
    assert len(set(found.sets)) == len(found.sets)
    for knockout, rows in zip(knockouts, found.of, strict=True):
        drawn = [found.sets[i] for i in rows]
        assert len(drawn) <= n
        others = [int((numbers == b).sum()) - sum(numbers[g] == b for g in knockout) for b in numbers[knockout]]
        enough = all(left >= (numbers[knockout] == b).sum() for left, b in zip(others, numbers[knockout], strict=True))
        if n and enough:
            assert drawn
        if len(knockout) == 1:
            assert len(drawn) == min(n, others[0])
        for one in drawn:
            assert not set(one) & set(knockout)
            assert len(set(one)) == len(one)
            assert sorted(numbers[list(one)]) == sorted(numbers[knockout])
    # What else is asked for at the same time does not change what a knockout is compared with.
    alone = draw_matched(knockouts[-1:], numbers, n, seed)
    assert [alone.sets[i] for i in alone.of[0]] == [found.sets[i] for i in found.of[-1]]


def test_bins_hold_genes_with_like_means(result: CrossValidation) -> None:
    genes = InputGenes.of(BLUEPRINT)
    assert set(expression_bins(result, genes, 12)) == {0}
    bins = expression_bins(result, genes, 4)
    assert np.bincount(bins).tolist() == [4, 4, 4]
    mean = SAMPLES.columns(BLUEPRINT.inputs).mean(axis=0)
    assert [mean[bins == b].max() for b in (0, 1)] < [mean[bins == b].min() for b in (1, 2)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.integers(1, 4), st.integers(0, 99))
def test_p_counts_and_q_is_that_of_benjamini_and_hochberg(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    effect, null = rng.integers(-3, 4, (m,)).astype(float), rng.integers(-3, 4, (n, m)).astype(float)
    p = empirical_p(effect, null)
    for j in range(m):
        slow = (1 + sum(abs(value) >= abs(effect[j]) for value in null[:, j])) / (1 + n)
        assert np.isnan(p[j]) if n == 0 else p[j] == pytest.approx(slow)
    many = rng.random((n + 1, m)) ** 3
    many[rng.random(many.shape) < 0.2] = np.nan
    q = q_values(many)
    for j in range(m):
        known = np.isfinite(many[:, j])
        assert np.isnan(q[~known, j]).all()
        if known.any():
            np.testing.assert_allclose(q[known, j], stats.false_discovery_control(many[known, j]))


def test_p_is_the_share_of_other_genes_that_do_as_much(result: CrossValidation) -> None:
    table = knockout_table(result, {"one": ["G00"], "pair": ["G01", "G05"]}, options=KnockoutOptions(random=11))
    effect = {g: deltas(result, [g]).mean(axis=0) for g in range(12)}
    chosen = (table["kind"] == "output") & (table["group"] == "all") & (table["target"] == "class 1")
    row, pair = table[chosen].to_dict("records")
    larger = sum(abs(effect[g][1]) >= abs(effect[0][1]) for g in range(1, 12))
    assert (row["p"], row["n_null"]) == (pytest.approx((1 + larger) / 12), 11)
    assert pair["n_null"] > 5
    assert pair["p"] >= 1 / (1 + pair["n_null"])
    terms = table[table["kind"] == "term"]
    assert terms.loc[terms["group"] == "all", "p"].notna().all()
    assert terms.loc[terms["group"] != "all", "p"].isna().all()


def test_the_sweep_is_every_single_knockout(result: CrossValidation) -> None:
    sweep = sweep_table(result, options=KnockoutOptions(random=11))
    assert set(sweep["node"]) == set(GENES)
    singly = knockout_table(result, {gene: [gene] for gene in dict.fromkeys(sweep["gene"])}, options=PLAIN)
    keys = ["kind", "target", "group"]
    merged = sweep.merge(singly, left_on=["gene", *keys], right_on=["knockout", *keys], suffixes=("", "_singly"))
    assert len(merged) == len(sweep)
    for column in ("delta", "low", "high", "n", "samples"):
        np.testing.assert_allclose(merged[column], merged[f"{column}_singly"], atol=1e-7)
    outputs = sweep[sweep["kind"] == "output"]
    assert set(map(tuple, outputs[["target", "group"]].to_numpy())) == {
        *((c, "all") for c in SAMPLES.classes),
        *((c, c) for c in SAMPLES.classes),
    }
    for _, rows in outputs.groupby(["target", "group"]):
        size = rows["delta"].abs().to_numpy()
        np.testing.assert_allclose(rows["p"], [(size >= one).sum() / 12 for one in size])
    assert (sweep.loc[sweep["kind"] == "term", "delta"] > 0).all()


# ---- pairs -----------------------------------------------------------------------------------------------------------


def test_a_network_without_a_bend_has_no_epistasis(values: CrossValidation) -> None:
    table = epistasis_table(values, ["G00", "G01", "G05"], options=PLAIN)
    assert set(zip(table["first"], table["second"], strict=True)) == set(combinations(["G00", "G01", "G05"], 2))
    assert set(table["model"]) == {"additive"}
    assert table["first_delta"].abs().max() > 0.3
    np.testing.assert_allclose(table["epistasis"], 0, atol=1e-3)
    np.testing.assert_allclose(table["both_delta"], table["expected"], atol=1e-3)


def test_epistasis_by_hand(result: CrossValidation) -> None:
    table = epistasis_table(result, ["G00", "G01"], options=PLAIN)
    additive, bliss = [], []
    for job, model in result.fits("graph"):
        x = result.inputs_of(job, job.split.test).x
        none, first, second, both = (
            model.predict(changed_x(result, x, genes))[:, 1].astype(float) for genes in ([], [0], [1], [0, 1])
        )
        odds = [np.log(p / (1 - p)).mean() for p in (none, first, second, both)]
        additive.append(odds[3] - odds[1] - odds[2] + odds[0])
        bliss.append(both.mean() - first.mean() * second.mean() / none.mean())
    rows = table[(table["group"] == "all") & (table["target"] == "class 1")].set_index("model")
    for model, expected in (("additive", additive), ("bliss", bliss)):
        folds = np.array([job.split.fold for job, _ in result.fits("graph")])
        mean, low, high, _ = network_interval(np.array(expected), folds, overlap_of(result.splits))
        found = rows.loc[model, ["epistasis", "low", "high"]].astype(float)
        np.testing.assert_allclose(found, [mean, low, high], atol=2e-4)
        assert rows.loc[model, "both_delta"] - rows.loc[model, "expected"] == pytest.approx(np.mean(expected), abs=2e-4)
    assert rows["unit"].to_dict() == {"additive": "log odds", "bliss": "probability"}


def test_pairs_that_cannot_be_are_refused(result: CrossValidation, values: CrossValidation) -> None:
    with pytest.raises(DataError, match="two different genes"):
        epistasis_table(result, ["G00", "g00.data"], options=PLAIN)
    with pytest.raises(DataError, match="names no gene"):
        epistasis_table(result, [], options=PLAIN)
    low = replace(values, models={k: replace(m, target_scale=(-50.0, 1.0)) for k, m in values.models.items()})
    with pytest.raises(DataError, match="above 0"):
        epistasis_table(low, ["G00", "G01"], options=PLAIN, models=["bliss"])


# ---- planted drivers -------------------------------------------------------------------------------------------------


def test_planted_drivers_move_the_outcome_in_the_right_direction(values: CrossValidation) -> None:
    """The value is 40 + 10 times the mean of the standardised G00 to G03."""
    drivers = {gene.upper(): [gene.upper()] for gene in GENES[:4]}
    options = replace(PLAIN, dose=[0, 0.5, 2])
    table = knockout_table(values, {**drivers, "noise": ["G05"]}, options=options)
    outputs = table[table["kind"] == "output"].set_index(["knockout", "dose"])
    for gene in drivers:
        silent, half, double = (outputs.loc[(name, dose)] for name, dose in
                                ((gene, 0), (f"{gene} at dose 0.5", 0.5), (f"{gene} at dose 2", 2)))  # fmt: skip
        assert silent["high"] < 0
        assert half["delta"] == pytest.approx(silent["delta"] / 2, rel=1e-3)
        assert double["delta"] == pytest.approx(-silent["delta"], rel=1e-3)
        assert double["low"] > 0
        assert abs(outputs.loc[("noise", 0), "delta"]) < abs(silent["delta"]) / 3


# ---- samples ---------------------------------------------------------------------------------------------------------


def test_effects_on_samples_are_those_of_the_networks_that_did_not_see_them(
    result: CrossValidation, tmp_path: Path
) -> None:
    found = knockout_samples(result, {"one": ["G00"], "two": ["G04", "G05"]}, options=PLAIN)
    assert list(found.obs_names) == SAMPLES.names
    assert set(found.obs["n"]) == {2}
    job, _ = next(result.fits("graph"))
    models = [model for other, model in result.fits("graph") if other.split.fold == job.split.fold]
    x = result.inputs_of(job, job.split.test).x
    each = [(model.predict(changed_x(result, x, [4, 5])) - model.predict(x))[:, 1] for model in models]
    column = found[job.split.test, "two | output | class 1"]
    np.testing.assert_allclose(column.X.ravel(), np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(column.layers["sd"].ravel(), np.std(each, axis=0, ddof=1), atol=1e-6)
    table = long_table(found)
    assert len(table) == 90 * 2 * (2 + 5)
    one = table[(table["sample"] == "s3") & (table["knockout"] == "one") & (table["target"] == "class 0")]
    assert one["delta"].item() == pytest.approx(found["s3", "one | output | class 0"].X.item())
    with pytest.raises(DataError, match="No knockout is named"):
        knockout_samples(result, {})


# ---- names -----------------------------------------------------------------------------------------------------------


def test_a_gene_that_is_not_there_is_explained() -> None:
    dropped = pd.DataFrame([("genes", "gene", "gX", "GX", "no term annotates it")], columns=BLUEPRINT.dropped.columns)
    blueprint = replace(BLUEPRINT, dropped=dropped)
    rows = [
        ("constant.one", None, "G77", "constant", "same value in every sample"),
        ("twice", None, "", "ambiguous", "G1, G2"),
        ("G88", "g88", "G88", "symbol", ""),
    ]
    matching = Matching(pd.DataFrame(rows, columns=["feature", "gene", "label", "outcome", "note"]))
    genes = InputGenes.of(blueprint, matching)
    assert genes.find(["G03", "g03.data", "g03"]) == [3]
    for name, said in {
        "GX": "GX is left out of the network: no term annotates it \\(genes\\)",
        "G77": "constant \\(same value in every sample\\)",
        "twice": "its name is ambiguous \\(G1, G2\\)",
        "G88": "no subsystem that was kept",
        "G008": "did you mean G0",
        "brca1": "neither the data nor the network",
    }.items():
        with pytest.raises(DataError, match=f"Not inputs of the network: {name}") as caught:
            genes.find(["G00", name])
        assert pd.Series([caught.value.hint]).str.contains(said).all(), caught.value.hint
    with pytest.raises(DataError, match="no modality methylation"):
        InputGenes.of(BLUEPRINT, modalities=["methylation"])
    with pytest.raises(DataError, match="Not inputs of the network: nope, GX") as caught:
        genes.find_each({"a": ["G00", "nope"], "b": ["GX", "nope"]})
    assert "nope: neither" in caught.value.hint
    assert "GX is left out" in caught.value.hint


# ---- sentences -------------------------------------------------------------------------------------------------------

ROW = {
    "knockout": "CD79A", "genes": "CD79A", "kind": "output", "target": "B", "label": "B", "group": "B",
    "delta": -0.31, "low": -0.4, "high": -0.22, "n": 10, "samples": 95, "dose": 0.0, "how": "silent",
    "unit": "probability", "p": 0.0099, "q": 0.0198, "n_null": 100, "seed": 0,
}  # fmt: skip
TERM = {**ROW, "kind": "term", "target": "t", "label": "B cell activation", "delta": 1.5, "unit": "sd", "p": np.nan}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "Silencing CD79A lowers the predicted probability of B in samples of B by 0.31 [0.22, 0.4] (95 % interval "
            "over 10 networks, 95 samples; larger than that of all 100 random genes expressed alike, p = 0.0099, "
            "q = 0.02); the subsystem that moves most there is B cell activation (1.50 sd).",
        ),
        ({"high": 0.01}, "no effect on the predicted probability of B in samples of B that can be told: -0.31 [-0.4"),
        ({"low": np.nan, "high": np.nan, "n": 1}, "by 0.31 (one network, so that there is no interval"),
        ({"delta": 0.0, "low": 0.0, "high": 0.0}, "Silencing CD79A changes no output at all."),
        ({"how": "dose 2", "dose": 2.0}, "Raising CD79A to 2 times what was measured lowers"),
        ({"how": "altered", "dose": np.nan}, "Altering CD79A lowers"),
        ({"how": "unaltered"}, "Taking every alteration of CD79A away lowers"),
        ({"how": "value 3", "dose": np.nan}, "Setting CD79A to the value 3 lowers"),
        ({"knockout": "CD3", "genes": "CD3D, CD3E"}, "Silencing CD3D and CD3E together (CD3) lowers"),
        ({"genes": "CD3D, CD3E", "p": 0.1}, "larger than that of 91 of 100 random sets of genes"),
        ({"n_null": 0, "p": np.nan}, "(95 % interval over 10 networks, 95 samples); the"),
        ({"target": "risk", "group": "all", "unit": "log hazard"}, "lowers the predicted log hazard by 0.31"),
        ({"target": "AUC", "group": "all", "unit": "value"}, "lowers the predicted AUC by 0.31"),
    ],
)
def test_a_knockout_reads_as_a_sentence(changed: dict[str, Any], said: str) -> None:
    of_term = {key: value for key, value in changed.items() if key in ("knockout", "genes", "group", "how")}
    (sentence,) = sentences(pd.DataFrame([{**ROW, **changed}, {**TERM, **of_term}]))
    assert said in sentence


def test_every_number_of_a_sentence_is_in_its_table(result: CrossValidation) -> None:
    pairs = epistasis_table(result, ["G00", "G01", "G05"], options=PLAIN)
    said = sentences(pairs)
    assert len(said) == 6
    for sentence, (_, rows) in zip(said, pairs.groupby(["first", "second", "model"], sort=False), strict=True):
        own = rows[rows["group"] == rows["target"]]
        row = own.loc[own["epistasis"].abs().idxmax()]
        assert f"{row['first']} alone by {row['first_delta']:+.3g}" in sentence
        assert f"{row['epistasis']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}]" in sentence
        assert ("no epistasis can be told" in sentence) == (row["low"] <= 0 <= row["high"])
    sweep = sweep_table(result)
    told = sentences(sweep)
    assert len(told) == 4
    own = sweep[(sweep["target"] == "class 1") & (sweep["group"] == "class 1")]
    best = own.loc[own["delta"].abs().idxmax()]
    number = int(((own["low"] > 0) | (own["high"] < 0)).sum())
    assert f"are {best['gene']} ({best['delta']:+.3g} [{best['low']:+.3g}, {best['high']:+.3g}])" in told[-1]
    assert f"the interval of {number} leaves out 0" in told[-1]
    assert sentences(knockout_table(result, {})) == []
