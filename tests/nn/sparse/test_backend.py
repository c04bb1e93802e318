"""Which backend computes, and what is said where none can."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from kgreg.errors import FitError
from kgreg.nn.sparse import SparseLinear, choose_backend
from kgreg.nn.sparse import backend as module

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("name", ["auto", "csr", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_cpu_computes_without_triton(name: str, dtype: torch.dtype) -> None:
    assert choose_backend(name, CPU, dtype) == ("csr" if name == "auto" else name)


def test_cuda_computes_with_triton_but_doubles_with_csr() -> None:
    pytest.importorskip("triton")
    assert choose_backend("auto", CUDA, torch.float32) == choose_backend("auto", CUDA, torch.bfloat16) == "triton"
    assert choose_backend("triton", CUDA, torch.float32) == "triton"
    assert choose_backend("auto", CUDA, torch.float64) == choose_backend("triton", CUDA, torch.float64) == "csr"
    assert choose_backend("csr", CUDA, torch.float32) == "csr"


def test_triton_on_the_cpu_is_refused_with_a_way_out() -> None:
    pytest.importorskip("triton")
    with pytest.raises(FitError, match="needs a CUDA device; the data are on 'cpu'") as refused:
        choose_backend("triton", CPU, torch.float32)
    assert "TRITON_INTERPRET=1" in refused.value.hint
    layer = SparseLinear(np.array([0]), np.array([0]), 1, 1, backend="triton")
    with pytest.raises(FitError, match="needs a CUDA device"):
        layer(torch.ones(1, 2))


def test_without_triton_cuda_falls_back_and_a_named_triton_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError(f"no {name}")

    module._import_problem.cache_clear()
    monkeypatch.setattr(importlib, "import_module", broken)
    try:
        assert choose_backend("auto", CUDA, torch.float32) == "csr"
        with pytest.raises(FitError, match=r"importing triton failed \(no .*\)") as refused:
            choose_backend("triton", CUDA, torch.float32)
        assert "Install triton" in refused.value.hint
    finally:
        module._import_problem.cache_clear()


def test_an_unknown_name_is_refused_at_once() -> None:
    with pytest.raises(FitError, match="no backend 'cuda'") as refused:
        SparseLinear(np.array([0]), np.array([0]), 1, 1, backend="cuda")
    assert "auto, reference, csr, triton" in refused.value.hint


def test_training_on_the_cpu_does_not_import_triton() -> None:
    code = """
import sys, numpy as np, torch
from kgreg.nn.sparse import SparseLinear
before = "triton" in sys.modules  # torch itself may import it
SparseLinear(np.array([0]), np.array([0]), 1, 1)(torch.ones(1, 2)).sum().backward()
print(before, "triton" in sys.modules, "kgreg.nn.sparse.triton_kernels" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after, kernels = done.stdout.split()
    assert before == after
    assert kernels == "False"
