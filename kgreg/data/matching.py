"""Gene symbols of the data -> gene nodes of the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kgreg.blueprint.model import Blueprint
from kgreg.errors import DataError
from kgreg.store.protocol import GraphStore
from kgreg.store.queries import run_named

#: What can become of a feature, best first.
OUTCOMES = ("symbol", "alias", "constant", "repeated", "ambiguous", "unknown", "unmapped")


@dataclass(frozen=True)
class Matching:
    """What became of every feature.

    Attributes
    ----------
    table
        One row a feature, in their order: ``feature``, ``gene`` (node id or None), ``label`` (its present symbol),
        ``outcome``: *symbol* (the present symbol), *alias* (a previous symbol or synonym of exactly one gene),
        *constant* (matched, but left out because its values do not vary), *repeated* (a second name of a gene that
        another feature matches better), *ambiguous* (a synonym of several genes), *unknown*, *unmapped* (no gene,
        as a CpG site that the table of genes does not have, with its modality in the note); ``note`` names the genes in
        question.
    """

    table: pd.DataFrame

    @property
    def matched(self) -> pd.DataFrame:
        """The features that found their gene: ``feature``, ``gene``, ``label``."""
        found = self.table["outcome"].isin(["symbol", "alias"])
        return self.table.loc[found, ["feature", "gene", "label"]].reset_index(drop=True)

    def without_constant(self, features: Collection[str]) -> Matching:
        """Return the matching with matched features left out because their values do not vary."""
        table = self.table.copy()
        gone = table["feature"].isin(list(features)) & table["gene"].notna()
        table.loc[gone, ["gene", "outcome", "note"]] = [None, "constant", "same value in every sample"]
        return Matching(table)

    def with_unmapped(self, unmapped: pd.DataFrame | None) -> Matching:
        """Return the matching with features that are of no gene: ``feature, modality, note``, see ``Samples``."""
        if unmapped is None or unmapped.empty:
            return self
        rows = pd.DataFrame(
            {
                "feature": unmapped["feature"],
                "gene": None,
                "label": "",
                "outcome": "unmapped",
                "note": unmapped["modality"] + ": " + unmapped["note"],
            }
        )
        return Matching(pd.concat([self.table, rows], ignore_index=True))

    def summary(self) -> dict[str, Any]:
        """Return the count of every outcome and the names that did not match (JSON values)."""
        counts = self.table["outcome"].value_counts()
        rows = {
            outcome: self.table.loc[self.table["outcome"] == outcome, ["feature", "label", "note"]].to_dict("records")
            for outcome in OUTCOMES
            if outcome != "symbol"
        }
        return {"counts": {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}, "features": rows}


def match_genes(features: list[str], store: GraphStore) -> Matching:
    """Match gene symbols to the genes of a store.

    Raises
    ------
    DataError
        If not a single feature matches.
    """
    symbols = run_named(store, "gene_symbols").to_pandas()
    aliases = run_named(store, "gene_aliases").to_pandas()
    return match_symbols(features, symbols, aliases)


def match_symbols(features: list[str], symbols: pd.DataFrame, aliases: pd.DataFrame) -> Matching:
    """Match symbols to genes: present symbols first, then previous symbols and synonyms.

    A present symbol always wins over the same text as a synonym of another gene. Symbols carried by several genes,
    and synonyms of several genes, are ambiguous: they are reported, not guessed.

    Parameters
    ----------
    symbols
        Columns ``gene``, ``symbol``.
    aliases
        Columns ``gene``, ``alias``.
    """
    matching = _match(features, symbols, aliases)
    if not matching.table["gene"].notna().any():
        raise DataError(
            f"None of the {len(features)} features is a gene symbol of the graph; the first are "
            f"{', '.join(features[:5])}.",
            "Use human gene symbols (HGNC) as var_names; Ensembl or Entrez ids must be turned into symbols first.",
        )
    return matching


def match_blueprint(features: list[str], blueprint: Blueprint) -> Matching:
    """Match features to the genes of a blueprint, by exact label first, then by exact id (outcome *alias*).

    Raises
    ------
    DataError
        If not a single feature matches.
    """
    genes = blueprint.genes
    labels = pd.DataFrame({"gene": genes["id"], "symbol": genes["label"]})
    ids = pd.DataFrame({"gene": genes["id"], "alias": genes["id"]})
    matching = _match(features, labels, ids)
    if not matching.table["gene"].notna().any():
        raise DataError(
            f"None of the {len(features)} features is a gene of the blueprint; its first are "
            f"{', '.join(genes['label'].head(5))}, those of the data {', '.join(features[:5])}.",
            "Name the columns of the data (var_names) by the labels or ids of the blueprint's genes.",
        )
    return matching


def match_names(features: list[str], names: Collection[str]) -> Matching:
    """Match features to genes that tables call by the same names; the names are the ids then.

    Raises
    ------
    DataError
        If not a single feature matches.
    """
    same = pd.DataFrame({"gene": sorted(names), "symbol": sorted(names)})
    matching = _match(features, same, pd.DataFrame({"gene": [], "alias": []}, dtype=str))
    if not matching.table["gene"].notna().any():
        raise DataError(
            f"None of the {len(features)} features is a gene of the table; its first are "
            f"{', '.join(sorted(names)[:5])}, those of the data {', '.join(features[:5])}.",
            "Name genes in both alike.",
        )
    return matching


def _match(features: list[str], symbols: pd.DataFrame, aliases: pd.DataFrame) -> Matching:
    present = _lookup(symbols["symbol"], symbols["gene"])
    other = _lookup(aliases["alias"], aliases["gene"])
    label = dict(zip(symbols["gene"], symbols["symbol"], strict=True))
    rows: list[dict[str, str | None]] = []
    for feature in features:
        how, genes = ("symbol", present[feature]) if feature in present else ("alias", other.get(feature, []))
        row: dict[str, str | None] = {"feature": feature, "gene": None, "label": "", "outcome": how, "note": ""}
        if len(genes) == 1:
            row |= {"gene": genes[0], "label": label[genes[0]]}
        else:
            row |= {"outcome": "ambiguous" if genes else "unknown", "note": ", ".join(label[g] for g in genes)}
        rows.append(row)
    _keep_one_feature_a_gene(rows)
    table = pd.DataFrame(rows, columns=["feature", "gene", "label", "outcome", "note"])
    return Matching(table)


def _lookup(names: pd.Series[Any], genes: pd.Series[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, gene in zip(names, genes, strict=True):
        found[name].append(gene)
    return {name: sorted(set(several)) for name, several in found.items()}


def _keep_one_feature_a_gene(rows: list[dict[str, str | None]]) -> None:
    """Let the present symbol (else the first feature) have the gene; mark the others as repeated."""
    holder: dict[str, dict[str, str | None]] = {}
    for row in sorted(rows, key=lambda row: row["outcome"] != "symbol"):
        gene = row["gene"]
        if gene is None:
            continue
        if gene in holder:
            row |= {"gene": None, "outcome": "repeated", "note": f"{holder[gene]['feature']} is the same gene"}
        else:
            holder[gene] = row
