"""What each gene owes to the factors that may regulate it: ridge regression restricted to a base network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from kgreg.blueprint.null import exchange_pairs
from kgreg.errors import DataError, some


@dataclass(frozen=True)
class BaseNetwork:
    """Which factors may regulate which genes.

    ``regulators[i]`` are the positions of the genes that may regulate ``targets[i]``, itself not among them.
    """

    targets: NDArray[np.int64]
    regulators: list[NDArray[np.int64]]
    genes: int

    @property
    def links(self) -> int:
        """How many links there are."""
        return sum(len(some) for some in self.regulators)

    @property
    def factors(self) -> NDArray[np.int64]:
        """Positions of the genes that regulate any, ascending."""
        return np.unique(np.concatenate(self.regulators)) if self.regulators else np.zeros(0, dtype=np.int64)

    def pairs(self) -> NDArray[np.int64]:
        """Return ``[n_links, 2]``: regulator and target."""
        sizes = [len(some) for some in self.regulators]
        return np.stack([np.concatenate(self.regulators), np.repeat(self.targets, sizes)], axis=1)


def base_network(table: pd.DataFrame, genes: Sequence[str]) -> BaseNetwork:
    """Return the links of a table that join genes of the data.

    Parameters
    ----------
    table
        ``tf, target``; other columns are not read.
    genes
        Of the data.

    Raises
    ------
    DataError
        If no link is left.
    """
    place = {gene: i for i, gene in enumerate(genes)}
    one, two = (table[name].map(place).to_numpy(dtype=float) for name in ("tf", "target"))
    known = np.isfinite(one) & np.isfinite(two) & (one != two)
    if not known.any():
        raise DataError(
            f"None of the {len(table):,} links of the network joins two genes of the data; it names such as "
            f"{some(pd.concat([table['tf'].head(2), table['target'].head(3)]))}, the data {some(genes)}.",
            "Name genes in both alike.",
        )
    pairs = np.unique(np.stack([two[known], one[known]], axis=1).astype(np.int64), axis=0)
    return _grouped(pairs[:, [1, 0]], len(genes))


def rewired_network(network: BaseNetwork, seed: int) -> BaseNetwork:
    """Return a network in which every factor has as many targets, and every target as many factors, at random."""
    pairs = network.pairs()
    ends = pairs + np.array([0, network.genes])  # the two columns are of different kinds, even where they share genes
    drawn = exchange_pairs(ends, 2 * network.genes, 10, np.random.default_rng(seed), flip=False)
    drawn[:, 1] -= network.genes
    return _grouped(drawn[drawn[:, 0] != drawn[:, 1]], network.genes)


def _grouped(pairs: NDArray[np.int64], genes: int) -> BaseNetwork:
    order = np.lexsort((pairs[:, 0], pairs[:, 1]))
    pairs = pairs[order]
    targets, starts = np.unique(pairs[:, 1], return_index=True)
    return BaseNetwork(targets, np.split(pairs[:, 0], starts[1:]), genes)


def fit_links(
    x: NDArray[np.float64], network: BaseNetwork, alpha: float, weights: NDArray[np.float64] | None = None
) -> sparse.csr_matrix:
    """Fit every target to its regulators by ridge regression with an intercept.

    Parameters
    ----------
    x
        ``[n_cells, n_genes]`` expression.
    alpha
        Penalty of squared coefficients, beside the sum of squared errors.
    weights
        ``[n_cells]`` how often a cell counts; once by default.

    Returns
    -------
    csr_matrix
        ``[n_genes, n_genes]``: rows regulate columns.
    """
    products, place = _products(x, network.factors, weights)
    columns, rows, values = [], [], []
    for target, regulators in zip(network.targets, network.regulators, strict=True):
        inside = place[regulators]
        gram = products[np.ix_(inside, regulators)]
        gram.flat[:: len(regulators) + 1] += alpha
        values.append(np.linalg.solve(gram, products[inside, target]))
        rows.append(regulators)
        columns.append(np.full(len(regulators), target))
    shape = (network.genes, network.genes)
    if not rows:
        return sparse.csr_matrix(shape)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(sparse.coo_matrix(entries, shape=shape))


def choose_links(x: NDArray[np.float64], network: BaseNetwork, alpha: float, p: float) -> BaseNetwork:
    """Return the links whose coefficients are not explained by noise.

    With ``H = (Z.T Z + alpha)^-1`` the covariance of the coefficients is ``s^2 H Z.T Z H``; z is a coefficient in units
    of its standard error. Links with a two-sided p of z above ``p`` are dropped, and so are factors that do not vary.
    """
    products, place = _products(x, network.factors, None)
    squares = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    targets, kept = [], []
    for target, regulators in zip(network.targets, network.regulators, strict=True):
        used = regulators[squares[regulators] > 0]
        if not len(used) or squares[target] == 0:
            continue
        inside = place[used]
        own = products[np.ix_(inside, used)]
        inverse = np.linalg.inv(own + alpha * np.eye(len(used)))
        moments = products[inside, target]
        coefficients = inverse @ moments
        errors = squares[target] - 2 * coefficients @ moments + coefficients @ own @ coefficients
        freedom = max(len(x) - 1 - float(np.trace(inverse @ own)), 1.0)
        variance = np.einsum("ij,jk,ki->i", inverse, own, inverse) * max(errors, 0.0) / freedom
        z = np.abs(coefficients) / np.sqrt(np.maximum(variance, 1e-300))
        good = used[2 * stats.norm.sf(z) <= p]
        if len(good):
            targets.append(target)
            kept.append(good)
    return BaseNetwork(np.array(targets, dtype=np.int64), kept, network.genes)


def held_out_r2(
    x: NDArray[np.float64], network: BaseNetwork, alpha: float, seed: int, folds: int = 5
) -> NDArray[np.float64]:
    """Return for every target of a network the share of its variance that its regulators predict in other cells.

    Returns
    -------
    array
        ``[n_targets]``; 0 is what the mean predicts, and a target may lie below it. NaN where a target does not vary.
    """
    part = np.random.default_rng(seed).permutation(np.arange(len(x)) % folds)
    errors, total = np.zeros(network.genes), np.zeros(network.genes)
    for fold in range(folds):
        train, test = x[part != fold], x[part == fold]
        links = fit_links(train, network, alpha)
        mean = train.mean(axis=0)
        predicted = mean + (test - mean) @ links
        errors += ((test - predicted) ** 2).sum(axis=0)
        total += ((test - mean) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((1 - errors / total)[network.targets])


def _products(
    x: NDArray[np.float64], factors: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return centred products of factors with all genes, ``[n_factors, n_genes]``, and the row of every gene."""
    place = np.full(x.shape[1], -1)
    place[factors] = np.arange(len(factors))
    if weights is None:
        centred = x - x.mean(axis=0)
        return centred[:, factors].T @ centred, place
    centred = x - (weights @ x) / weights.sum()
    return (centred[:, factors] * weights[:, None]).T @ centred, place
