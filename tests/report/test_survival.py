"""Kaplan-Meier estimates against lifelines, and tertiles of risk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.report import kaplan_meier
from kgreg.report.survival import TERTILES, risk_tertiles


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 999), st.booleans())
def test_the_estimate_is_that_of_lifelines(n: int, seed: int, ties: bool) -> None:
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 6, n).astype(float) if ties else rng.exponential(size=n) + 0.01
    event = rng.random(n) < 0.6
    table = kaplan_meier(time, event)
    fitted = lifelines.KaplanMeierFitter().fit(time, event)
    np.testing.assert_array_equal(table["time"], fitted.survival_function_.index)
    np.testing.assert_allclose(table["survival"], fitted.survival_function_.iloc[:, 0], atol=1e-12)
    between = ((table["survival"] > 0) & (table["survival"] < 1)).to_numpy()
    ends = fitted.confidence_interval_.to_numpy()
    np.testing.assert_allclose(table.loc[between, ["low", "high"]], ends[between], atol=1e-6)
    np.testing.assert_array_equal(table["at_risk"].iloc[1:], fitted.event_table["at_risk"].iloc[1:])


def test_the_estimate_by_hand() -> None:
    table = kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))
    assert table["survival"].tolist() == pytest.approx([1, 3 / 4, 3 / 4 * 2 / 3, 0])
    assert table["at_risk"].tolist() == [4, 4, 3, 1]
    assert table["censored"].tolist() == [0, 0, 1, 0]
    assert np.isnan(table["low"].iloc[-1])


def test_tertiles_are_made_within_a_fold_from_the_mean_of_the_replicates() -> None:
    frames = []
    for replicate, shift in ((0, 0.0), (1, 2.0)):
        for fold in range(2):
            frame = pd.DataFrame({"sample": [f"s{fold}{i}" for i in range(6)], "time": 1.0, "event": True})
            # The network of the second fold gives all samples larger risks.
            frames.append(
                frame.assign(arm="graph", fold=fold, replicate=replicate, risk=np.arange(6) + 100.0 * fold + shift)
            )
    table = risk_tertiles(pd.concat(frames, ignore_index=True))
    assert table["risk"].tolist() == [1.0 + i for i in range(6)] + [101.0 + i for i in range(6)]
    for _, own in table.groupby("fold"):
        assert own["tertile"].tolist() == [name for name in TERTILES for _ in range(2)]
