"""From the nodes of a blueprint to the nodes of a hierarchy: gene layer, terms and their heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.architecture import Architecture
from kgreg.nn.hierarchy import Node, Program
from kgreg.nn.hierarchy.program import spans

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The hierarchy of a blueprint.

    Attributes
    ----------
    nodes
        Genes (if they have a layer), terms, heads.
    n_inputs
        Features of the blueprint, then covariates if these join at genes or terms, then burdens.
    n_features
        Features of the blueprint.
    burdens
        ``(row, feature)`` index arrays: which features of the blueprint each burden sums, modality by modality of
        term by term.
    n_burdens
        Columns of burdens.
    genes, terms
        Ids; ``genes`` in the order of their first feature. Genes without a layer are input columns themselves.
    outputs
        Ids of the nodes that are read out.
    head_of
        Ids of the terms (or names of the levels) that have heads, in order.
    input_edges, link_edges
        The edge of the blueprint (row number) of every column of the terms' blocks of input and of link weights.
    from_gene
        Whether each edge of the blueprint comes from a gene.
    """

    nodes: list[Node]
    n_inputs: int
    n_features: int
    burdens: tuple[Index, Index]
    n_burdens: int
    genes: list[str]
    terms: list[str]
    outputs: list[str]
    head_of: list[str]
    input_edges: Index
    link_edges: Index
    from_gene: NDArray[np.bool_]


def lay_out(blueprint: Blueprint, architecture: Architecture, n_outputs: int, n_covariates: int = 0) -> Layout:
    """Lay out the hierarchy of a blueprint.

    Raises
    ------
    FitError
        If there is no input or no term.
    """
    if blueprint.terms.empty or blueprint.inputs.empty:
        raise FitError("A visible network needs at least one input and one term.", "Loosen the pruning.")
    if architecture.readout == "nodes":
        _refuse_wide(blueprint)
    genes = list(dict.fromkeys(blueprint.inputs["node"]))
    n_features = len(blueprint.inputs)
    at_genes = n_covariates if architecture.covariates_at == "genes" else 0
    n_shared = n_covariates if architecture.covariates_at != "head" else 0
    layer = architecture.gene_layer
    if layer is None:
        layer = len(genes) < n_features or at_genes > 0
    if not layer and (len(genes) < n_features or at_genes):
        raise FitError(
            "Genes with several features, or covariates at the genes, need a gene layer.", "Set gene_layer = true."
        )
    early = architecture.dropout_before_activation
    read_out = set(blueprint.outputs["node"]) if architecture.readout == "nodes" else set()
    siblings = _count_siblings(blueprint) if architecture.sibling_dropout else {}

    def node(
        name: str, width: int, level: int, inputs: Any, children: Any, p: float, edge_dropout: float = 0.0
    ) -> Node:
        if name in read_out:
            return Node(name, width, level, inputs, children, "identity")
        p = min(p, SPARED.get(siblings.get(name, 0), p))
        return Node(
            name, width, level, inputs, children, architecture.activation, architecture.norm, edge_dropout,
            pre_dropout=p if early else 0.0, dropout=0.0 if early else p,
        )  # fmt: skip

    nodes: list[Node] = []
    if layer:
        columns: dict[str, list[int]] = {gene: [] for gene in genes}
        for column, gene in enumerate(blueprint.inputs["node"]):
            columns[gene].append(column)
        shared = list(range(n_features, n_features + at_genes))
        widths = dict(zip(blueprint.nodes["id"], blueprint.nodes["width"], strict=True))
        for gene in genes:
            inputs_of_gene = columns[gene] + shared
            nodes.append(node(gene, max(1, int(widths[gene])), 0, inputs_of_gene, [], architecture.gene_dropout))
    terms = blueprint.terms["id"].tolist()
    position = {name: i for i, name in enumerate([*(genes if layer else []), *terms])}
    column_of = {} if layer else {gene: i for i, gene in enumerate(genes)}
    first = len(nodes)
    reader = blueprint.edges["target"].map(position).to_numpy(dtype=np.int64) - first
    from_input = blueprint.edges["source"].isin(column_of).to_numpy()
    place = np.where(
        from_input, blueprint.edges["source"].map(column_of), blueprint.edges["source"].map(position)
    ).astype(np.int64)
    reads = {}
    for kind in (False, True):
        chosen = np.flatnonzero(from_input != kind)
        chosen = chosen[np.lexsort((place[chosen], reader[chosen]))]
        reads[kind] = chosen, np.searchsorted(reader[chosen], np.arange(len(terms) + 1))
    burdens, per_term = _burdens(blueprint, terms) if architecture.burden else ((_EMPTY, _EMPTY), 0)
    for t, (term, width, level) in enumerate(
        zip(terms, blueprint.terms["width"], blueprint.terms["level"], strict=True)
    ):
        inputs, children = (place[order[ptr[t] : ptr[t + 1]]] for order, ptr in (reads[False], reads[True]))
        p = architecture.edge_dropout if level >= architecture.edge_dropout_from else 0.0
        if architecture.covariates_at == "terms":
            inputs = np.concatenate([inputs, np.arange(n_features, n_features + n_shared)])
        if per_term:
            begin = n_features + n_shared + t * per_term
            inputs = np.concatenate([inputs, np.arange(begin, begin + per_term)])
        nodes.append(node(term, int(width), int(level), inputs, children, architecture.term_dropout, p))
    outputs = list(dict.fromkeys(blueprint.outputs["node"]))
    heads, head_of = _heads(nodes, position, terms, outputs, architecture, n_outputs)
    of_genes = blueprint.edges["source"].isin(set(genes)).to_numpy()
    neurons = np.array([each.width for each in nodes], dtype=np.int64)
    links = reads[True][0]
    return Layout(
        nodes=[*nodes, *heads],
        n_inputs=n_features + n_shared + per_term * len(terms),
        n_features=n_features,
        burdens=burdens,
        n_burdens=per_term * len(terms),
        genes=genes,
        terms=terms,
        outputs=outputs,
        head_of=head_of,
        input_edges=reads[False][0],
        link_edges=np.repeat(links, neurons[place[links]]),
        from_gene=of_genes,
    )


