"""Networks compiled from a user's own Cypher."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import BlueprintError, ExperimentError, QueryError
from kgreg.experiment import make_experiment
from kgreg.runs import Run, run_experiment
from tests.cells import small_record

TERMS = """// Immune processes.
// parameters: words
// columns: id, label
MATCH (t:Term) WHERE t.namespace = 'biological_process' AND t.name CONTAINS $words RETURN t.id AS id, t.name AS label
"""
HIERARCHY = """// Their is_a links.
// parameters: words
// columns: child, parent, relation
MATCH (c:Term)-[:IS_A]->(p:Term) WHERE c.name CONTAINS $words AND p.name CONTAINS $words
RETURN c.id AS child, p.id AS parent, 'is_a' AS relation
"""
ANNOTATIONS = """// Their genes.
// parameters: words
// columns: gene, term, evidence
MATCH (g:Gene)-[a:ANNOTATED_TO]->(t:Term) WHERE t.namespace = 'biological_process' AND t.name CONTAINS $words
RETURN g.id AS gene, t.id AS term, a.evidence AS evidence
"""


def compiled(folder: Path, store: Path, **queries: str) -> Run:
    texts = {"terms": TERMS, "hierarchy": HIERARCHY, "annotations": ANNOTATIONS} | queries
    knowledge: dict[str, object] = {"guide": "cypher", "store": str(store), "min_genes": 2, "max_genes": None}
    for role, text in texts.items():
        path = folder / f"{role}.cypher"
        path.write_text(text, encoding="utf-8")
        knowledge[role] = str(path)
    record = small_record(folder, store) | {"knowledge": knowledge | {"parameters": {"words": "T cell"}}}
    return run_experiment(make_experiment(record), until="compile", force=True)


def test_the_network_is_made_of_what_the_queries_return(tmp_path: Path, knowledge_store_path: Path) -> None:
    run = compiled(tmp_path, knowledge_store_path)
    assert len(run.blueprint.terms) > 5
    assert run.blueprint.terms["label"].str.contains("T cell").all()
    texts = [query["text"] for query in run.blueprint.provenance["cypher"]]
    assert texts == [TERMS, HIERARCHY, ANNOTATIONS]
    assert run.blueprint.provenance["cypher"][0]["parameters"] == {"words": "T cell"}


def test_a_wrong_column_is_named(tmp_path: Path, knowledge_store_path: Path) -> None:
    wrong = ANNOTATIONS.replace("gene, term, evidence", "symbol, term, evidence").replace("AS gene", "AS symbol")
    with pytest.raises(BlueprintError, match=r"'annotations'.*lacks the columns gene"):
        compiled(tmp_path, knowledge_store_path, annotations=wrong)
    with pytest.raises(QueryError, match="returned the columns symbol, term, evidence"):
        compiled(tmp_path, knowledge_store_path, annotations=ANNOTATIONS.replace("AS gene", "AS symbol"))
    with pytest.raises(QueryError, match="does not say which columns"):
        compiled(tmp_path, knowledge_store_path, terms="MATCH (t:Term) RETURN t.id AS id, t.name AS label")


def test_a_parameter_without_a_value_is_named(tmp_path: Path, knowledge_store_path: Path) -> None:
    with pytest.raises(BlueprintError, match="'terms' takes the parameters root"):
        compiled(tmp_path, knowledge_store_path, terms=TERMS.replace("words", "root"))


def test_a_selection_of_nothing_says_so(tmp_path: Path, knowledge_store_path: Path) -> None:
    with pytest.raises(BlueprintError, match="holds nothing that the query"):
        compiled(tmp_path, knowledge_store_path, terms=TERMS.replace("'biological_process'", "'no namespace'"))


def test_the_keys_go_together(tmp_path: Path, knowledge_store_path: Path) -> None:
    record = small_record(tmp_path, knowledge_store_path)
    with pytest.raises(ExperimentError, match="needs three queries"):
        make_experiment(record | {"knowledge": {"guide": "cypher", "terms": "a.cypher"}})
    with pytest.raises(ExperimentError, match="terms mean nothing"):
        make_experiment(record | {"knowledge": {"guide": "go", "terms": "a.cypher"}})
