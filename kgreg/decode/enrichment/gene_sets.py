"""Sets of genes over the genes of a network: from GO, Reactome, whatever else a store holds, and GMT files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint import Blueprint, Guide, go_guide, reactome_guide
from kgreg.blueprint.kinds import GENE_SET_FILES, GENE_SETS
from kgreg.data.matching import match_genes
from kgreg.errors import DataError, QueryError, some
from kgreg.sources.gene_sets import read_gmt
from kgreg.store.protocol import GraphStore
from kgreg.store.queries import find_query, run_named

#: What is called by name and asked of a store: hierarchies whose sets hold the genes below them too.
HIERARCHIES: dict[str, Callable[[], Guide]] = {
    "go": go_guide,
    "go_molecular_function": lambda: go_guide("molecular_function"),
    "go_cellular_component": lambda: go_guide("cellular_component"),
    "reactome": reactome_guide,
}


@dataclass(frozen=True)
class GeneSets:
    """A collection of gene sets over the genes of a network, which are the background of every test.

    Attributes
    ----------
    collection
        What it is called.
    sets
        ``set`` (id) and ``label``, one row a set that holds at least one gene of the network.
    genes
        Node ids of the network's genes.
    members
        ``[n_sets, n_genes]``, 1 where a gene is in a set; of a hierarchy, the genes of the sets below are in it too.
    hierarchy
        ``child, parent`` among the sets; empty where there is none.
    unknown
        Genes that the collection names and the network does not have.
    """

    collection: str
    sets: pd.DataFrame
    genes: list[str]
    members: sparse.csr_array = field(repr=False)
    hierarchy: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["child", "parent"]), repr=False)
    unknown: int = 0

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Genes of the network in every set."""
        counts: NDArray[np.int64] = np.diff(self.members.indptr).astype(np.int64)
        return counts

    def over(self, genes: Sequence[str]) -> sparse.csr_array:
        """Return the members over other genes, in their order; one that the collection does not know is in no set."""
        place = pd.Index(self.genes).get_indexer(pd.Index(genes))
        known = np.flatnonzero(place >= 0)
        ones = np.ones(len(known), dtype=np.int32)
        taken = sparse.coo_array((ones, (place[known], known)), shape=(len(self.genes), len(place)))
        result: sparse.csr_array = sparse.csr_array(self.members @ taken.tocsr())
        result.sort_indices()
        return result

    @classmethod
    def of(
        cls,
        collection: str,
        rows: pd.DataFrame,
        names: dict[str, str],
        labels: dict[str, str] | None = None,
        hierarchy: pd.DataFrame | None = None,
    ) -> GeneSets:
        """Make a collection.

        Parameters
        ----------
        rows
            ``gene`` (as the collection calls it) and ``set``.
        names
            What the collection calls a gene of the network -> its node id. Several names may lead to one gene.
        labels
            Set -> its name; default: its id.
        hierarchy
            ``child, parent``: the genes of a child are its parent's too. Cycles do no harm: their sets are the same.

        Raises
        ------
        DataError
            If no set holds a gene of the network.
        """
        genes = list(dict.fromkeys(names.values()))
        place = {gene: i for i, gene in enumerate(genes)}
        column = rows["gene"].map(names).map(place)
        known = column.notna().to_numpy()
        unknown = rows.loc[~known, "gene"]
        listed = [rows["set"]] if hierarchy is None else [rows["set"], hierarchy["child"], hierarchy["parent"]]
        ids = pd.Index(pd.concat(listed, ignore_index=True).unique())
        index = (ids.get_indexer(pd.Index(rows.loc[known, "set"])), column[known].astype(int).to_numpy())
        ones = np.ones(int(known.sum()), dtype=np.int32)
        members = sparse.csr_array(sparse.coo_array((ones, index), shape=(len(ids), len(genes))))
        if hierarchy is not None:
            members = _propagated(members, ids, hierarchy)
        members.data[:] = 1
        held = np.diff(members.indptr) > 0
        if not held.any():
            raise DataError(
                f"No set of '{collection}' holds a gene of the network: it names {some(unknown, 3) or 'none'}, the "
                f"network {some(names, 3)}.",
                "Give sets of the genes that the data measure, called as there.",
            )
        kept = ids[held]
        table = pd.DataFrame({"set": kept, "label": [(labels or {}).get(name, name) for name in kept]})
        below = pd.DataFrame(columns=["child", "parent"], dtype=str) if hierarchy is None else hierarchy
        below = below[below["child"].isin(kept) & below["parent"].isin(kept)]
        return cls(
            collection,
            table,
            genes,
            members[np.flatnonzero(held)],
            below[["child", "parent"]].drop_duplicates().reset_index(drop=True),
            int(unknown.nunique()),
        )


