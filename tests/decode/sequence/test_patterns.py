"""Filters are read back from what excites them, and seqlets are found; both are matched to motifs.

They stand in one file because what matches them takes 40 seconds to compile: one worker does it for all.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from kgreg.decode.sequence.filters import FilterPattern, filter_patterns
from kgreg.decode.sequence.functions import encode
from kgreg.decode.sequence.matching import benjamini_hochberg, information, match_filters, match_patterns, probabilities
from kgreg.decode.sequence.seqlets import annotate_seqlets, find_seqlets
from kgreg.errors import DataError

SITE = np.array([2, 0, 3, 3, 0, 1, 0, 2])  # GATTACAG


def planted(n: int = 30, length: int = 60, seed: int = 0) -> np.ndarray:
    """Return sequences of which the even ones hold the site at their row's position, or its other strand."""
    codes = np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)
    for row in range(0, n, 2):
        codes[row, row : row + 8] = 3 - SITE[::-1] if row % 4 == 0 else SITE
    return codes


def detector(padding: int = 0, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv1d(4, 2, 8, padding=padding, dilation=dilation)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, torch.from_numpy(SITE), torch.arange(8)] = 1.0
        conv.bias.copy_(torch.tensor([-6.5, -1.0]))
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(2, 1))


@pytest.mark.parametrize("padding", [0, 5])
def test_a_detector_is_read_back(padding: int) -> None:
    codes = planted()
    first, second = filter_patterns(detector(padding), codes)
    exact = [(row, at) for row in range(30) for at in range(53) if (codes[row, at : at + 8] == SITE).all()]
    assert first.sites == len(exact)
    assert first.sequences == len({row for row, _ in exact})
    assert first.maximum == pytest.approx(1.5)
    assert first.threshold == pytest.approx(0.75)
    np.testing.assert_array_equal(first.counts, first.sites * np.eye(4, dtype=int)[SITE])
    assert (second.sites, second.sequences) == (0, 0)
    assert second.counts.shape == (8, 4)


class TwoWidths(nn.Module):
    """Reads both strands with two filters of their own widths."""

    ids, widths = ("MA1", "MA2"), np.array([8, 3])

    def score_map(self, x: Tensor) -> Tensor:
        scores = x.new_full((len(x), 2, 2, x.shape[2]), -torch.inf)
        for i, width in enumerate(self.widths):
            wanted = encode(SITE[None, :width].astype(np.uint8))
            for strand, kernel in enumerate((wanted, wanted.flip(1, 2))):
                found = nn.functional.conv1d(x, kernel)[:, 0]
                scores[:, i, strand, : found.shape[1]] = found
        return scores


class Banked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bank = TwoWidths()


def test_a_bank_is_read_on_both_strands() -> None:
    codes = planted()
    wide, narrow = filter_patterns(Banked(), codes, share=0.99)
    assert wide.sites == 15
    np.testing.assert_array_equal(wide.counts, 15 * np.eye(4, dtype=int)[SITE])
    assert narrow.counts.shape == (3, 4)
    np.testing.assert_array_equal(narrow.counts, narrow.sites * np.eye(4, dtype=int)[SITE[:3]])


def test_batches_count_alike() -> None:
    codes = planted()
    for one, other in zip(
        filter_patterns(Banked(), codes, share=0.6),
        filter_patterns(Banked(), codes, share=0.6, batch_size=7),
        strict=True,
    ):
        np.testing.assert_array_equal(one.counts, other.counts)
        assert (one.sites, one.sequences) == (other.sites, other.sequences)


def test_other_networks_have_no_filters() -> None:
    assert filter_patterns(nn.Sequential(nn.Flatten(), nn.Linear(240, 1)), planted()) == []


def test_a_share_is_between_0_and_1() -> None:
    with pytest.raises(DataError, match="share"):
        filter_patterns(detector(), planted(), share=1.0)


