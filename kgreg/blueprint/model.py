"""The blueprint: a frozen, serialisable description of an architecture, free of torch and of any database."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.kinds import INPUT_KINDS
from kgreg.blueprint.motif_table import MOTIF_COLUMNS, check_motifs, motif_matrices, no_motifs
from kgreg.errors import BlueprintError, some

NODE_COLUMNS = ("id", "kind", "label", "level", "width", "source")
EDGE_COLUMNS = ("source", "target", "relation", "weight", "sign", "trainable")
INPUT_COLUMNS = ("feature", "modality", "node")
OUTPUT_COLUMNS = ("task", "node")
INTERACTION_COLUMNS = ("source", "target", "relation", "weight")
DROPPED_COLUMNS = ("step", "kind", "id", "label", "reason")


@dataclass(frozen=True)
class Blueprint:
    """What a network is made of, in the names it was selected with.

    Attributes
    ----------
    nodes
        One row a node: ``id``, ``kind`` (gene, term, ...), ``label``, ``level`` (0 for inputs; a node stands above
        everything it reads), ``width`` (neurons), ``source`` (the knowledge it came from). Ordered by level.
    edges
        One row a connection, in the direction of the signal: ``source``, ``target``, ``relation``, ``weight``
        (NaN: initialised at random), ``sign`` (+1, -1 or 0 for free), ``trainable``.
    inputs
        ``feature`` (its name in the data), ``modality``, ``node``; the order is the order of the input tensor. A gene
        that was measured in several ways (mutation, amplification, ...) has one row for each, one after the other.
    outputs
        ``task``, ``node``: which nodes a task is read from.
    provenance
        Source releases, the Cypher and its parameters, the options of the compiler. JSON values only.
    dropped
        What the compiler left out: ``step``, ``kind``, ``id``, ``label``, ``reason``.
    interactions
        Undirected links between nodes, of any level: ``source``, ``target``, ``relation``, ``weight`` (positive); every
        pair once, no node with itself. Graph networks pass messages along them, Laplacian penalties smooth over them.
    motifs
        Binding motifs of nodes that read a sequence: ``node``, ``position`` (from 0, in order), and the counts ``A``,
        ``C``, ``G``, ``T`` there. The motifs stand in the order of their nodes.

    Raises
    ------
    BlueprintError
        If ids repeat, nodes are not ordered by level, an edge names an unknown node, or a node would read one that does
        not stand below it; if an interaction repeats, joins a node to itself or has no positive weight; if the
        positions of a motif are not 0, 1, ..., or one has no counts.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    inputs: pd.DataFrame
    outputs: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    dropped: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(DROPPED_COLUMNS), dtype=str))
    interactions: pd.DataFrame = field(default_factory=lambda: no_interactions())
    motifs: pd.DataFrame = field(default_factory=lambda: no_motifs())

    def __post_init__(self) -> None:
        for name, columns in (
            ("nodes", NODE_COLUMNS),
            ("edges", EDGE_COLUMNS),
            ("inputs", INPUT_COLUMNS),
            ("outputs", OUTPUT_COLUMNS),
            ("dropped", DROPPED_COLUMNS),
            ("interactions", INTERACTION_COLUMNS),
            ("motifs", MOTIF_COLUMNS),
        ):
            table: pd.DataFrame = getattr(self, name)
            missing = [column for column in columns if column not in table.columns]
            if missing:
                raise BlueprintError(f"The table '{name}' of a blueprint lacks the columns {missing}.")
            object.__setattr__(self, name, table[list(columns)].reset_index(drop=True))
        self._validate()

    def _validate(self) -> None:
        ids = pd.Index(self.nodes["id"])
        if not ids.is_unique:
            raise BlueprintError(f"Nodes appear twice: {some(ids[ids.duplicated()])}.", "Give every node one row.")
        for table, column in (
            ("edges", "source"),
            ("edges", "target"),
            ("inputs", "node"),
            ("outputs", "node"),
            ("interactions", "source"),
            ("interactions", "target"),
            ("motifs", "node"),
        ):
            values = pd.Index(getattr(self, table)[column])
            unknown = values[~values.isin(ids)]
            if len(unknown):
                raise BlueprintError(f"The table '{table}' names unknown nodes: {some(unknown)}.")
        if self.edges.duplicated(["source", "target"]).any():
            twice = self.edges[self.edges.duplicated(["source", "target"])]
            pairs = (twice["source"] + " -> " + twice["target"]).tolist()
            raise BlueprintError(f"Edges appear twice: {some(pairs)}.", "Give every pair of nodes one edge.")
        if self.inputs.duplicated(["feature", "modality"]).any():
            raise BlueprintError("A feature of one modality feeds two inputs.", "List every input feature once.")
        if not self.nodes["level"].is_monotonic_increasing:
            raise BlueprintError("The nodes of a blueprint are not ordered by level.", "Sort them by `level`.")
        level = self.nodes.set_index("id")["level"]
        rising = level.reindex(self.edges["source"]).to_numpy() < level.reindex(self.edges["target"]).to_numpy()
        if not rising.all():
            wrong = self.edges.loc[~rising]
            pairs = (wrong["source"] + " -> " + wrong["target"]).tolist()
            raise BlueprintError(f"Edges do not rise from a lower to a higher level: {some(pairs)}.")
        self._validate_interactions()
        check_motifs(self.motifs, ids)

    def _validate_interactions(self) -> None:
        table = self.interactions
        one, two = self.interaction_places().T
        itself = one == two
        if itself.any():
            raise BlueprintError(f"Nodes interact with themselves: {some(table.loc[itself, 'source'])}.")
        keys = np.minimum(one, two) * len(self.nodes) + np.maximum(one, two)
        twice = pd.Series(keys).duplicated().to_numpy()
        if twice.any():
            pairs = (table.loc[twice, "source"] + " - " + table.loc[twice, "target"]).tolist()
            raise BlueprintError(f"Interactions appear twice: {some(pairs)}.", "Give every pair of nodes one row.")
        weight = table["weight"].to_numpy(dtype=float)
        if not (np.isfinite(weight) & (weight > 0)).all():
            raise BlueprintError("An interaction has a weight that is not a positive number.")

    # ---- reading -------------------------------------------------------------------------------------------------

    @property
    def genes(self) -> pd.DataFrame:
        """The input nodes (kind ``gene``), in input order."""
        return self.nodes[self.nodes["kind"] == "gene"]

    @property
    def terms(self) -> pd.DataFrame:
        """The inner nodes (every kind but genes and sequences), by level."""
        return self.nodes[~self.nodes["kind"].isin(INPUT_KINDS)]

    @property
    def roots(self) -> list[str]:
        """Ids of the inner nodes that nothing reads."""
        read = set(self.edges["source"])
        return [node for node in self.terms["id"] if node not in read]

    @property
    def n_levels(self) -> int:
        """Number of levels above the inputs."""
        return int(self.nodes["level"].max()) if len(self.nodes) else 0

    def gene_sets(self) -> dict[str, frozenset[str]]:
        """Return for every inner node the gene ids at or below it."""
        return dict(self._gene_sets)

    @cached_property
    def _gene_sets(self) -> dict[str, frozenset[str]]:
        members: dict[str, set[str]] = {node: set() for node in self.nodes["id"]}
        genes = set(self.genes["id"])
        level = self.nodes.set_index("id")["level"]
        ordered = self.edges.assign(rank=level.reindex(self.edges["target"]).to_numpy()).sort_values("rank")
        for source, target in zip(ordered["source"], ordered["target"], strict=True):
            if source in genes:
                members[target].add(source)
            else:
                members[target] |= members[source]
        return {node: frozenset(members[node]) for node in self.terms["id"]}

    def interaction_places(self) -> NDArray[np.int64]:
        """Return the ends of every interaction as positions in ``nodes``, ``[n, 2]``."""
        ids = pd.Index(self.nodes["id"])
        ends = [ids.get_indexer(self.interactions[end]) for end in ("source", "target")]
        return np.stack(ends, axis=1).astype(np.int64)

    def motif_matrices(self) -> dict[str, NDArray[np.float64]]:
        """Return the counts ``[width, 4]`` of every motif (A, C, G, T), in the order of the nodes."""
        return motif_matrices(self.motifs)

    def content_hash(self) -> str:
        """Return the SHA-256 (hex) of nodes, edges, inputs and outputs, and of interactions and motifs if any."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256()
        for table in (self.nodes, self.edges, self.inputs, self.outputs):
            digest.update(table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())
        if len(self.interactions):  # there may be millions: as numbers, not as text
            relation, names = pd.factorize(self.interactions["relation"])
            digest.update("\n".join(map(str, names)).encode())
            weight = self.interactions["weight"].to_numpy(dtype="<f8")
            for column in (self.interaction_places().astype("<i8"), relation.astype("<i8"), weight):
                digest.update(np.ascontiguousarray(column).tobytes())
        if len(self.motifs):
            digest.update(self.motifs.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, int]:
        """Return counts: genes, terms, levels, roots, edges of either kind, interactions and neurons.

        Of motifs: how many there are, and the factors and families that hold them.
        """
        if len(self.motifs):
            kinds = self.nodes["kind"].value_counts()
            names = {"motif": "motifs", "tf": "factors", "family": "families"}
            found = {name: int(kinds.get(kind, 0)) for kind, name in names.items()}
            return {"genes": len(self.genes), "terms": 0, "interactions": len(self.interactions), **found}
        genes = set(self.genes["id"])
        from_genes = int(self.edges["source"].isin(genes).sum())
        return {
            "genes": len(genes),
            "terms": len(self.terms),
            "levels": self.n_levels,
            "roots": len(self.roots),
            "gene_links": from_genes,
            "term_links": len(self.edges) - from_genes,
            "interactions": len(self.interactions),
            "neurons": int(self.terms["width"].sum()),
        }

    # ---- pure transforms -----------------------------------------------------------------------------------------

    def with_width(self, width: int, fraction: float = 0.0) -> Blueprint:
        """Return the blueprint with ``max(width, floor(fraction * genes at or below))`` neurons an inner node.

        ``width=10, fraction=0.2`` is the rule in DCell's code (Ma et al. 2018); ``width=6`` is DrugCell's.
        """
        if width < 1 or fraction < 0:
            raise BlueprintError(f"A node needs at least one neuron (width={width}, fraction={fraction}).")
        nodes = self.nodes.copy()
        inner = ~nodes["kind"].isin(INPUT_KINDS)
        if fraction:
            sizes = {node: len(genes) for node, genes in self.gene_sets().items()}
            counts = nodes.loc[inner, "id"].map(sizes).to_numpy(dtype=float)
            nodes.loc[inner, "width"] = np.maximum(width, np.floor(fraction * counts)).astype(int)
        else:
            nodes.loc[inner, "width"] = width
        return replace(self, nodes=nodes)

    def restrict_to(self, features: Sequence[str]) -> Blueprint:
        """Return the blueprint of the given input features only; terms left without a gene go too."""
        from kgreg.blueprint.compiler import recompile

        return recompile(self, features=features)

    def with_inputs(self, inputs: pd.DataFrame) -> Blueprint:
        """Return the blueprint over other data: the genes that they measure, and the terms that these leave.

        Parameters
        ----------
        inputs
            ``feature`` (its name in the data), ``gene`` (id of a gene of the blueprint) and, optionally, ``modality``.
        """
        from kgreg.blueprint.compiler import recompile

        return recompile(self, inputs=inputs)

    def prune(
        self,
        min_genes: int = 1,
        max_genes: int | None = None,
        redundancy: float | None = None,
        max_depth: int | None = None,
    ) -> Blueprint:
        """Return the blueprint without terms that are too small, too large, redundant or too deep.

        See :func:`kgreg.blueprint.compile_hierarchy` for the rules. What is removed hands its genes and children to
        its parents.
        """
        from kgreg.blueprint.compiler import recompile

        return recompile(self, min_genes=min_genes, max_genes=max_genes, redundancy=redundancy, max_depth=max_depth)

    def collapse(self) -> Blueprint:
        """Return the blueprint with every term merged into its only child if both hold the same genes."""
        return self.prune(redundancy=1.0)

    def rooted_at(self, node: str) -> Blueprint:
        """Return the part of the blueprint at and below ``node``."""
        from kgreg.blueprint.compiler import recompile

        return recompile(self, root=node)

    def rewire(self, seed: int, swaps_per_edge: int = 10) -> Blueprint:
        """Return a degree-preserving random blueprint. See :func:`kgreg.blueprint.null.rewire`."""
        from kgreg.blueprint.null import rewire

        return rewire(self, seed, swaps_per_edge)

    def shuffle_genes(self, seed: int) -> Blueprint:
        """Return the blueprint with its input features dealt to its genes at random."""
        from kgreg.blueprint.null import shuffle_genes

        return shuffle_genes(self, seed)

    def with_interactions(self, table: pd.DataFrame) -> Blueprint:
        """Return the blueprint with the interactions of ``table`` (see :attr:`interactions`) that join its nodes."""
        ids = set(self.nodes["id"])
        kept = table[table["source"].isin(ids) & table["target"].isin(ids)]
        return replace(self, interactions=kept)

    # ---- conversions ---------------------------------------------------------------------------------------------

    def to_networkx(self) -> Any:
        """Return a :class:`networkx.DiGraph` with the node and edge columns as attributes."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from((row["id"], row) for row in self.nodes.to_dict("records"))
        graph.add_edges_from((row["source"], row["target"], row) for row in self.edges.to_dict("records"))
        return graph

    def to_pyg(self) -> Any:
        """Return a :class:`torch_geometric.data.Data` of the same graph.

        Returns
        -------
        Data
            ``node_id``, ``kind`` and ``level`` of every node; ``edge_index [2, n]`` and ``edge_weight [n]`` of the
            interactions, both ways; ``hierarchy_index [2, m]`` of the edges, in the direction of the signal.
        """
        import torch
        from torch_geometric.data import Data

        there, ids = self.interaction_places().T, pd.Index(self.nodes["id"])
        hierarchy = np.stack([ids.get_indexer(self.edges[end]) for end in ("source", "target")])
        weight = self.interactions["weight"].to_numpy(dtype=np.float32)
        return Data(
            edge_index=torch.from_numpy(np.concatenate([there, there[::-1]], axis=1)),
            edge_weight=torch.from_numpy(np.concatenate([weight, weight])),
            hierarchy_index=torch.from_numpy(hierarchy),
            level=torch.from_numpy(self.nodes["level"].to_numpy(dtype=np.int64)),
            node_id=self.nodes["id"].tolist(),
            kind=self.nodes["kind"].tolist(),
            num_nodes=len(self.nodes),
        )


def no_interactions() -> pd.DataFrame:
    """Return an empty table of interactions."""
    table = pd.DataFrame(columns=list(INTERACTION_COLUMNS), dtype=str)
    return table.astype({"weight": float})