#: Siblings of a node, itself among them -> most of the dropout that it may have.
SPARED = {1: 0.0, 2: 0.1, 3: 0.3}

_EMPTY: Index = np.zeros(0, dtype=np.int64)


def _refuse_wide(blueprint: Blueprint) -> None:
    width = blueprint.nodes.set_index("id")["width"].reindex(blueprint.outputs["node"])
    wide = width[width != 1]
    if len(wide):
        raise FitError(
            f'readout = "nodes" takes the one neuron of every output node; {wide.index[0]} has {wide.iloc[0]}.',
            "Set [network] width = 1.",
        )


def _count_siblings(blueprint: Blueprint) -> dict[str, int]:
    """Return for every term how many different nodes its readers read; above 3 it does not matter how many."""
    genes = set(blueprint.genes["id"])
    reads, readers = (
        {node: list(group) for node, group in blueprint.edges.groupby(one)[other]}
        for one, other in (("target", "source"), ("source", "target"))
    )
    counts = {}
    for node, above in readers.items():
        if node in genes:
            continue
        found: set[str] = set()
        for reader in above:
            found.update(reads[reader])
            if len(found) > max(SPARED):
                break
        counts[str(node)] = len(found)
    return counts


def _burdens(blueprint: Blueprint, terms: list[str]) -> tuple[tuple[Index, Index], int]:
    """Return which features each burden sums (see :class:`Layout`), and the number of burdens a term."""
    modality, names = pd.factorize(blueprint.inputs["modality"])
    columns: dict[str, list[int]] = {}
    for column, gene in enumerate(blueprint.inputs["node"]):
        columns.setdefault(gene, []).append(column)
    members = blueprint.gene_sets()
    rows, features = [_EMPTY], [_EMPTY]
    for t, term in enumerate(terms):
        own = np.array(sorted(column for gene in members[term] for column in columns.get(gene, [])), dtype=np.int64)
        rows.append(t * len(names) + modality[own])
        features.append(own)
    return (np.concatenate(rows), np.concatenate(features)), len(names)


def _heads(
    nodes: list[Node],
    position: dict[str, int],
    terms: list[str],
    outputs: list[str],
    architecture: Architecture,
    n_outputs: int,
) -> tuple[list[Node], list[str]]:
    """Return the nodes of the heads, a level above all others, and what each is the head of."""
    top = nodes[-1].level + 1
    if architecture.heads == "none":
        return [], []
    if architecture.heads == "layer":
        levels = sorted({node.level for node in nodes})
        over = [[i for i, node in enumerate(nodes) if node.level == level] for level in levels]
        names = [f"level {level}" for level in levels]
        return [
            Node(f"head of {name}", n_outputs, top, [], members, "identity")
            for name, members in zip(names, over, strict=True)
        ], names
    # A single output node is supervised by the output itself, unless that is a head beside its own.
    apart = set(outputs) if len(outputs) == 1 and architecture.readout not in ("head", "joined") else set()
    chosen = [term for term in terms if term not in apart]
    activation = "identity" if architecture.heads == "linear" else "tanh"
    return [Node(f"head of {t}", n_outputs, top, [], [position[t]], activation) for t in chosen], chosen  # type: ignore[arg-type]


def edges_of_weights(layout: Layout, program: Program, links: bool) -> tuple[Index, Index]:
    """Return the edge of the blueprint (-1: none) and the neuron of every weight of the terms.

    They are the weights ``Hierarchy.link_weight[:, : len(edge)]`` (or ``input_weight``, where genes are inputs).
    """
    neurons = int(program.start[len(layout.nodes) - len(layout.head_of)]) if layout.head_of else program.n_neurons
    columns = np.repeat(program.fan if links else np.diff(program.input_ptr), program.width)[:neurons]
    first = np.repeat(program.source_ptr[:-1] if links else program.input_ptr[:-1], program.width)[:neurons]
    neuron, column, _ = spans(first, columns)
    if links:
        return layout.link_edges[column], neuron
    # Covariates and burdens stand behind the genes that a term reads, and belong to no edge.
    edge = np.full(len(program.input_column), -1)
    edge[program.input_column < layout.n_features] = layout.input_edges
    return edge[column], neuron
