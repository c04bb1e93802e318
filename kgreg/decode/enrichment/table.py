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
    "p", "q", "p_null", "q_null", "null", "p_rewired", "leading", "background", "n", "seed",
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
    every network with that in the networks of a null, as the ranking does with scores (see
    :func:`kgreg.decode.nulls.against_null`): permuted labels, which have the graph and no outcome; without them rewired
    graphs, which have the outcome and other terms. ``p_rewired`` is of the latter: a set that is enriched there as well
    is found without what the graph says of it.

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
        ``p, q`` (Benjamini and Hochberg's within output, collection and method), ``p_null, q_null, null, p_rewired``
        (NaN without two draws of the null), ``leading`` (labels of at most 20 genes: those of the overlap; of "rank"
        those before the peak of the running sum), ``background`` (genes), ``n`` (networks), ``seed``; sorted by p
        within output, collection and method.

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
        networks = None
        if node_scores is not None and not node_scores.empty:
            networks = _Networks(node_scores[node_scores["output"] == output], own["node"])
        for sets in collections:
            frames += [
                _tested(own, sets, method, top, networks, min_genes, max_genes).assign(output=output)
                for method in methods
            ]
    table = pd.concat(frames, ignore_index=True)
    return table[list(COLUMNS)]


def _tested(
    own: pd.DataFrame,
    sets: GeneSets,
    method: str,
    top: int | None,
    networks: _Networks | None,
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
        ranks = rank_sum(members, values)
        finite = np.where(np.isfinite(values), values, np.nanmin(values[np.isfinite(values)], initial=0.0))
        sums = running_sum(members, finite)
        table["statistic"], table["p"] = ranks.auc, ranks.p
        table["nes"] = normalised(sums.score, sizes[tested], finite)
        last = np.where(sums.score > 0, sums.peak, 0)
    else:
        table["statistic"], table["p"] = overlap.overlap / np.maximum(overlap.expected, 1e-300), overlap.p
        if method in ("goatools", "elim"):
            p = go_study(sets, own["node"].tolist(), best, eliminate=method == "elim")
            table["p"] = table["set"].map(p).fillna(1.0).to_numpy(dtype=float)
    table["q"] = stats.false_discovery_control(table["p"]) if len(table) else np.nan
    found = {} if networks is None or method == "elim" else networks.p(members, method, best)
    null = next((name for name in NULLS if name in found), "none")
    table["p_null"], table["null"] = found.get(null, np.nan), null
    table["q_null"] = stats.false_discovery_control(table["p_null"]) if found and len(table) else np.nan
    table["p_rewired"] = found.get("rewired", np.nan)
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


class _Networks:
    """The genes' scores in every network of the graph and of the nulls: ``values [n_networks, n_genes]``."""

    def __init__(self, scored: pd.DataFrame, nodes: pd.Series[str]) -> None:
        place = pd.Index(nodes).get_indexer(pd.Index(scored["node"]))
        own = scored[place >= 0]
        network = own.groupby(["arm", "fold", "replicate"], sort=True, observed=True).ngroup().to_numpy()
        self.values = np.full((network.max(initial=-1) + 1, len(nodes)), -np.inf)
        self.values[network, place[place >= 0]] = own["score"].fillna(-np.inf)
        self.arm = np.empty(len(self.values), dtype=object)
        self.arm[network] = own["arm"].astype(str)

    def p(self, members: sparse.csr_array, method: str, best: int) -> dict[str, NDArray[np.float64]]:
        """Return null -> p of every set, for those nulls that have two draws or more."""
        draws = {null: [arm for arm in dict.fromkeys(self.arm) if arm.startswith(f"{null}-")] for null in NULLS}
        usable = [null for null, names in draws.items() if len(names) > 1]
        if not usable or "graph" not in self.arm or not members.shape[0]:
            return {}
        strength = rank_sum(members, self.values).z if method == "rank" else self._overlap_z(members, best)
        of = {arm: strength[self.arm == arm] for arm in dict.fromkeys(self.arm)}
        kinds = np.full(members.shape[0], "set")
        return {n: against_null(of["graph"], np.stack([of[arm] for arm in draws[n]]), kinds)[1] for n in usable}

    def _overlap_z(self, members: sparse.csr_array, best: int) -> NDArray[np.float64]:
        """Return how far overlaps with the best genes of a network lie above chance, ``[n_networks, n_sets]``."""
        chosen = np.zeros(self.values.shape)
        np.put_along_axis(chosen, np.argsort(-self.values, axis=1, kind="stable")[:, :best], 1.0, axis=1)
        overlap = np.asarray((members @ chosen.T).T)
        total, sizes = self.values.shape[1], np.diff(members.indptr)
        expected = sizes * best / total
        variance = expected * (1 - sizes / total) * (total - best) / (total - 1)
        z: NDArray[np.float64] = (overlap - expected) / np.sqrt(np.maximum(variance, 1e-12))
        return z
