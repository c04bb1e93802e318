"""Levels counted from the leaves and from the roots."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.random_graphs import Knowledge, knowledge


@settings(max_examples=60, deadline=None)
@given(knowledge(), st.integers(0, 3))
def test_from_the_roots_a_term_stands_one_below_its_lowest_parent(drawn: Knowledge, most: int) -> None:
    blueprint = drawn.compile(levels="roots", max_depth=most, redundancy=None)
    level = blueprint.nodes.set_index("id")["level"]
    parents: dict[str, list[str]] = {}
    for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
        parents.setdefault(source, []).append(target)
    top = int(blueprint.terms["level"].max())
    assert blueprint.n_levels <= most + 1
    for term in blueprint.terms["id"]:
        above = [int(level[parent]) for parent in parents.get(term, [])]
        assert level[term] == (min(above) - 1 if above else top)
