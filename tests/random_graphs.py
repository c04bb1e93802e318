"""Random knowledge for property tests, and the slow reading of what the compiler must make of it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import networkx as nx
import pandas as pd
from hypothesis import strategies as st

from kgreg.blueprint import Blueprint, compile_hierarchy

SPLICED = ("depth", "min_genes", "max_genes", "redundancy")


@dataclass(frozen=True)
class Knowledge:
    """Rows as a query returns them, and the features of the data."""

    links: list[tuple[str, str]]
    annotations: list[tuple[str, str]]
    genes: list[str]
    unlinked: frozenset[str] = frozenset()

    @property
    def terms(self) -> set[str]:
        linked = {term for pair in self.links for term in pair}
        return linked | {term for _, term in self.annotations} | self.unlinked

    @property
    def hierarchy_table(self) -> pd.DataFrame:
        return pd.DataFrame(self.links, columns=["child", "parent"], dtype=str).assign(relation="is_a")

    @property
    def annotation_table(self) -> pd.DataFrame:
        return pd.DataFrame(self.annotations, columns=["gene", "term"], dtype=str).assign(evidence="IDA")

    @property
    def feature_table(self) -> pd.DataFrame:
        return pd.DataFrame({"feature": [f"{gene}.data" for gene in self.genes], "gene": self.genes}).assign(
            label=[gene.upper() for gene in self.genes]
        )

    def compile(self, **options: object) -> Blueprint:
        options = {"redundancy": None, **options}
        return compile_hierarchy(self.hierarchy_table, self.annotation_table, self.feature_table, **options)

    def without(self, links: AbstractSet[tuple[str, str]]) -> Knowledge:
        """Return the same terms with fewer links."""
        return replace(self, links=[pair for pair in self.links if pair not in links], unlinked=frozenset(self.terms))

    # ---- the slow reading ------------------------------------------------------------------------------------------

    @property
    def graph(self) -> nx.DiGraph:
        """Terms with edges child -> parent."""
        graph = nx.DiGraph(self.links)
        graph.add_nodes_from(self.terms)
        return graph

    def direct(self, term: str) -> set[str]:
        return {gene for gene, annotated in self.annotations if annotated == term and gene in self.genes}

    def below(self, term: str) -> frozenset[str]:
        """Genes of the data at or below a term, found by walking down from it."""
        return frozenset(gene for below in {term} | nx.ancestors(self.graph, term) for gene in self.direct(below))

    def expected_edges(self, kept: AbstractSet[str], spliced: AbstractSet[str]) -> set[tuple[str, str]]:
        """Edges among ``kept`` terms and genes: those of the input, and those that lead through spliced terms only."""
        graph = self.graph
        edges = set()
        for start in kept | spliced:
            reached, waiting = set(), [start]
            while waiting:
                for parent in graph.successors(waiting.pop()):
                    if parent in kept:
                        reached.add(parent)
                    elif parent in spliced:
                        waiting.append(parent)
            if start in kept:
                edges |= {(start, parent) for parent in reached} | {(gene, start) for gene in self.direct(start)}
            else:
                edges |= {(gene, parent) for parent in reached for gene in self.direct(start)}
        return edges


def term_graph(blueprint: Blueprint) -> nx.DiGraph:
    """Return the edges between the terms of a blueprint."""
    graph = nx.DiGraph()
    graph.add_nodes_from(blueprint.terms["id"])
    genes = set(blueprint.genes["id"])
    graph.add_edges_from(pair for pair in edge_set(blueprint) if pair[0] not in genes)
    return graph


def edge_set(blueprint: Blueprint) -> set[tuple[str, str]]:
    return set(zip(blueprint.edges["source"], blueprint.edges["target"], strict=True))


def dropped(blueprint: Blueprint, *steps: str, kind: str = "term") -> set[str]:
    """Return the ids of one kind that the given steps (default: any) left out."""
    table = blueprint.dropped[blueprint.dropped["kind"] == kind]
    return set(table.loc[table["step"].isin(steps), "id"] if steps else table["id"])


@st.composite
def knowledge(draw: st.DrawFn, most_terms: int = 10, most_genes: int = 7, cyclic: bool = False) -> Knowledge:
    """Draw terms whose links may skip levels, several roots, empty terms, genes on several terms, foreign genes."""
    n_terms = draw(st.integers(1, most_terms))
    n_genes = draw(st.integers(1, most_genes))
    # The order of the ids says nothing about the order of the hierarchy.
    names = [f"T:{i:02d}" for i in draw(st.permutations(range(n_terms)))]
    genes = [f"g{i}" for i in draw(st.permutations(range(n_genes)))]
    term, gene = st.integers(0, n_terms - 1), st.integers(0, n_genes - 1)
    pairs = draw(st.lists(st.tuples(term, term), max_size=2 * n_terms, unique=True))
    if not cyclic:
        pairs = list(dict.fromkeys((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]))
    annotated = draw(st.lists(st.tuples(gene, term), min_size=1, max_size=3 * n_genes))
    measured = draw(st.sets(gene, max_size=n_genes)) | {annotated[0][0]}
    return Knowledge(
        links=[(names[a], names[b]) for a, b in pairs],
        annotations=[(genes[g], names[t]) for g, t in annotated],
        genes=[name for i, name in enumerate(genes) if i in measured],
    )


@st.composite
def blueprints(draw: st.DrawFn, most_width: int = 3) -> Blueprint:
    """Draw a compiled blueprint whose terms have widths of their own."""
    blueprint = draw(knowledge()).compile()
    inner = blueprint.nodes["kind"] != "gene"
    nodes = blueprint.nodes.copy()
    nodes.loc[inner, "width"] = draw(
        st.lists(st.integers(1, most_width), min_size=int(inner.sum()), max_size=int(inner.sum()))
    )
    return replace(blueprint, nodes=nodes)
