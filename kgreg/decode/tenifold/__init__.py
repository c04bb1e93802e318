"""Virtual knockouts without a trained network (scTenifoldKnk): networks of genes, aligned with and without some."""

from kgreg.decode.tenifold.alignment import Alignment
from kgreg.decode.tenifold.knockout import (
    TenifoldResult,
    TenifoldSettings,
    build_network,
    prepare_cells,
    virtual_knockouts,
)
from kgreg.decode.tenifold.networks import component_network, component_regression, resampled_networks
from kgreg.decode.tenifold.regulation import fold_changes, z_scores
from kgreg.decode.tenifold.tensor import Decomposition, decompose, denoised

__all__ = [
    "Alignment",
    "Decomposition",
    "TenifoldResult",
    "TenifoldSettings",
    "build_network",
    "component_network",
    "component_regression",
    "decompose",
    "denoised",
    "fold_changes",
    "prepare_cells",
    "resampled_networks",
    "virtual_knockouts",
    "z_scores",
]
