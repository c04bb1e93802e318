"""Which gene sets the best genes of a run belong to, with the null that a network guided by such sets needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from kgreg.decode.enrichment.gene_sets import GeneSets
from kgreg.decode.enrichment.statistics import hypergeometric, normalised, rank_sum, running_sum
from kgreg.decode.enrichment.study import go_study
from kgreg.decode.nulls import against_null
from kgreg.decode.tables import of_output
from kgreg.errors import DataError
from kgreg.progress import Progress, no_progress

#: What :func:`enrich` can do; "goatools" and "elim" need that package, and a hierarchy.
ALL_METHODS = ("hypergeometric", "rank", "goatools", "elim")

#: What it does unless asked otherwise.
METHODS = ("hypergeometric", "rank")

#: How many of the best genes are held against the others, if the network has five times as many.
TOP_GENES = 50

#: Sets with fewer or more genes of the network are not tested.
MIN_GENES, MAX_GENES = 5, 500

#: Genes that are named of a set, the best first.
LEADING = 20

#: Nulls that enrichment is compared in; the first that was trained is used. Networks on permuted labels read the same
#: graph, so what the graph itself makes rank high is in them too.
NULLS = ("labels", "rewired")

COLUMNS = (
    "output", "collection", "set", "label", "method", "genes_in_set", "overlap", "expected", "statistic", "nes",
    "p", "q", "p_null", "null", "leading", "background", "n", "seed",
)  # fmt: skip


def enrich(
    ranking: pd.DataFrame,
    collections: Sequence[GeneSets],
    *,
    outputs: Sequence[str] | None = None,
    top: int | None = None,
    methods: Sequence[str] = METHODS,
    node_scores: pd.DataFrame | None = None,
    min_genes: int = MIN_GENES,
    max_genes: int = MAX_GENES,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Test which gene sets hold more of the best genes than chance gives them.

    The background are the ranked genes of the network, not the genome: a network over genes chosen for their variance
    would otherwise be enriched in whatever they were chosen for.

    "hypergeometric": the ``top`` best genes against all others (Fisher's exact test, one-sided). "rank": all genes by
    what ranks them (z against their null, else the score), with the rank-sum test of Wilcoxon, Mann and Whitney.
    "goatools": the first by ``GOEnrichmentStudy`` of goatools (Klopfenstein et al. 2018), the same numbers. "elim": the
    same with the algorithm of Alexa et al. (2006), which tests the most special terms first and takes the genes of a
    significant one out of the terms above it. The last two need a hierarchy, and goatools.

    p-values that draw genes at random take them for independent, which genes of a pathway are not, and know nothing of
    the graph: a network guided by GO looks where GO has terms, signal or not. ``p_null`` compares the enrichment in
    every network with that in the networks of a null (permuted labels, else rewired graphs), as the ranking does with
    scores: see :func:`kgreg.decode.nulls.against_null`.

    Parameters
    ----------
    ranking
        Of :func:`kgreg.decode.explain`.
    collections
        From :func:`read_gene_sets`.
    outputs
        Which; default: all.
    top
        Best genes; default: 50, or a fifth of the genes if that is less.
    node_scores
        ``node, output, arm, fold, replicate, score`` of every network; without them there is no ``p_null``.
    min_genes, max_genes
        Sizes of the sets that are tested, in genes of the network.

    Returns
    -------
    DataFrame
        ``output, collection, set, label, method``, ``genes_in_set`` (of the network), ``overlap`` with the best genes
        and how much of it is ``expected``, ``statistic`` (overlap over expected; of "rank" the chance that a gene of
        the set ranks above one outside), ``nes`` (normalised enrichment score of Subramanian et al. 2005; "rank"),
        ``p, q`` (Benjamini and Hochberg's within output, collection and method), ``p_null, null``, ``leading`` (labels
        of at most 20 genes: those of the overlap; of "rank" those before the peak of the running sum), ``background``
        (genes), ``n`` (networks), ``seed``; sorted by p within output, collection and method.

    Raises
    ------
    DataError
        If an output or a method is unknown, ``top`` leaves no gene to compare with, no genes were ranked, or "goatools"
        or "elim" are asked for without a hierarchy.
    """
    for method in methods:
        if method not in ALL_METHODS:
            raise DataError(f"There is no method '{method}' of enrichment.", f"Choose from {', '.join(ALL_METHODS)}.")
    genes = ranking[ranking["kind"] == "gene"]
    if genes.empty:
        raise DataError("No genes were ranked, so there is nothing to enrich.", "Networks that read DNA have none.")
    names = list(dict.fromkeys(genes["output"])) if outputs is None else list(outputs)
    frames = []
    for done, output in enumerate(names):
        progress(f"testing gene sets, {output}", done / len(names))
        own = of_output(genes, output).sort_values("rank")
        scored = None if node_scores is None or node_scores.empty else node_scores[node_scores["output"] == output]
        for sets in collections:
            frames += [
                _tested(own, sets, method, top, scored, min_genes, max_genes).assign(output=output)
                for method in methods
            ]
    table = pd.concat(frames, ignore_index=True)
    return table[list(COLUMNS)]


