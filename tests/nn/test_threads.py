"""numba's threads leave torch's as they are."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import torch
torch.set_num_threads(1)
from kgreg.nn.threads import use_threads
print(use_threads(), torch.get_num_threads())
"""


def test_starting_the_threads_of_numba_leaves_torch_with_one() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
