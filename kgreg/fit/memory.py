"""How much memory a fit needs, before it takes it."""

from __future__ import annotations

import numpy as np
import psutil
import torch

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.errors import FitError
from kgreg.fit.settings import TrainSettings
from kgreg.nn.design import Design

#: Copies of a parameter: itself, its gradient, two moments of the optimiser, the best and the checkpoint's.
_COPIES = 6
#: Copies of an activation in one step: itself, what the way back keeps, its gradient.
_KEPT = 3


def estimate_bytes(blueprint: Blueprint, n_outputs: int, settings: TrainSettings, networks: int) -> int:
    """Return the bytes that ``networks`` fits side by side need beside the data, from the sizes of the blueprint."""
    if isinstance(settings.architecture, Design):  # these are fitted one after the other
        parameters, activations = settings.architecture.size(blueprint, n_outputs)
        return 4 * (_COPIES * parameters + _KEPT * activations * settings.batch_size)
    width = blueprint.nodes.set_index("id")["width"].clip(lower=1)
    source = width.reindex(blueprint.edges["source"]).to_numpy(dtype=np.int64)
    target = width.reindex(blueprint.edges["target"]).to_numpy(dtype=np.int64)
    neurons = int(blueprint.terms["width"].sum()) + len(blueprint.inputs)
    heads = 0 if settings.architecture.heads == "none" else len(blueprint.terms) * n_outputs
    parameters = int((source * target).sum()) + 3 * neurons + heads * int(width.max())
    activations = (neurons + heads) * settings.batch_size
    return 4 * networks * (_COPIES * parameters + _KEPT * activations)


def refuse_too_large(blueprint: Blueprint, samples: Samples, settings: TrainSettings, networks: int) -> None:
    """Refuse fits that would not fit into memory.

    Raises
    ------
    FitError
        With the estimate, what is free, and what makes the network smaller.
    """
    needed = estimate_bytes(blueprint, len(samples.outputs), settings, networks)
    where, free = _free_bytes(settings)
    if needed <= free:
        return
    summary = blueprint.summary()
    links = sum(summary.get(kind, 0) for kind in ("gene_links", "term_links", "interactions"))
    nodes = (
        f"{summary['terms']} terms, {summary['neurons']} neurons"
        if summary["terms"]
        else f"{len(blueprint.nodes)} nodes"
    )
    raise FitError(
        f"The network needs about {_gib(needed)} ({nodes}, "
        f"{links} links, batches of {settings.batch_size}, {networks} fits "
        f"side by side), but {where} has {_gib(free)} free.",
        "Prune it: raise min_genes, lower max_genes or max_depth, set redundancy; or lower width, batch_size or "
        "together.",
    )


def _free_bytes(settings: TrainSettings) -> tuple[str, int]:
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        return "the GPU", int(torch.cuda.mem_get_info()[0])
    return "this machine", int(psutil.virtual_memory().available)


def _gib(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"
