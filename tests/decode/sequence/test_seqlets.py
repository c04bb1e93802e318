"""High stretches of attributions are found and named."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kgreg.decode.sequence.functions import encode
from kgreg.decode.sequence.seqlets import annotate_seqlets, find_seqlets
from kgreg.errors import DataError

WORD = np.array([2, 0, 3, 3, 0, 1, 0, 2], dtype=np.uint8)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (20, 80)).astype(np.uint8)
    heights = rng.normal(scale=0.02, size=(20, 80))
    for row in range(0, 20, 2):
        codes[row, 30:38] = WORD
        heights[row, 30:38] += 1.0
    return codes, (encode(codes).numpy() * heights[:, None]).astype(np.float32)


def test_stretches_are_found_and_named(planted: tuple[np.ndarray, np.ndarray]) -> None:
    codes, attributions = planted
    rng = np.random.default_rng(7)
    motifs = {f"M{i}": rng.dirichlet([0.15] * 4, size=10) * 50 for i in range(30)} | {"own": 50.0 * np.eye(4)[WORD]}
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


def test_no_attributions_no_seqlets(planted: tuple[np.ndarray, np.ndarray]) -> None:
    found = find_seqlets(np.zeros((2, 4, 30)))
    assert found.empty
    assert annotate_seqlets(found, planted[0], {}).empty


def test_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        find_seqlets(np.zeros((2, 5, 30)))
