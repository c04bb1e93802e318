"""Seeds from seeds."""

from __future__ import annotations

import numpy as np


def mix(*numbers: int) -> int:
    """Return one positive seed from several."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] % (2**31 - 2)) + 1