def read_gene_sets(
    name: str, blueprint: Blueprint, store: GraphStore | None = None, genes: pd.DataFrame | None = None
) -> GeneSets:
    """Return a collection over the genes of a network.

    Parameters
    ----------
    name
        One of :data:`kgreg.blueprint.kinds.GENE_SETS`; the path of a GMT file, whose genes are called as the network's
        labels or ids; or of a ``.cypher`` file that returns ``gene`` and ``set`` (or ``term``) and, if it likes,
        ``label``.
    blueprint
        The network.
    store
        Where the collections are that are asked of a store (all but ``network`` and GMT files).
    genes
        From :func:`genes_in_store`, where several collections are read of one store.

    Raises
    ------
    DataError
        If there is no such collection, or no set of it holds a gene of the network.
    QueryError
        If a ``.cypher`` file returns other columns.
    SourceError
        If a GMT file is missing or malformed.
    """
    if is_gmt(name):
        return _of_file(Path(name), blueprint)
    if name == "network":
        return _of_network(blueprint)
    if name not in GENE_SETS and not name.endswith(GENE_SET_FILES):
        near = get_close_matches(name, GENE_SETS, n=2)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise DataError(
            f"There is no collection of gene sets '{name}'.",
            f"{hint}Choose from {', '.join(GENE_SETS)}, or give a .gmt or .cypher file.",
        )
    if store is None:
        raise DataError(f"The gene sets '{name}' are in a store, and none is open.", "Open one, or give a .gmt file.")
    found = genes_in_store(blueprint, store) if genes is None else genes
    names = dict(zip(found["gene"], found["node"], strict=True))
    if name in HIERARCHIES:
        guide = HIERARCHIES[name]()
        asked = [_asked(store, guide, query) for query in (guide.terms, guide.hierarchy, guide.annotations)]
        labels = dict(zip(asked[0]["id"], asked[0]["label"], strict=True))
        rows = asked[2].rename(columns={"term": "set"})
        return GeneSets.of(name, rows[["gene", "set"]].drop_duplicates(), names, labels, asked[1])
    if name == "tf_targets":
        rows = run_named(store, name).to_pandas().rename(columns={"tf": "set", "target": "gene"})
        symbols = run_named(store, "gene_symbols").to_pandas()
        labels = {gene: f"targets of {symbol}" for gene, symbol in zip(symbols["gene"], symbols["symbol"], strict=True)}
    else:
        rows, labels = _of_query(store, name)
    return GeneSets.of(Path(name).stem, rows[["gene", "set"]].drop_duplicates(), names, labels)


def is_gmt(name: str) -> bool:
    """Say whether a collection is a GMT file."""
    return name.endswith((".gmt", ".gmt.gz"))


def genes_in_store(blueprint: Blueprint, store: GraphStore) -> pd.DataFrame:
    """Return ``node`` and ``gene`` (id in the store) of every gene of a network that the store knows.

    A network that was compiled from the store has its ids; otherwise labels are matched as symbols and aliases.

    Raises
    ------
    DataError
        If the store knows none of them.
    """
    nodes = blueprint.genes
    known = set(run_named(store, "gene_symbols")["gene"].to_pylist())
    own = nodes.loc[nodes["id"].isin(known), "id"].tolist()
    if own:
        # A gene that the store lacks stays in the background.
        return pd.DataFrame({"node": nodes["id"], "gene": nodes["id"]})
    table = match_genes(nodes["label"].tolist(), store).table
    gene = table["gene"].where(table["gene"].notna(), nodes["id"].to_numpy())
    return pd.DataFrame({"node": nodes["id"].to_numpy(), "gene": gene.to_numpy()})


def _asked(store: GraphStore, guide: Guide, query: str) -> pd.DataFrame:
    declared = find_query(query).parameters
    table: pd.DataFrame = run_named(store, query, **{key: guide.parameters[key] for key in declared}).to_pandas()
    return table


def _of_query(store: GraphStore, path: str) -> tuple[pd.DataFrame, dict[str, str]]:
    query = find_query(path)
    rows = run_named(store, path).to_pandas().rename(columns={"term": "set"})
    if not {"gene", "set"} <= set(rows.columns):
        raise QueryError(
            f"The query {path}, which is to return gene sets, returns the columns {', '.join(query.columns)}.",
            "Name them with AS: gene, term and, optionally, label.",
        )
    return rows, dict(zip(rows["set"], rows["label"], strict=True)) if "label" in rows else {}


def _of_file(path: Path, blueprint: Blueprint) -> GeneSets:
    nodes = blueprint.genes
    names = dict(zip(nodes["id"], nodes["id"], strict=True))
    names |= {label: node for label, node in zip(nodes["label"], nodes["id"], strict=True) if label not in names}
    sets = list(read_gmt(path))
    rows = pd.DataFrame([(gene, one.name) for one in sets for gene in one.symbols], columns=["gene", "set"])
    return GeneSets.of(path.name, rows.drop_duplicates(), names)


def _of_network(blueprint: Blueprint) -> GeneSets:
    sets = blueprint.gene_sets()
    rows = pd.DataFrame(
        [(gene, node) for node, genes in sets.items() for gene in sorted(genes)], columns=["gene", "set"]
    )
    names = {gene: gene for gene in blueprint.genes["id"]}
    labels = dict(zip(blueprint.nodes["id"], blueprint.nodes["label"], strict=True))
    links = blueprint.edges[blueprint.edges["source"].isin(list(sets))]
    hierarchy = links.rename(columns={"source": "child", "target": "parent"})[["child", "parent"]]
    return GeneSets.of("network", rows, names, labels, hierarchy)


def _propagated(members: sparse.csr_array, ids: pd.Index[str], hierarchy: pd.DataFrame) -> sparse.csr_array:
    """Return the members with those of all sets below, level by level until nothing is added."""
    ends = [ids.get_indexer(pd.Index(hierarchy[end])) for end in ("parent", "child")]
    ones = np.ones(len(hierarchy), dtype=np.int32)
    up = sparse.csr_array(sparse.coo_array((ones, (ends[0], ends[1])), shape=(len(ids), len(ids))))
    while True:
        grown = sparse.csr_array(members + up @ members)
        grown.data[:] = 1
        if grown.nnz == members.nnz:
            return grown
        members = grown
