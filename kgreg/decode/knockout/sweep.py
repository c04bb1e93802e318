"""Every gene of a network knocked out, one by one; the genes expressed alike are each gene's null."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.decode.intervals import overlap_of
from kgreg.decode.knockout.genes import InputGenes
from kgreg.decode.knockout.null import empirical_p, expression_bins, q_values
from kgreg.decode.knockout.population import Population, over_networks, population, terms_table
from kgreg.decode.knockout.table import KnockoutOptions, unit_of
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.progress import Progress, no_progress

#: Subsystems of every gene that are kept, those that move most.
TERMS = 20

_AT_ONCE = 5 * 10**7  # effects on subsystems that are held at a time

COLUMNS = (
    "gene", "node", "kind", "target", "label", "group", "delta", "low", "high", "n", "samples", "dose", "how", "unit",
    "p", "q", "n_null", "seed",
)  # fmt: skip


def sweep_table(
    result: CrossValidation, progress: Progress = no_progress, options: KnockoutOptions | None = None
) -> pd.DataFrame:
    """Knock every gene out of every network of the real graph, one by one, on its own test samples.

    Parameters
    ----------
    options
        Of its doses the first; ``random`` is the least number of genes in a bin of genes expressed alike.

    Returns
    -------
    DataFrame
        One row a gene and effect: ``gene`` (its symbol), ``node``, ``kind``, ``target, label, group, delta, low, high,
        n, samples, dose, how, unit, seed`` as :func:`kgreg.decode.knockout_table` has them. Outputs in all samples,
        and each in those of its own class or label; of subsystems, in all samples, the 20 that move most. ``p``: share
        of the ``n_null`` other genes of the same bin (see :func:`kgreg.decode.knockout.null.expression_bins`) whose
        effect is as large in either direction; ``q``: Benjamini-Hochberg over the genes, for every target and group by
        itself. Both are of outputs alone. p says how far a gene stands out from those like it: the genes of a bin are
        each other's null, so that their p are ranks, 1 / (n_null + 1) at the least, and q is hardly ever small.

    Raises
    ------
    DataError
        As :func:`kgreg.decode.knockout_table`.
    """
    options = options or KnockoutOptions()
    genes = options.genes(result)
    how = options.manipulations(result, genes)[0]
    bins = expression_bins(result, genes, options.random + 1)
    networks = sum(1 for _ in result.fits("graph"))
    size = max(1, _AT_ONCE // max(1, networks * (len(result.blueprint.terms) + len(result.outputs))))
    if not len(genes):
        raise DataError("The network reads no genes, so that there are none to knock out.")
    frames: list[pd.DataFrame] = []
    found: list[Population] = []
    for start in range(0, len(genes), size):
        at = range(start, min(start + size, len(genes)))

        def part(text: str, share: float, start: int = start, n: int = len(at)) -> None:
            progress("knocking out every gene", (start + share * n) / len(genes))

        own = population(
            result, [genes.positions[g] for g in at], how, grouped_terms=False, threads=options.threads, progress=part
        )
        found.append(own)
        frames.append(_terms(result, own, genes, start))
    outputs = np.concatenate([own.outputs for own in found], axis=1)
    table = pd.concat([_outputs(result, found[0], outputs, genes, bins), *frames], ignore_index=True)
    return table.assign(dose=how.dose, how=how.how, seed=result.seed)[list(COLUMNS)]


def _outputs(
    result: CrossValidation, own: Population, values: NDArray[np.float32], genes: InputGenes, bins: NDArray[np.int64]
) -> pd.DataFrame:
    frames = []
    for o, output in enumerate(result.outputs):
        for g, group in enumerate(own.groups):
            if g and group != output:
                continue
            mean, low, high, n = over_networks(values[:, :, g, o], own.folds, overlap_of(result.splits))
            p, n_null = _against_alike(mean, bins)
            frames.append(
                pd.DataFrame(
                    {
                        "gene": genes.labels, "node": genes.nodes, "kind": "output", "target": output, "label": output,
                        "group": group, "delta": mean, "low": low, "high": high, "n": n, "samples": own.samples[g],
                        "unit": unit_of(result), "p": p, "q": q_values(p[:, None])[:, 0], "n_null": n_null,
                    }
                )
            )  # fmt: skip
    table = pd.concat(frames, ignore_index=True)
    return table[table["n"] > 0]


def _against_alike(
    effect: NDArray[np.float64], bins: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Compare every gene with the others of its bin; return p and the number of others, ``[G]`` each."""
    p, n_null = np.full(len(effect), np.nan), np.zeros(len(effect), dtype=np.int64)
    for b in np.unique(bins):
        members = np.flatnonzero(bins == b)
        for g in members:
            others = members[members != g]
            p[g], n_null[g] = empirical_p(effect[g], effect[others]), len(others)
    return p, n_null


def _terms(result: CrossValidation, own: Population, genes: InputGenes, start: int) -> pd.DataFrame:
    """Return the subsystems that move most, of every gene from number ``start`` on."""
    if not own.term_ids:
        return pd.DataFrame(columns=list(COLUMNS))
    mean, low, high, n = (part[:, 0] for part in over_networks(own.terms, own.folds))
    kept = min(TERMS, mean.shape[1])
    best = np.argsort(-mean, axis=1, kind="stable")[:, :kept]
    gene = np.repeat(np.arange(len(mean)), kept)
    term = best.ravel()
    moved = mean[gene, term] > 0
    gene, term = gene[moved], term[moved]
    terms = terms_table(result, own.term_ids)
    return pd.DataFrame(
        {
            "gene": np.array(genes.labels, dtype=object)[start + gene],
            "node": np.array(genes.nodes, dtype=object)[start + gene],
            "kind": "term",
            "target": terms["id"].to_numpy()[term],
            "label": terms["label"].to_numpy()[term],
            "group": own.groups[0],
            "delta": mean[gene, term],
            "low": low[gene, term],
            "high": high[gene, term],
            "n": n[gene, term],
            "samples": own.samples[0],
            "unit": "sd",
            "p": np.nan,
            "q": np.nan,
            "n_null": 0,
        }
    )
