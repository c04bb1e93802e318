"""Genes in conditions, switched by a few transcription factors that bind to them and are there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError


def simulate_regulators(
    n_samples: int = 1500,
    n_genes: int = 150,
    n_conditions: int = 60,
    n_factors: int = 40,
    planted: int = 5,
    bound: float = 0.3,
    effect: float = 2.0,
    seed: int = 0,
) -> Simulation:
    """Simulate which genes are on in which conditions, given binding sites and the expression of their factors.

    A factor has sites at a share ``bound`` of the genes, with strengths between 0.5 and 1.5; its expression varies over
    the conditions with sd 1 about 3. A sample is a gene in a condition, drawn at random. Its log odds of being on are
    ``sum_t effect_t binding_t (expression_t - 3)`` over the planted factors, half of which activate and half repress:
    neither a site nor the expression of a factor says anything alone.

    Parameters
    ----------
    effect
        Size of ``effect_t``.

    Returns
    -------
    Simulation
        ``adata`` has the factors as columns, the layers ``binding`` and ``expression``, and in ``obs`` ``state`` ("on"
        or "off"), ``gene`` and ``condition``. The truth has ``node, planted, effect``.

    Raises
    ------
    DataError
        If the numbers make no samples or no factors.
    """
    import anndata

    if not 1 <= planted <= n_factors or min(n_samples, n_genes, n_conditions) < 2 or not 0 < bound <= 1:
        raise DataError(
            f"There is nothing to simulate with {planted} of {n_factors} factors planted, {n_samples} samples of "
            f"{n_genes} genes in {n_conditions} conditions, and sites at a share of {bound} of the genes.",
            "Plant at least one factor and no more than there are, in two samples or more.",
        )
    rng = np.random.default_rng(seed)
    binding = rng.uniform(0.5, 1.5, (n_genes, n_factors)) * (rng.random((n_genes, n_factors)) < bound)
    expression = rng.normal(3, 1, (n_conditions, n_factors))
    weight = np.zeros(n_factors)
    chosen = rng.choice(n_factors, planted, replace=False)
    weight[chosen] = effect * np.where(np.arange(planted) % 2, -1, 1)
    gene, condition = rng.integers(n_genes, size=n_samples), rng.integers(n_conditions, size=n_samples)
    sites, amount = binding[gene], expression[condition]
    on = rng.random(n_samples) < 1 / (1 + np.exp(-(sites * (amount - 3)) @ weight))
    names = [f"TF{i + 1:03d}" for i in range(n_factors)]
    obs = pd.DataFrame(
        {
            "state": np.where(on, "on", "off"),
            "gene": [f"gene{g + 1}" for g in gene],
            "condition": [f"condition{c + 1}" for c in condition],
        },
        index=[f"sample{i + 1}" for i in range(n_samples)],
    )
    adata = anndata.AnnData(amount.astype(np.float32), obs=obs, var=pd.DataFrame(index=names))
    adata.layers["binding"], adata.layers["expression"] = sites.astype(np.float32), amount.astype(np.float32)
    truth = pd.DataFrame({"node": names, "planted": weight != 0, "effect": weight})
    about = {
        "simulator": "regulators", "n_samples": n_samples, "n_genes": n_genes, "n_conditions": n_conditions,
        "n_factors": n_factors, "planted": planted, "bound": bound, "effect": effect, "seed": seed,
    }  # fmt: skip
    return Simulation(adata, {}, truth, about)
