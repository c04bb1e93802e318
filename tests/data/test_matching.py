"""Symbols of the data to genes of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from kgreg.data import Matching, match_genes, match_symbols
from kgreg.errors import DataError

SYMBOLS = pd.DataFrame(
    [("H:1", "TP53"), ("H:2", "KMT2D"), ("H:3", "KMT2B"), ("H:4", "SEPTIN9"), ("H:5", "TWIN"), ("H:6", "TWIN")],
    columns=["gene", "symbol"],
)
#: MLL2 was the name of two genes in turn; P53 is a synonym; KMT2B is also an old name of KMT2D.
ALIASES = pd.DataFrame(
    [("H:1", "P53"), ("H:1", "LFS1"), ("H:2", "MLL2"), ("H:3", "MLL2"), ("H:2", "KMT2B"), ("H:4", "SEPT9")],
    columns=["gene", "alias"],
)


def match(*features: str) -> pd.DataFrame:
    return match_symbols(list(features), SYMBOLS, ALIASES).table.set_index("feature")


def test_present_symbols_come_first_then_former_ones_and_synonyms() -> None:
    table = match("TP53", "SEPT9", "KMT2B")
    assert table["gene"].tolist() == ["H:1", "H:4", "H:3"]
    assert table["label"].tolist() == ["TP53", "SEPTIN9", "KMT2B"]
    assert table["outcome"].tolist() == ["symbol", "alias", "symbol"]


def test_a_name_of_several_genes_is_reported_and_not_guessed() -> None:
    table = match("MLL2", "TWIN", "TP53")
    assert table["outcome"].tolist() == ["ambiguous", "ambiguous", "symbol"]
    assert table["gene"].isna().tolist() == [True, True, False]
    assert table.loc["MLL2", "note"] == "KMT2D, KMT2B"


def test_an_unknown_name_stays_without_a_gene() -> None:
    table = match("TP53", "NOTAGENE", "tp53")
    assert table["outcome"].tolist() == ["symbol", "unknown", "unknown"]


def test_the_present_symbol_has_the_gene_wherever_it_stands() -> None:
    table = match("P53", "TP53", "LFS1")
    assert table["outcome"].tolist() == ["repeated", "symbol", "repeated"]
    assert table["gene"].tolist() == [None, "H:1", None]
    assert table.loc["P53", "note"] == "TP53 is the same gene"


def test_among_synonyms_the_first_has_the_gene() -> None:
    table = match("LFS1", "P53")
    assert table["outcome"].tolist() == ["alias", "repeated"]


def test_matched_rows_are_ready_for_the_compiler() -> None:
    matching = match_symbols(["NOTAGENE", "SEPT9", "TP53", "P53"], SYMBOLS, ALIASES)
    assert matching.matched.to_dict("records") == [
        {"feature": "SEPT9", "gene": "H:4", "label": "SEPTIN9"},
        {"feature": "TP53", "gene": "H:1", "label": "TP53"},
    ]
    assert not matching.matched["gene"].duplicated().any()


def test_the_summary_counts_every_outcome_and_names_what_was_not_a_symbol() -> None:
    summary = match_symbols(["TP53", "P53", "SEPT9", "MLL2", "X"], SYMBOLS, ALIASES).summary()
    assert {k: v for k, v in summary["counts"].items() if v} == {
        **{"symbol": 1, "alias": 1, "repeated": 1, "ambiguous": 1, "unknown": 1}
    }
    assert sum(summary["counts"].values()) == 5
    assert summary["features"]["alias"] == [{"feature": "SEPT9", "label": "SEPTIN9", "note": ""}]
    assert "symbol" not in summary["features"]


def test_features_left_out_as_constant_are_told() -> None:
    matching = match_symbols(["TP53", "SEPT9", "X"], SYMBOLS, ALIASES).without_constant(["SEPT9", "X"])
    assert matching.table["outcome"].tolist() == ["symbol", "constant", "unknown"]
    assert matching.matched["feature"].tolist() == ["TP53"]


def test_no_match_at_all_is_an_error_that_shows_the_names() -> None:
    with pytest.raises(DataError, match=r"None of the 6 features .* ENSG1, ENSG2, ENSG3, ENSG4, ENSG5\.") as caught:
        match(*(f"ENSG{i}" for i in range(1, 7)))
    assert "symbols" in caught.value.hint


class TwoTables:
    """A store that answers two queries."""

    def query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        return pa.Table.from_pandas(ALIASES if "Alias" in cypher else SYMBOLS, preserve_index=False)


def test_matching_against_a_store_asks_it_for_symbols_and_aliases() -> None:
    features = ["TP53", "SEPT9", "MLL2"]
    matching: Matching = match_genes(features, TwoTables())  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(matching.table, match_symbols(features, SYMBOLS, ALIASES).table)
