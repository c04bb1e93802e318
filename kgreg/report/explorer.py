"""The data behind the picture, the search box and the panel: every node with its scores for every output."""

from __future__ import annotations

from typing import Any

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report.contents import ReportContents
from kgreg.report.hierarchy_view import SHAPES, colours, spread
from kgreg.report.node_details import node_details
from kgreg.report.numbers import is_known
from kgreg.report.tables import name_of_output, outputs_of, page_of

_COLUMNS = (
    "score", "low", "high", "n", "z", "p", "q", "rank", "stability", "top_probability", "rank_low", "rank_high",
)  # fmt: skip

#: What a reader calls one node of a kind.
ONE_OF_KIND = {"term": "subsystem", "family": "family of factors", "tf": "factor", "motif": "motif", "gene": "gene"}


def explorer_data(contents: ReportContents) -> dict[str, Any]:
    """Return nodes (terms in the order of the picture, then genes) and, for every output, columns of their scores.

    ``terms_of`` gives for a gene (by its position) the positions of the terms that read it; ``details`` are those of
    :func:`kgreg.report.node_details.node_details`.
    """
    blueprint, ranking = contents.blueprint, contents.ranking
    tree = spread(blueprint)
    genes = blueprint.genes
    order = [*tree["id"], *genes["id"]]
    place = {node: i for i, node in enumerate(order)}
    kinds = dict(zip(blueprint.nodes["id"], blueprint.nodes["kind"], strict=True))
    level = dict(zip(blueprint.nodes["id"], blueprint.nodes["level"], strict=True))
    ranked = {kind: int(n) for kind, n in ranking.groupby("kind")["node"].nunique().items()}
    outputs = []
    for output in outputs_of(ranking):
        rows = ranking[ranking["output"] == output].drop_duplicates("node").set_index("node").reindex(order)
        scale = colours(tree, ranking, output)
        outputs.append(
            {
                "key": output,
                "name": name_of_output(output, contents.data["task"]),
                "title": scale["title"],
                "limit": scale["limit"],
                "coloured_by": "score" if scale["title"] == "score" else "z",
                **{
                    column: [_short(v) for v in rows[column].tolist()] if rows[column].notna().any() else []
                    for column in _COLUMNS
                    if column in rows
                },
            }
        )
    return {
        "ids": order,
        "labels": [*tree["label"], *genes["label"]],
        "pages": [page_of(node) for node in order],
        "kinds": [kinds[node] if kinds[node] in RANKED_KINDS else "term" for node in order],
        "kind_names": ONE_OF_KIND,
        "kind_plurals": RANKED_KINDS,
        "ranked": ranked,
        "levels": [int(level[node]) for node in order],
        "n_terms": len(tree),
        "n_genes": [int(n) for n in tree["n_genes"]],
        "parents": [int(n) for n in tree["parents"]],
        "outputs": outputs,
        "shapes": SHAPES,
        "networks": int(ranking["n"].max()) if len(ranking) else 0,
        "seed": int(contents.metrics["seed"]),
        **node_details(contents, place),
    }


def _short(value: Any) -> float | int | None:
    """Return a number with three significant digits; whole numbers as they are."""
    if not is_known(value):
        return None
    return int(value) if value == int(value) else float(f"{float(value):.3g}")
