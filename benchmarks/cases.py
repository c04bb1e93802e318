"""The networks and inputs that the benchmarks train: one of DrugCell's size, and NeST."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, Inputs, SparseRows, VisibleNetwork

#: Where the data that are not in the repository lie, as in the tests.
SHARED = Path(os.environ.get("KGREG_SHARED", Path(__file__).parents[1].parent / "shared" / "data"))

ALTERATIONS = ("mutation", "deletion", "amplification")
GENE, TERM = "gene", "term"


@dataclass(frozen=True)
class Case:
    """A network to train.

    Attributes
    ----------
    blueprint, architecture, drug_size
        What :class:`kgreg.nn.VisibleNetwork` takes; a drug branch of no columns is none.
    alpha
        Weight of the auxiliary losses.
    concordance
        Whether the loss is 1 - CCC; else the mean squared error.
    cells, drugs
        Tables ``[n, inputs]`` and ``[n, drug_size]`` that samples take their rows from.
    remark
        Where the network and the inputs come from, as a sentence to print.
    """

    name: str
    blueprint: Blueprint
    architecture: Architecture
    drug_size: int
    alpha: float
    concordance: bool
    cells: NDArray[np.float32]
    drugs: NDArray[np.float32]
    remark: str

    def network(self, networks: int = 1) -> VisibleNetwork:
        """Return the engine's network, R of them side by side."""
        sizes = {"drug": self.drug_size} if self.drug_size else None
        return VisibleNetwork(self.blueprint, 1, self.architecture, block_sizes=sizes, networks=networks)

    def batch(self, size: int, seed: int = 0, dense: bool = False) -> Batch:
        """Draw samples: pairs of a cell and a drug, with any target; ``dense``: normal deviates for inputs."""
        rng = np.random.default_rng(seed)
        cell, drug = (rng.integers(0, len(table), size) for table in (self.cells, self.drugs))
        genes, fingerprints = self.cells[cell], self.drugs[drug]
        if dense:
            genes = rng.standard_normal(genes.shape, dtype=np.float32)
            fingerprints = rng.standard_normal(fingerprints.shape, dtype=np.float32)
        return Batch(
            torch.from_numpy(genes),
            torch.from_numpy(fingerprints),
            torch.from_numpy(rng.random(size, dtype=np.float32)),
            cell,
            drug,
        )

    def shared(self, batch: Batch) -> Inputs:
        """Return a batch with every cell and every drug once, and as its values other than 0."""
        tables, rows = {}, {}
        for name, table, index in (("genes", self.cells, batch.cell), ("drug", self.drugs, batch.drug)):
            if table.shape[1]:
                chosen, inverse = np.unique(index, return_inverse=True)
                tables[name] = SparseRows.take(sparse.csr_matrix(table), chosen[None])
                rows[name] = torch.from_numpy(inverse[None])
        return Inputs(tables.pop("genes"), blocks=tables, rows=rows)


@dataclass(frozen=True)
class Batch:
    """Samples: ``genes [B, inputs]``, ``drugs [B, drug_size]``, ``target [B]``, and the table rows they came from."""

    genes: Tensor
    drugs: Tensor
    target: Tensor
    cell: NDArray[np.int64]
    drug: NDArray[np.int64]

    def plain(self) -> Inputs:
        """Return what the engine reads, a row a sample."""
        return Inputs(self.genes[None], blocks={"drug": self.drugs[None]} if self.drugs.shape[1] else {})

    def to(self, device: str) -> Batch:
        """Return the batch on a device."""
        return Batch(*(t.to(device) for t in (self.genes, self.drugs, self.target)), self.cell, self.drug)


def drugcell_size(seed: int = 0) -> Case:
    """Return a random hierarchy with the published counts of DrugCell (Kuenzi et al. 2020), and inputs like its own."""
    rng = np.random.default_rng(seed)
    cells = (rng.random((1225, 3008)) < 0.02).astype(np.float32)
    drugs = (rng.random((684, 2048)) < 0.03).astype(np.float32)
    return Case(
        "DrugCell-size network",
        random_hierarchy(rng, terms=2086, genes=3008, gene_links=59753, term_links=3167, levels=9, width=6),
        Architecture(
            norm="after", heads="tanh-linear", readout="joined", gene_scaling=True, initial_scale=0.1,
            blocks={"drug": (100, 50, 6)},
        ),
        2048,
        0.2,
        False,
        cells,
        drugs,
        "random hierarchy with DrugCell's counts; 1,225 cell lines with 2 % of the genes mutated, 684 fingerprints "
        "with 3 % of 2,048 bits set, both drawn at random; a batch draws pairs",
    )  # fmt: skip


