"""The estimate of a fit's memory against what fits take."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Terms, genes, annotations a gene, width, batch, networks: one with many weights, one with many activations.
SIZES = [(900, 2000, 10, 20, 16, 6), (600, 1200, 4, 6, 2500, 2)]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is given back to the system on Linux")
def test_the_estimate_is_within_a_factor_of_two_of_what_is_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fit.measure_memory", json.dumps(SIZES)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for sizes, (estimate, taken) in zip(SIZES, json.loads(done.stdout.splitlines()[-1]), strict=True):
        assert taken > 100 * 2**20, "too small to tell anything"
        assert taken / 2 < estimate < 2 * taken, f"{sizes}: {estimate / 2**20:.0f} MiB, taken {taken / 2**20:.0f} MiB"
