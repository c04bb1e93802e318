"""From a store's answers to a blueprint: which queries a guide asks, with which parameters, and what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from kgreg.blueprint import Guide, compile_guide, compile_hierarchy, go_guide, reactome_guide
from kgreg.errors import BlueprintError, QueryError
from kgreg.store.queries import named_query

FEATURES = pd.DataFrame({"feature": ["A", "old B"], "gene": ["H:1", "H:2"], "label": ["A", "B"]})
ANSWERS = {
    "terms": pd.DataFrame([("T:2", "upper"), ("T:1", "lower")], columns=["id", "label"]),
    "hierarchy": pd.DataFrame([("T:1", "T:2", "is_a")], columns=["child", "parent", "relation"]),
    "annotations": pd.DataFrame([("H:1", "T:1", "IDA"), ("H:2", "T:2", "IEA")], columns=["gene", "term", "evidence"]),
}


class CannedStore:
    """A store that knows the answers of one guide and remembers what it was asked."""

    location = "somewhere"

    def __init__(self, guide: Guide) -> None:
        self.role = {named_query(getattr(guide, role)).text: role for role in ANSWERS}
        self.asked: dict[str, Mapping[str, Any] | None] = {}

    def query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        self.asked[self.role[cypher]] = parameters
        return pa.Table.from_pandas(ANSWERS[self.role[cypher]], preserve_index=False)

    def sources(self) -> pa.Table:
        return pa.table({"name": ["go"], "release": ["2024-01-17"]})


@pytest.mark.parametrize("guide", [go_guide(), reactome_guide()], ids=lambda guide: guide.name)
def test_a_guide_is_compiled_from_three_queries(guide: Guide) -> None:
    store = CannedStore(guide)
    blueprint = compile_guide(store, guide, FEATURES, width=3)  # type: ignore[arg-type]
    by_hand = compile_hierarchy(
        *(ANSWERS["hierarchy"], ANSWERS["annotations"], FEATURES),
        **{"labels": {"T:1": "lower", "T:2": "upper"}, "source": guide.name, "width": 3},
    )
    assert blueprint.content_hash() == by_hand.content_hash()
    assert set(store.asked) == {"terms", "hierarchy", "annotations"}
    relation = blueprint.edges.set_index(["source", "target"])["relation"]
    assert (relation["H:2", "T:2"], relation["T:1", "T:2"]) == ("IEA", "is_a")
    assert blueprint.inputs["feature"].tolist() == ["A", "old B"]


def test_the_parameters_reach_the_queries_that_declare_them() -> None:
    guide = go_guide("molecular_function", relations=["is_a"], evidence_excluded=["ND", "IEA"])
    store = CannedStore(guide)
    compile_guide(store, guide, FEATURES)  # type: ignore[arg-type]
    for role, parameters in store.asked.items():
        declared = named_query(getattr(guide, role)).parameters
        assert dict(parameters or {}) == {name: guide.parameters[name] for name in declared}
    assert (store.asked["terms"] or {})["namespace"] == "molecular_function"
    assert (store.asked["hierarchy"] or {})["relations"] == ["is_a"]
    assert (store.asked["annotations"] or {})["evidence_excluded"] == ["ND", "IEA"]


def test_the_provenance_tells_sources_queries_and_options() -> None:
    guide = go_guide()
    blueprint = compile_guide(CannedStore(guide), guide, FEATURES, min_genes=1)  # type: ignore[arg-type]
    record = blueprint.provenance
    assert (record["guide"], record["store"]) == ("GO biological_process", "somewhere")
    assert record["sources"] == [{"name": "go", "release": "2024-01-17"}]
    assert [entry["role"] for entry in record["cypher"]] == ["terms", "hierarchy", "annotations"]
    for entry in record["cypher"]:
        assert entry["text"] == named_query(entry["query"]).text
    assert record["compiled"][0]["min_genes"] == 1


def test_an_unknown_query_is_named() -> None:
    guide = replace(go_guide(), terms="no_such_query")
    with pytest.raises(QueryError, match="no_such_query"):
        compile_guide(CannedStore(go_guide()), guide, FEATURES)  # type: ignore[arg-type]


def test_data_of_another_species_are_refused_with_the_name_of_the_guide() -> None:
    guide = go_guide()
    mouse = FEATURES.assign(gene=["M:1", "M:2"])
    with pytest.raises(BlueprintError, match="annotated to a term of GO biological_process"):
        compile_guide(CannedStore(guide), guide, mouse)  # type: ignore[arg-type]