def database(n: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    found = {f"M{i}": rng.dirichlet([0.15] * 4, size=10) * 50 for i in range(n)}
    return {**found, "gattacag": 50.0 * np.eye(4)[SITE]}


def test_a_filter_finds_its_motif_whichever_way_round() -> None:
    patterns = filter_patterns(Banked(), planted(), share=0.99)
    motifs = database()
    table = match_filters(patterns, motifs, top=1).set_index("filter")
    assert table.loc["MA1", ["motif", "rank", "overlap", "orientation"]].tolist() == ["gattacag", 1, 8, "+"]
    assert table.loc["MA1", "sites"] == 15
    assert table.loc["MA1", "p"] <= table.loc["MA1", "q"] < 0.01
    turned = match_patterns({"f": patterns[0].counts[::-1, ::-1]}, motifs, top=1)
    assert turned[["motif", "orientation"]].to_numpy().tolist() == [["gattacag", "-"]]


def test_the_motif_a_filter_began_with_is_told_whatever_its_rank() -> None:
    patterns = filter_patterns(Banked(), planted(), share=0.99)
    motifs = {**database(), "MA1": 50.0 * np.eye(4)[[1, 1, 1, 1, 1, 2]]}
    table = match_filters(patterns, motifs, top=1).query("filter == 'MA1'")
    assert table["motif"].tolist() == ["gattacag", "MA1"]
    assert table["own"].tolist() == [False, True]
    assert table["rank"].iloc[1] > 1


def test_few_sites_are_not_matched() -> None:
    patterns = filter_patterns(Banked(), planted(), share=0.99)
    few = match_filters(patterns, database(), least_sites=10_000)
    assert few["filter"].tolist() == ["MA1", "MA2"]
    assert few["motif"].tolist() == ["", ""]
    assert few["sites"].iloc[0] == 15


def test_patterns_without_information_are_not_matched() -> None:
    flat = FilterPattern("wide", np.full((19, 4), 100), 400, 50, 1.0, 2.0)
    assert match_filters([flat], database())["motif"].tolist() == [""]


def test_q_values_are_those_of_scipy() -> None:
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).uniform(size=50)
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    small = np.sort(p)[:5]
    padded = np.concatenate([small, np.ones(95)])
    np.testing.assert_allclose(benjamini_hochberg(small, 100), false_discovery_control(padded)[:5])


def test_information_of_certain_and_of_no_letters() -> None:
    assert information(1e9 * np.eye(4)) == pytest.approx(8.0, abs=1e-3)
    assert information(np.zeros((3, 4)), 0) == pytest.approx(0.0)
    np.testing.assert_allclose(probabilities(np.array([[3.0, 0, 0, 0]]), 1.0), [[3.25 / 4, 1 / 16, 1 / 16, 1 / 16]])


# ---- seqlets ----


@pytest.fixture(scope="module")
def stretches() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (20, 80)).astype(np.uint8)
    heights = rng.normal(scale=0.02, size=(20, 80))
    for row in range(0, 20, 2):
        codes[row, 30:38] = SITE
        heights[row, 30:38] += 1.0
    return codes, (encode(codes).numpy() * heights[:, None]).astype(np.float32)


def test_stretches_are_found_and_named(stretches: tuple[np.ndarray, np.ndarray]) -> None:
    codes, attributions = stretches
    rng = np.random.default_rng(7)
    motifs = {f"M{i}": rng.dirichlet([0.15] * 4, size=10) * 50 for i in range(30)} | {"own": 50.0 * np.eye(4)[SITE]}
    found = find_seqlets(attributions, threshold=0.005)
    named = annotate_seqlets(found, codes, motifs, {"own": "GATTACA"}, names=[f"s{i}" for i in range(20)])
    best = named.head(10)
    assert set(best["sequence"]) == {f"s{i}" for i in range(0, 20, 2)}
    assert (best["attribution"] > 5).all()
    assert (best["motif"] == "own").all()
    assert (best["label"] == "GATTACA").all()
    assert best["word"].str.contains("TTACA").all()


def test_a_control_chooses_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's own search for it takes seconds to compile; here it is asked for what it is to be asked."""
    asked: dict[str, object] = {}

    def recursive_seqlets(values: object, **options: object) -> pd.DataFrame:
        asked.update(options, values=values)
        return pd.DataFrame({"example_idx": [1], "start": [2], "end": [9], "attribution": [3.5], "p-value": [0.001]})

    peer = SimpleNamespace(recursive_seqlets=recursive_seqlets)
    monkeypatch.setattr("kgreg.decode.sequence.seqlets.need", lambda module, extra: peer)
    heights = np.random.default_rng(3).normal(size=(2, 4, 30))
    found = find_seqlets(heights, control=heights[:1], fdr=0.2)
    assert asked["target_fdr"] == 0.2
    np.testing.assert_allclose(asked["X_control"], heights[:1].sum(axis=1))  # type: ignore[arg-type]
    assert found.to_dict("records") == [{"sequence": 1, "start": 2, "end": 9, "attribution": 3.5, "p": 0.001}]


def test_no_attributions_no_seqlets(stretches: tuple[np.ndarray, np.ndarray]) -> None:
    found = find_seqlets(np.zeros((2, 4, 30)))
    assert found.empty
    assert annotate_seqlets(found, stretches[0], {}).empty


def test_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        find_seqlets(np.zeros((2, 5, 30)))
