"""In silico mutagenesis of a network with DeepSEA's shape: by receptive fields against a pass for every sequence.

    python -m benchmarks.mutagenesis [--length L] [--turns N] [--threads T]

The obvious loop computes every mutated sequence, in batches of 64. tangermeme's ``saturation_mutagenesis`` is measured
too, which recomputes the receptive field of convolutions but all of the dense layer. All find the same numbers, which
is checked before anything is said; the sides take turns, and a ratio is the median of the ratios of neighbouring times.
"""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from tangermeme import saturation_mutagenesis as peer_module
from torch import Tensor, nn

from benchmarks.vnn import take_turns
from kgreg.decode.sequence.functions import encode
from kgreg.decode.sequence.substitutions import mutagenesis


def deepsea(length: int) -> nn.Sequential:
    """Return a network with the layers of DeepSEA (Zhou & Troyanskaya 2015), with random weights."""
    left = (((length - 7) // 4 - 7) // 4) - 7
    return nn.Sequential(
        nn.Conv1d(4, 320, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Conv1d(320, 480, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Conv1d(480, 960, 8), nn.ReLU(), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(960 * left, 925), nn.ReLU(), nn.Linear(925, 919),
    ).eval()  # fmt: skip


def loop(network: nn.Module, codes: NDArray[np.uint8], batch: int = 64) -> Tensor:
    """Return what mutagenesis returns of one sequence, from all mutated sequences: ``[4, length, n_outputs]``."""
    encoded = encode(codes[None])
    base = network(encoded)
    out = base.new_zeros(4, len(codes), base.shape[1])
    position, letter = torch.nonzero(encoded[0].t() == 0, as_tuple=True)
    for at, new in zip(position.split(batch), letter.split(batch), strict=True):
        mutated = encoded.repeat(len(at), 1, 1)
        mutated[torch.arange(len(at)), :, at] = 0
        mutated[torch.arange(len(at)), new, at] = 1
        out[new, at] = network(mutated) - base
    return out


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    peer_module._FAST_MIN_SECONDS = 0.0  # below 30 s it computes everything without a word
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = deepsea(options.length)
    codes = np.random.default_rng(0).integers(0, 4, (1, options.length)).astype(np.uint8)

    def fields() -> NDArray[np.floating]:
        return mutagenesis(network, codes)

    @torch.no_grad()
    def every() -> Tensor:
        return loop(network, codes[0])

    def peer() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that it falls back to computing everything would be a warning
            found = peer_module.saturation_mutagenesis(
                network, encode(codes), raw_outputs=True, batch_size=64, device="cpu"
            )
        return found.y_hat[0] - found.y0[0]

    count = sum(p.numel() for p in network.parameters())
    print(f"{options.length:,} bp, {count:,} parameters; torch {torch.__version__}, {options.threads} threads")
    slow = every().numpy()
    for name, found in (("receptive fields", fields()[0]), ("tangermeme", peer().numpy())):
        worst, largest = np.abs(found - slow).max(), np.abs(slow).max()
        print(f"  {name}: differ from the loop by at most {worst:.0e}; the largest effect is {largest:.0e}")
    timed = take_turns(every, [fields, peer], options.turns, 1)
    for name, (base, own, ratio) in zip(("receptive fields", "tangermeme"), timed, strict=True):
        print(f"  {name:>16}: {own:6.2f} s, loop {base:6.2f} s, {ratio:5.1f} times as fast")


if __name__ == "__main__":
    main()
