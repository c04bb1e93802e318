"""Hierarchies that the published systems are built on: random ones, and those that came with NeST-VNN and DCell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import Blueprint
from tests.random_graphs import Knowledge
from tests.sources.shared_data import shared


def random_hierarchy(seed: int) -> Blueprint:
    """Return terms under one root; links skip levels, genes are shared, some terms have no genes of their own."""
    draw = np.random.default_rng(seed)
    links = {(f"T{i}", f"T{parent}") for i in range(1, 14) for parent in draw.choice(i, min(i, draw.integers(1, 3)))}
    pairs = {(f"g{g}", f"T{draw.integers(0, 14)}") for g in range(20) for _ in range(draw.integers(1, 3))}
    pairs |= {(f"g{draw.integers(0, 20)}", "T13")}
    genes = [f"g{g}" for g in draw.permutation(20)]
    return Knowledge(sorted(links), sorted(pairs), genes).compile()


@cache
def nest() -> Blueprint:
    """Return the hierarchy of protein assemblies that NeST-VNN reads (``parent child default|gene``)."""
    rows = [line.split() for line in shared("nest_palbociclib/ontology.txt").read_text().splitlines()]
    genes = [line.split()[1] for line in shared("nest_palbociclib/gene2ind.txt").read_text().splitlines()]
    links = [(child, parent) for parent, child, kind in rows if kind == "default"]
    return Knowledge(links, [(child, parent) for parent, child, kind in rows if kind == "gene"], genes).compile()


@cache
def dna_repair() -> Blueprint:
    """Return the hierarchy below DNA repair that came with DCell (records ``ROOT: id n / GENES: ... / TERMS: ...``)."""
    links, pairs, term = [], [], ""
    for line in shared("dcell_dna_repair/GO_0006281_topology.txt").read_text().splitlines():
        kind, _, names = line.partition(":")
        if kind == "ROOT":
            term = names.split()[0]
        elif kind == "GENES":
            pairs += [(gene, term) for gene in names.split()]
        elif kind == "TERMS":
            links += [(child, term) for child in names.split()]
    return Knowledge(links, pairs, sorted({gene for gene, _ in pairs})).compile()


SOURCES: dict[str, Callable[[], Blueprint]] = {
    "random-1": lambda: random_hierarchy(1),
    "random-2": lambda: random_hierarchy(2),
    "nest": nest,
    "dna-repair": dna_repair,
}
on_every_hierarchy = pytest.mark.parametrize("source", list(SOURCES))
in_both_precisions = pytest.mark.parametrize("precision", ["double", "single"])


def with_modalities(blueprint: Blueprint, modalities: int) -> Blueprint:
    """Return the blueprint with several features a gene, such as mutation, deletion and amplification."""
    tables = [blueprint.inputs.assign(modality=f"m{i}") for i in range(modalities)]
    return replace(blueprint, inputs=pd.concat(tables, ignore_index=True))


@dataclass(frozen=True)
class Terms:
    """A blueprint as the loops walk through it."""

    blueprint: Blueprint

    @property
    def genes(self) -> list[str]:
        return list(dict.fromkeys(self.blueprint.inputs["node"]))

    @property
    def order(self) -> list[str]:
        return self.blueprint.terms["id"].tolist()

    @property
    def root(self) -> str:
        (root,) = self.blueprint.roots
        return root

    @property
    def level(self) -> dict[str, int]:
        return dict(zip(self.blueprint.nodes["id"], self.blueprint.nodes["level"], strict=True))

    def children(self) -> dict[str, list[str]]:
        """Return term -> terms that it reads, in the order of the blueprint's nodes."""
        return self._reads(self.order)

    def own_genes(self) -> dict[str, list[str]]:
        """Return term -> genes that it reads, in the order of the inputs."""
        return self._reads(self.genes)

    def gene_links(self) -> list[tuple[str, str]]:
        """Return (gene, term) for every edge from a gene, in the order of the blueprint's edges."""
        edges = zip(self.blueprint.edges["source"], self.blueprint.edges["target"], strict=True)
        genes = set(self.genes)
        return [edge for edge in edges if edge[0] in genes]

    def _reads(self, sources: list[str]) -> dict[str, list[str]]:
        rank = {source: i for i, source in enumerate(sources)}
        edges = self.blueprint.edges[self.blueprint.edges["source"].isin(rank)]
        read: dict[str, list[str]] = {term: [] for term in self.order}
        for source, target in zip(edges["source"], edges["target"], strict=True):
            read[target].append(source)
        return {term: sorted(found, key=rank.__getitem__) for term, found in read.items()}