def nest(seed: int = 0) -> Case:
    """Return NeST (Zheng et al. 2021) with the alterations of its sample data, or one of its counts at random."""
    folder = SHARED / "nest_palbociclib"
    rng = np.random.default_rng(seed)
    if (folder / "ontology.txt").exists():
        names = pd.read_csv(folder / "gene2ind.txt", sep="\t", header=None)[1].tolist()
        links = pd.read_csv(folder / "ontology.txt", sep="\t", header=None, names=["parent", "child", "kind"])
        is_gene = links["kind"] == "gene"
        blueprint = build(
            names,
            list(links.loc[is_gene, ["child", "parent"]].itertuples(index=False, name=None)),
            list(links.loc[~is_gene, ["child", "parent"]].itertuples(index=False, name=None)),
            4,
            ALTERATIONS,
        )
        files = ("cell2mutation.txt", "cell2cndeletion.txt", "cell2cnamplification.txt")
        layers = [np.loadtxt(folder / file, delimiter=",", dtype=np.float32) for file in files]
        remark = f"hierarchy and alterations of {len(layers[0]):,} cell lines from nest_vnn's sample data"
    else:
        blueprint = random_hierarchy(
            rng, terms=131, genes=718, gene_links=1366, term_links=150, levels=8, width=4, modalities=ALTERATIONS
        )
        layers = [(rng.random((1244, 718)) < share).astype(np.float32) for share in (0.1, 0.03, 0.03)]
        remark = "random hierarchy with NeST's counts, random alterations (its files are not there)"
    cells = np.stack(layers, axis=2).reshape(len(layers[0]), -1)
    return Case(
        "NeST",
        blueprint,
        Architecture(
            norm="after", heads="tanh-linear", readout="head", gene_scaling=True, initial_scale=0.1, gene_layer=True,
            edge_dropout=0.3, edge_dropout_from=2,
        ),
        0,
        0.3,
        True,
        cells,
        np.zeros((1, 0), np.float32),
        remark,
    )  # fmt: skip


def random_hierarchy(
    rng: np.random.Generator,
    *,
    terms: int,
    genes: int,
    gene_links: int,
    term_links: int,
    levels: int,
    width: int,
    modalities: tuple[str, ...] = ("mutation",),
) -> Blueprint:
    """Return a hierarchy with exactly these counts: one root, each level about two thirds of the one below it.

    Every other term has one parent a level above, further links skip levels at random; how many genes a term has of its
    own is log-normal, at least one for terms without children.
    """
    shares = (2 / 3) ** np.arange(levels)
    size = np.maximum(1, np.floor(shares / shares.sum() * terms)).astype(int)
    size[-1] = 1
    size[0] += terms - size.sum()
    first = np.cumsum(size) - size
    level = np.repeat(np.arange(levels), size)
    links = set()
    for below in range(levels - 1):
        children = rng.permutation(np.arange(first[below], first[below] + size[below]))
        above = size[below + 1]
        # The first children go round, so that no term of the level above is without one.
        parents = np.concatenate([np.arange(above), rng.integers(0, above, len(children) - above)]) + first[below + 1]
        links |= set(zip(children.tolist(), parents.tolist(), strict=True))
    while len(links) < term_links:
        a, b = rng.integers(0, terms, 2).tolist()
        if level[a] != level[b]:
            links.add((min(a, b), max(a, b)))
    least = (level == 0).astype(int)
    raw = rng.lognormal(0.0, 1.2, terms)
    own = np.minimum(genes, least + np.floor(raw / raw.sum() * (gene_links - least.sum())).astype(int))
    while own.sum() < gene_links:
        lucky = int(rng.integers(0, terms))
        own[lucky] = min(genes, own[lucky] + 1)
    # Genes are dealt from shuffled decks, so that each is used.
    decks = np.concatenate([rng.permutation(genes) for _ in range(-(-gene_links // genes) + 1)])
    direct, at = [], 0
    for t in np.argsort(own):
        mine = list(dict.fromkeys(decks[at : at + own[t]].tolist()))
        while len(mine) < own[t]:
            mine = list(dict.fromkeys([*mine, *rng.integers(0, genes, own[t] - len(mine)).tolist()]))
        at += own[t]
        direct += [(f"g{gene}", f"t{t}") for gene in mine]
    return build(
        [f"g{i}" for i in range(genes)], direct, [(f"t{a}", f"t{b}") for a, b in sorted(links)], width, modalities
    )


def build(
    genes: list[str],
    gene_links: list[tuple[str, str]],
    term_links: list[tuple[str, str]],
    width: int,
    modalities: tuple[str, ...],
) -> Blueprint:
    """Return the blueprint of links ``(child, parent)``; a term's level is its longest way down."""
    below: dict[str, list[str]] = {}
    terms = dict.fromkeys(term for _, term in [*gene_links, *term_links])
    for child, parent in term_links:
        below.setdefault(parent, []).append(child)
    level: dict[str, int] = {}

    def height(term: str) -> int:
        if term not in level:
            level[term] = 1 + max((height(child) for child in below.get(term, [])), default=0)
        return level[term]

    ordered = sorted(terms, key=height)
    read = {child for child, _ in term_links}
    rows = [(g, GENE, g, 0, 1, "") for g in genes] + [(t, TERM, t, level[t], width, "") for t in ordered]
    edges = pd.DataFrame([*gene_links, *term_links], columns=["source", "target"])
    return Blueprint(
        nodes=pd.DataFrame(rows, columns=["id", "kind", "label", "level", "width", "source"]),
        edges=edges.assign(relation="", weight=np.nan, sign=0, trainable=True),
        inputs=pd.DataFrame(
            [(gene, modality, gene) for gene in genes for modality in modalities],
            columns=["feature", "modality", "node"],
        ),
        outputs=pd.DataFrame([("response", term) for term in ordered if term not in read], columns=["task", "node"]),
    )
