"""From the nodes of a blueprint to the nodes of a hierarchy: gene layer, terms and their heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
        Features of the blueprint, then covariates if these join at the genes.
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
    genes = list(dict.fromkeys(blueprint.inputs["node"]))
    n_features = len(blueprint.inputs)
    at_genes = n_covariates if architecture.covariates_at == "genes" else 0
    layer = architecture.gene_layer
    if layer is None:
        layer = len(genes) < n_features or at_genes > 0
    if not layer and (len(genes) < n_features or at_genes):
        raise FitError(
            "Genes with several features, or covariates at the genes, need a gene layer.", "Set gene_layer = true."
        )
    early = architecture.dropout_before_activation
    common = {"activation": architecture.activation, "norm": architecture.norm}

    def dropped(p: float) -> dict[str, float]:
        return {"pre_dropout" if early else "dropout": p}

    nodes: list[Node] = []
    if layer:
        columns: dict[str, list[int]] = {gene: [] for gene in genes}
        for column, gene in enumerate(blueprint.inputs["node"]):
            columns[gene].append(column)
        shared = list(range(n_features, n_features + at_genes))
        widths = dict(zip(blueprint.nodes["id"], blueprint.nodes["width"], strict=True))
        for gene in genes:
            width = max(1, int(widths[gene]))
            inputs = columns[gene] + shared
            nodes.append(Node(gene, width, 0, inputs, [], **common, **dropped(architecture.gene_dropout)))
    terms = blueprint.terms["id"].tolist()
    position = {node: i for i, node in enumerate([*(genes if layer else []), *terms])}
    column_of = {} if layer else {gene: i for i, gene in enumerate(genes)}
    first = len(nodes)
    reader = blueprint.edges["target"].map(position).to_numpy(dtype=np.int64) - first
    from_input = blueprint.edges["source"].isin(column_of).to_numpy()
    place = np.where(
        from_input, blueprint.edges["source"].map(column_of), blueprint.edges["source"].map(position)
    ).astype(np.int64)
    reads = {}
    for links in (False, True):
        chosen = np.flatnonzero(from_input != links)
        chosen = chosen[np.lexsort((place[chosen], reader[chosen]))]
        reads[links] = chosen, np.searchsorted(reader[chosen], np.arange(len(terms) + 1))
    for t, (term, width, level) in enumerate(
        zip(terms, blueprint.terms["width"], blueprint.terms["level"], strict=True)
    ):
        inputs, children = (place[order[ptr[t] : ptr[t + 1]]] for order, ptr in (reads[False], reads[True]))
        p = architecture.edge_dropout if level >= architecture.edge_dropout_from else 0.0
        kind = dropped(architecture.term_dropout)
        nodes.append(Node(term, int(width), int(level), inputs, children, edge_dropout=p, **common, **kind))
    outputs = list(dict.fromkeys(blueprint.outputs["node"]))
    heads, head_of = _heads(nodes, position, terms, outputs, architecture, n_outputs)
    of_genes = blueprint.edges["source"].isin(set(genes)).to_numpy()
    width = np.array([node.width for node in nodes], dtype=np.int64)
    links = reads[True][0]
    return Layout(
        nodes=[*nodes, *heads],
        n_inputs=n_features + at_genes,
        genes=genes,
        terms=terms,
        outputs=outputs,
        head_of=head_of,
        input_edges=reads[False][0],
        link_edges=np.repeat(links, width[place[links]]),
        from_gene=of_genes,
    )


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
    # A single output node is supervised by the output itself, unless that is a head beside its own (DrugCell, NeST-VNN).
    apart = set(outputs) if len(outputs) == 1 and architecture.readout not in ("head", "joined") else set()
    chosen = [term for term in terms if term not in apart]
    activation = "identity" if architecture.heads == "linear" else "tanh"
    return [Node(f"head of {t}", n_outputs, top, [], [position[t]], activation) for t in chosen], chosen  # type: ignore[arg-type]


def edges_of_weights(layout: Layout, program: Program, links: bool) -> tuple[Index, Index]:
    """Return the edge of the blueprint and the neuron that a weight belongs to, for all weights of the terms.

    They are the weights ``Hierarchy.link_weight[:, : len(edge)]`` (or ``input_weight``, where genes are inputs).
    """
    neurons = int(program.start[len(layout.nodes) - len(layout.head_of)]) if layout.head_of else program.n_neurons
    columns = np.repeat(program.fan if links else np.diff(program.input_ptr), program.width)[:neurons]
    first = np.repeat(program.source_ptr[:-1] if links else program.input_ptr[:-1], program.width)[:neurons]
    neuron, column, _ = spans(first, columns)
    edges = layout.link_edges if links else layout.input_edges
    return edges[column], neuron
