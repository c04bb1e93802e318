"""Run the checks of the Triton kernels through triton's interpreter and on a GPU, and compile them for one.

Triton decides on import whether it interprets, so each way has a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed")

ROOT = Path(__file__).parents[3]
CHECKS = Path(__file__).with_name("triton_checks.py")

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from kgreg.nn.sparse import triton_kernels as kernels

for dtype in ("fp32", "bf16"):
    for kernel, pointers, constants in (
        (kernels.product_kernel, {"values": "*fp32", "x": f"*{dtype}", "y": f"*{dtype}"}, {"REORDERED": True}),
        (kernels.product_kernel, {"values": "*fp32", "x": f"*{dtype}", "y": f"*{dtype}"}, {"REORDERED": False}),
        (kernels.sampled_kernel, {"a": f"*{dtype}", "b": f"*{dtype}", "out": "*fp32"}, {}),
    ):
        constants = {**constants, "TILE": 512}
        index = dict.fromkeys(("pointer", "neighbour", "order", "rows", "cols"), "*i64")
        signature = {
            name: "constexpr" if name in constants else {**index, **pointers}.get(name, "i32")
            for name in kernel.arg_names
        }
        source = ASTSource(kernel, signature, constants)
        assembly = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": True}).asm
        assert assembly["cubin"]
        assert "atom" not in assembly["ptx"]
        print("compiled")
"""


def run(arguments: list[str], **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(**environment: str) -> None:
    said = run(["-m", "pytest", "-p", "no:cacheprovider", str(CHECKS)], **environment)
    assert "passed" in said
    assert "skipped" not in said


def test_the_kernels_interpreted() -> None:
    check(TRITON_INTERPRET="1", KGREG_TRITON_DEVICE="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_kernels_on_a_gpu() -> None:
    check(KGREG_TRITON_DEVICE="cuda")


def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    assert run(["-c", COMPILE], TRITON_CACHE_DIR=str(tmp_path)).split() == ["compiled"] * 6
