"""Expression in which chosen genes of chosen terms drive the outcome: truth to hold rankings and intervals against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError


def simulate_drivers(
    n_samples: int = 400,
    n_roots: int = 4,
    n_children: int = 4,
    genes: int = 6,
    planted: int = 3,
    drivers: int | None = None,
    effect: float = 1.0,
    correlation: float = 0.2,
    shared: float = 0.1,
    classes: int = 2,
    seed: int = 0,
    draw: int = 0,
) -> Simulation:
    """Simulate expression in which genes of some terms drive the outcome.

    ``n_roots`` root terms have ``n_children`` leaf terms each, a leaf has ``genes`` genes of its own, and the share
    ``shared`` of all genes stands in a second leaf too. Genes of one leaf are correlated: a standardised level is
    ``z_g = sqrt(correlation) u_leaf + sqrt(1 - correlation) e_g``, expression is ``max(m_g + s_g z_g, 0)`` with
    ``m ~ U(3, 6)`` and ``s ~ U(0.5, 1)``. In ``planted`` leaves ``drivers`` genes drive: the i-th planted leaf adds
    ``effect`` times the sum of its drivers' z, divided by the square root of their number, to the logit of class
    ``i modulo classes``, and a class is drawn. With ``classes = 1`` the outcome is a value, which the i-th planted
    leaf raises (i even) or lowers, plus N(0, 1).

    Parameters
    ----------
    drivers
        Genes of a planted leaf that drive. Default: all of its own.
    effect
        0 for an outcome that has nothing to do with expression.
    classes
        2 or more, or 1 for a value.
    seed, draw
        ``seed`` is of the knowledge and of what is planted, ``draw`` of the samples: simulations that differ in
        ``draw`` alone are samples of one truth.

    Returns
    -------
    Simulation
        ``adata`` with ``outcome`` in ``obs``; the tables ``hierarchy`` (child, parent) and ``annotations`` (gene,
        term); ``truth`` with ``node, kind`` (term or gene), ``planted``, ``beside`` (neither planted nor free of
        signal: a term above a planted one, another term of a driver, a gene that is correlated with drivers),
        ``output`` (the class that it raises, or "outcome"; "" if it is not planted) and ``sign``
        (1 raises, -1 lowers, 0 is not planted).

    Raises
    ------
    DataError
        If the numbers do not fit each other.
    """
    import anndata

    n_leaves = n_roots * n_children
    own = genes if drivers is None else drivers
    if (
        min(n_samples, n_roots, n_children, genes) < 2
        or not 1 <= own <= genes
        or not 1 <= planted <= n_leaves
        or classes < 1
        or not 0 <= correlation < 1
        or not 0 <= shared <= 1
    ):
        raise DataError(
            f"{n_samples} samples, {n_roots} roots, {n_children} children, {genes} genes, {planted} planted leaves, "
            f"{own} drivers a leaf, {classes} classes, correlation {correlation} and a share of {shared} do not make a "
            "simulation.",
            "Give at least 2 of the first four, at most as many planted leaves and drivers as there are leaves and "
            "genes, and shares between 0 and 1.",
        )
    rng = np.random.default_rng([seed, 0])
    roots = [f"T{i + 1}" for i in range(n_roots)]
    leaves = [f"{root}.{i + 1}" for root in roots for i in range(n_children)]
    names = [f"G{i + 1:04d}" for i in range(n_leaves * genes)]
    leaf_of = np.repeat(np.arange(n_leaves), genes)
    second = rng.choice(len(names), round(len(names) * shared), replace=False)
    other = (leaf_of[second] + rng.integers(1, n_leaves, len(second))) % n_leaves
    chosen = np.sort(rng.choice(n_leaves, planted, replace=False))
    weight, output, sign = _plant(rng, leaf_of, chosen, own, classes)
    mean, spread = rng.uniform(3, 6, len(names)), rng.uniform(0.5, 1, len(names))

    rng = np.random.default_rng([seed, 1, draw])
    common = rng.normal(size=(n_samples, n_leaves))
    z = np.sqrt(correlation) * common[:, leaf_of] + np.sqrt(1 - correlation) * rng.normal(size=(n_samples, len(names)))
    logits = effect * z @ weight
    if classes == 1:
        outcome: Any = (logits[:, 0] + rng.normal(size=n_samples)).astype(np.float32)
    else:
        outcome = [f"class {c + 1}" for c in np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)]
    expression = np.maximum(mean + spread * z, 0).astype(np.float32)
    obs = pd.DataFrame({"outcome": outcome}, index=[f"sample{i + 1}" for i in range(n_samples)])
    tables = {
        "hierarchy": pd.DataFrame({"child": leaves, "parent": np.repeat(roots, n_children)}),
        "annotations": pd.DataFrame(
            {
                "gene": [*names, *(names[i] for i in second)],
                "term": [leaves[i] for i in (*leaf_of, *other)],
            }
        ),
    }
    about = {
        "simulator": "drivers", "n_samples": n_samples, "n_roots": n_roots, "n_children": n_children, "genes": genes,
        "planted": [leaves[i] for i in chosen], "drivers": own, "effect": effect, "correlation": correlation,
        "shared": shared, "classes": classes, "seed": seed, "draw": draw,
    }  # fmt: skip
    adata = anndata.AnnData(expression, obs=obs, var=pd.DataFrame(index=names))
    return Simulation(adata, tables, _truth(tables, names, roots, leaves, chosen, output, sign), about)


def _plant(
    rng: np.random.Generator, leaf_of: NDArray[Any], chosen: NDArray[Any], drivers: int, classes: int
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.int64]]:
    """Return the weights ``[n_genes, n_outputs]``, and for every gene the output that it drives and the sign."""
    weight = np.zeros((len(leaf_of), classes))
    output, sign = np.full(len(leaf_of), "", dtype=object), np.zeros(len(leaf_of), dtype=np.int64)
    for i, leaf in enumerate(chosen):
        driving = rng.choice(np.flatnonzero(leaf_of == leaf), drivers, replace=False)
        output[driving] = "outcome" if classes == 1 else f"class {i % classes + 1}"
        sign[driving] = -1 if classes == 1 and i % 2 else 1
        weight[driving, i % classes] = sign[driving] / np.sqrt(drivers)
    return weight, output, sign


def _truth(
    tables: dict[str, pd.DataFrame],
    names: list[str],
    roots: list[str],
    leaves: list[str],
    chosen: NDArray[Any],
    output: NDArray[Any],
    sign: NDArray[np.int64],
) -> pd.DataFrame:
    """Return what is planted, and what holds some of it without being planted."""
    links = tables["annotations"]
    driver = dict(zip(names, zip(output, sign, strict=True), strict=True))
    planted = {leaves[i] for i in chosen}
    rows = []
    for term in (*roots, *leaves):
        members = links.loc[links["term"].str.startswith(f"{term}.") | (links["term"] == term), "gene"]
        driving = [driver[gene] for gene in members if driver[gene][1]]
        what = driving[0] if term in planted else ("", 0)
        rows.append((term, "term", term in planted, bool(driving) and term not in planted, *what))
    first = dict(zip(reversed(links["gene"].tolist()), reversed(links["term"].tolist()), strict=True))
    for gene in names:
        rows.append(
            (gene, "gene", bool(driver[gene][1]), not driver[gene][1] and first[gene] in planted, *driver[gene])
        )
    return pd.DataFrame(rows, columns=["node", "kind", "planted", "beside", "output", "sign"])