def _tested(
    own: pd.DataFrame,
    sets: GeneSets,
    method: str,
    top: int | None,
    scored: pd.DataFrame | None,
    min_genes: int,
    max_genes: int,
) -> pd.DataFrame:
    """Return the table of one output, collection and method; ``own``: its genes, best first."""
    members = sets.over(own["node"].tolist())
    sizes = np.diff(members.indptr)
    tested = np.flatnonzero((sizes >= min_genes) & (sizes <= max_genes) & (sizes < len(own)))
    members = members[tested]
    best = _best(len(own), top)
    overlap = hypergeometric(members, np.arange(len(own)) < best)
    values = own["z"].where(own["null"] != "none", own["score"]).fillna(-np.inf).to_numpy(dtype=float)
    table = sets.sets.iloc[tested].assign(
        collection=sets.collection, method=method, genes_in_set=sizes[tested], overlap=overlap.overlap,
        expected=overlap.expected, nes=np.nan, background=len(own), n=int(own["n"].max()),
        seed=int(own["seed"].iloc[0]),
    )  # fmt: skip
    last = np.full(len(tested), best)
    if method == "rank":
        found = rank_sum(members, values)
        finite = np.where(np.isfinite(values), values, np.nanmin(values[np.isfinite(values)], initial=0.0))
        sums = running_sum(members, finite)
        table["statistic"], table["p"] = found.auc, found.p
        table["nes"] = normalised(sums.score, sizes[tested], finite)
        last = np.where(sums.score > 0, sums.peak, 0)
    else:
        table["statistic"], table["p"] = overlap.overlap / np.maximum(overlap.expected, 1e-300), overlap.p
        if method in ("goatools", "elim"):
            p = go_study(sets, own["node"].tolist(), best, eliminate=method == "elim")
            table["p"] = table["set"].map(p).fillna(1.0).to_numpy(dtype=float)
    table["q"] = stats.false_discovery_control(table["p"]) if len(table) else np.nan
    table["p_null"], table["null"] = _against_networks(own, members, method, best, scored)
    labels = own["label"].to_numpy()
    table["leading"] = [
        ", ".join(labels[np.sort(row)[:LEADING]])
        for row in (
            members.indices[a:b][members.indices[a:b] < end]
            for a, b, end in zip(members.indptr[:-1], members.indptr[1:], last, strict=True)
        )
    ]
    return table.sort_values("p", kind="stable")


def _best(total: int, top: int | None) -> int:
    if top is None:
        return min(TOP_GENES, max(1, total // 5))
    if not 0 < top < total:
        raise DataError(
            f"The best {top} genes cannot be held against the others: {total} genes were ranked.",
            f"Choose a number from 1 to {total - 1}.",
        )
    return top


def _against_networks(
    own: pd.DataFrame, members: sparse.csr_array, method: str, best: int, scored: pd.DataFrame | None
) -> tuple[NDArray[np.float64] | float, str]:
    """Return p of every set against the networks of a null, and which; NaN and "none" without two draws of one."""
    if scored is None or method == "elim" or not members.shape[0]:
        return np.nan, "none"
    kinds = scored["arm"].str.replace(r"-\d+$", "", regex=True)
    place = pd.Index(own["node"])
    for null in NULLS:
        draws = [arm for arm in dict.fromkeys(scored["arm"]) if arm.startswith(f"{null}-")]
        if len(draws) < 2 or not (kinds == "graph").any():
            continue
        each = [_strength(scored[scored["arm"] == arm], place, members, method, best) for arm in ("graph", *draws)]
        _, p = against_null(each[0], np.stack(each[1:]), np.full(members.shape[0], "set"))
        return p, null
    return np.nan, "none"


def _strength(
    scored: pd.DataFrame, place: pd.Index[str], members: sparse.csr_array, method: str, best: int
) -> NDArray[np.float64]:
    """Return how strongly sets are enriched in every network of an arm, ``[n_networks, n_sets]``, in z."""
    own = scored[scored["node"].isin(place)]
    network = own.groupby(["fold", "replicate"], sort=True).ngroup().to_numpy()
    values = np.full((network.max(initial=-1) + 1, len(place)), -np.inf)
    values[network, place.get_indexer(pd.Index(own["node"]))] = own["score"].fillna(-np.inf)
    if method == "rank":
        return rank_sum(members, values).z
    chosen = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(chosen, np.argsort(-values, axis=1, kind="stable")[:, :best], True, axis=1)
    found = hypergeometric(members, chosen)
    sizes, total = np.diff(members.indptr), len(place)
    variance = found.expected * (1 - sizes / total) * (total - best) / (total - 1)
    z: NDArray[np.float64] = (found.overlap - found.expected) / np.sqrt(np.maximum(variance, 1e-12))
    return z
