"""The data behind the picture and the search box: every node with its scores for every output."""

from __future__ import annotations

from typing import Any

from kgreg.report.contents import ReportContents
from kgreg.report.hierarchy_view import SHAPES, colours, spread
from kgreg.report.numbers import is_known
from kgreg.report.tables import name_of_output, outputs_of, page_of

_COLUMNS = ("score", "low", "high", "n", "z", "q", "rank")


def explorer_data(contents: ReportContents) -> dict[str, Any]:
    """Return nodes (terms in the order of the picture, then genes) and, for every output, columns of their scores.

    ``terms_of`` gives for a gene (by its position) the positions of the terms that read it.
    """
    blueprint, ranking = contents.blueprint, contents.ranking
    tree = spread(blueprint)
    genes = blueprint.genes
    order = [*tree["id"], *genes["id"]]
    place = {node: i for i, node in enumerate(order)}
    terms_of: dict[int, list[int]] = {}
    inputs = set(genes["id"])
    for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
        if source in inputs:
            terms_of.setdefault(place[source], []).append(place[target])
    outputs = []
    for output in outputs_of(ranking):
        rows = ranking[ranking["output"] == output].drop_duplicates("node").set_index("node").reindex(order)
        scale = colours(tree, ranking, output)
        outputs.append(
            {
                "name": name_of_output(output, contents.data["task"]),
                "title": scale["title"],
                "limit": scale["limit"],
                "coloured_by": "score" if scale["title"] == "score" else "z",
                **{column: [_short(value) for value in rows[column]] for column in _COLUMNS},
            }
        )
    return {
        "ids": order,
        "labels": [*tree["label"], *genes["label"]],
        "pages": [page_of(node) for node in order],
        "n_terms": len(tree),
        "n_genes": [int(n) for n in tree["n_genes"]],
        "parents": [int(n) for n in tree["parents"]],
        "terms_of": terms_of,
        "outputs": outputs,
        "shapes": SHAPES,
        "networks": int(ranking["n"].max()) if len(ranking) else 0,
        "seed": int(contents.metrics["seed"]),
    }


def _short(value: Any) -> float | int | None:
    """Return a number with four significant digits; whole numbers as they are."""
    if not is_known(value):
        return None
    return int(value) if value == int(value) else float(f"{float(value):.4g}")
