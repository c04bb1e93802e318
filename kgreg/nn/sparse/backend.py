"""Which code computes the products."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Literal, get_args

import torch

from kgreg.errors import FitError

Backend = Literal["auto", "reference", "csr", "triton"]
_BACKENDS: dict[str, Backend] = {name: name for name in get_args(Backend)}

# Imported when first asked for: triton takes a second to import, and is not everywhere.
_KERNELS = "kgreg.nn.sparse.triton_kernels"


def choose_backend(name: str, device: torch.device, dtype: torch.dtype) -> Backend:
    """Return the backend that computes products of tensors of ``dtype`` on ``device``.

    Parameters
    ----------
    name
        ``"auto"``: ``triton`` on CUDA where triton can be imported, ``csr`` elsewhere. ``"reference"`` (dense
        matrices), ``"csr"`` (torch's CSR matrices) and ``"triton"`` ask for one.
    device
        Of the activations.
    dtype
        Of the activations. The kernels add up in float32, so ``csr`` computes float64 in the place of ``triton``.

    Raises
    ------
    FitError
        If the name is none of these, or triton is asked for where it cannot run.
    """
    asked = check_name(name)
    if asked == "auto":
        asked = "triton" if device.type == "cuda" and _import_problem() is None else "csr"
    if asked != "triton":
        return asked
    problem = _import_problem()
    if problem is not None:
        raise FitError(
            f"The backend 'triton' cannot be used: {problem}.", "Install triton, or choose the backend 'auto' or 'csr'."
        )
    if device.type != "cuda" and not _interpreted():
        raise FitError(
            f"The backend 'triton' needs a CUDA device; the data are on '{device.type}'.",
            "Move model and data to a CUDA device, or choose the backend 'auto' or 'csr'. With TRITON_INTERPRET=1 set "
            "before Python starts, the kernels run on the CPU, slowly.",
        )
    return "csr" if dtype == torch.float64 else "triton"


def check_name(name: str) -> Backend:
    """Return ``name`` if it is that of a backend.

    Raises
    ------
    FitError
        If it is not.
    """
    if name not in _BACKENDS:
        raise FitError(f"There is no backend {name!r}.", f"Choose one of {', '.join(_BACKENDS)}.")
    return _BACKENDS[name]


def _interpreted() -> bool:
    interpreted: bool = importlib.import_module(_KERNELS).INTERPRETED
    return interpreted


@cache
def _import_problem() -> str | None:
    # Triton is missing on some platforms, and fails on import in broken installations.
    try:
        importlib.import_module(_KERNELS)
    except Exception as problem:
        return f"importing triton failed ({problem})"
    return None
