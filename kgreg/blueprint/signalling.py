"""A directed network of proteins over the expression of genes -> :class:`Blueprint`, one node a protein."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kgreg.blueprint.compiler import Cycles, edges_as_before, input_rows, joined_records, one_feature_a_gene
from kgreg.blueprint.directed_links import EXPRESSION, Direction, clean_links, tell_apart
from kgreg.blueprint.hierarchy import Hierarchy
from kgreg.blueprint.model import DROPPED_COLUMNS, Blueprint
from kgreg.errors import BlueprintError, some

#: Follows the name of a protein whose gene's expression stands in the network under that name.
PROTEIN = "_protein"

#: Relations whose regulated end is the expression of a gene.
TRANSCRIPTION = ("targets",)

#: Kind of the inner nodes of such a blueprint.
KIND = "protein"


def compile_network(
    edges: pd.DataFrame,
    features: pd.DataFrame,
    outputs: Sequence[str] | None = None,
    *,
    direction: Direction = "along",
    transcription: Sequence[str] = TRANSCRIPTION,
    signs: bool = False,
    min_weight: float = 0.0,
    cycles: Cycles = "error",
    labels: Mapping[str, str] | None = None,
    width: int = 1,
    source: str = "network",
    provenance: Mapping[str, Any] | None = None,
) -> Blueprint:
    """Compile a signalling or regulatory network into a visible network (Fortelny & Bock 2020).

    A node of the network is a protein, or the expression of a gene. Expression is: a name that ends with ``_gene``;
    what a ``transcription`` relation regulates, where regulators read (``direction="against"``); and whatever reads
    nothing itself. Only expression that the data measure is an input. A protein whose gene's expression stands in the
    network too is another node, and gets ``_protein`` after its name.

    The rules, in order: links of a node with itself, links below ``min_weight`` and pairs that are listed again go; an
    output is read out and read by nothing else; only nodes on a path from a measured gene to an output stay; cycles
    are refused or broken. They are broken depth first from the outputs (in order of name), children in order of name:
    a link to a node that is being walked already is dropped. Links that skip levels stay. Whatever is left out is a
    row of ``Blueprint.dropped``.

    Parameters
    ----------
    edges
        Columns ``source`` and ``target``, or ``parent`` and ``child`` (a parent reads its child, whatever the
        direction); optionally ``sign`` (1, -1 or 0), ``weight`` and ``relation``.
    features
        ``feature``, ``gene`` and, optionally, ``label`` and ``modality``; see :func:`compile_hierarchy`.
    outputs
        Names of the nodes that are read out. Default: those that no other reads, by name.
    signs
        Whether weights keep the sign of their link.
    labels
        Names of the nodes to show; ids stand for themselves where absent.
    width
        Neurons of a protein; an output has one.

    Raises
    ------
    BlueprintError
        If names are empty, signs or weights are no numbers, weights are negative, an output is unknown, no gene is
        measured, no measured gene leads to an output, or there is a cycle and ``cycles="error"``.
    """
    inputs = one_feature_a_gene(features)
    links, dropped = clean_links(edges, direction, min_weight)
    genes, proteins = tell_apart(links, transcription)
    names = dict(labels or {})
    taken = set(genes.values())
    identity = {name: name + PROTEIN if name in taken else name for name in proteins}
    work = Hierarchy({identity[name]: names.get(name, name) for name in proteins}, dropped=dropped)
    measured = set(inputs["gene"])
    unmeasured: set[str] = set()
    kept_sign: dict[tuple[str, str], int] = {}
    for row, (child, parent, relation, sign) in enumerate(
        zip(links["child"], links["parent"], links["relation"], links["sign"], strict=True)
    ):
        reader = identity[parent]
        end = genes.get((row, child)) or genes.get((-1, child))
        if end is None:
            work.link(identity[child], reader, relation)
            kept_sign.setdefault((identity[child], reader), sign)
        elif end in measured:
            work.genes[reader].setdefault(end, relation)
            kept_sign.setdefault((end, reader), sign)
        else:
            unmeasured.add(end)
    for gene in sorted(unmeasured):
        work.drop("features", "gene", gene, "the data do not measure it", names.get(gene, gene))
    chosen = _outputs(work, outputs, identity)
    options = {
        "compiler": "network",
        "direction": direction,
        "transcription": list(transcription),
        "signs": signs,
        "min_weight": min_weight,
        "cycles": cycles,
        "outputs": chosen,
        "width": width,
    }
    record = dict(provenance or {})
    record["compiled"] = [*record.get("compiled", []), options]
    blueprint = _finish(work, inputs, chosen, chosen, cycles, source, record)
    if signs:
        pairs = zip(blueprint.edges["source"], blueprint.edges["target"], strict=True)
        blueprint = replace(blueprint, edges=blueprint.edges.assign(sign=[kept_sign[pair] for pair in pairs]))
    wide = (blueprint.nodes["kind"] == KIND) & ~blueprint.nodes["id"].isin(chosen)
    return replace(blueprint, nodes=blueprint.nodes.assign(width=np.where(wide, width, 1)))


def is_network(blueprint: Blueprint) -> bool:
    """Say whether a blueprint was compiled from a network of proteins."""
    return bool((blueprint.terms["kind"] == KIND).any())


def recompile_network(
    blueprint: Blueprint,
    features: Sequence[str] | None = None,
    inputs: pd.DataFrame | None = None,
    root: str | None = None,
    **limits: Any,
) -> Blueprint:
    """Compile the network of a blueprint once more, on other features or up to one node.

    Raises
    ------
    BlueprintError
        If it is to be cut by rules for hierarchies, which splice terms out: a protein is no set of genes.
    """
    asked = {key: value for key, value in limits.items() if value not in (None, 1, "leaves", "error")}
    if asked:
        raise BlueprintError(
            f"A network of proteins is not cut by {', '.join(asked)}.", "Leave them out; choose other outputs instead."
        )
    nodes = blueprint.nodes.set_index("id")
    outputs = [root] if root is not None else blueprint.outputs["node"].tolist()
    tasks = [root] if root is not None else blueprint.outputs["task"].tolist()
    if root is not None and root not in set(blueprint.terms["id"]):
        raise BlueprintError(f"'{root}' is no protein of the network.", "Check the name.")
    rows = input_rows(blueprint, features, inputs)
    rows = one_feature_a_gene(rows.assign(label=nodes["label"].reindex(rows["gene"]).to_numpy()))
    measured = set(rows["gene"])
    work = Hierarchy(dict(zip(blueprint.terms["id"], blueprint.terms["label"], strict=True)))
    genes = set(blueprint.genes["id"])
    table = blueprint.edges
    for child, parent, relation in zip(table["source"], table["target"], table["relation"], strict=True):
        if child not in genes:
            work.link(child, parent, relation)
        elif child in measured:
            work.genes[parent][child] = relation
    reason = "not among the features asked for" if inputs is None else "the data do not measure it"
    for gene in sorted(genes - measured):
        work.drop("features", "gene", gene, reason, str(nodes.at[gene, "label"]))
    result = _finish(work, rows, outputs, tasks, "error", "", blueprint.provenance)
    there = nodes.reindex(result.nodes["id"])
    return replace(
        result,
        nodes=result.nodes.assign(width=there["width"].to_numpy(), source=there["source"].to_numpy()),
        edges=edges_as_before(result.edges, blueprint.edges),
        dropped=joined_records(blueprint.dropped, result.dropped),
    ).with_interactions(blueprint.interactions)


def _outputs(work: Hierarchy, outputs: Sequence[str] | None, identity: Mapping[str, str]) -> list[str]:
    """Return the ids of the nodes that are read out."""
    if outputs is None:
        tops = sorted(node for node in work.labels if not work.parents[node])
        if not tops:
            raise BlueprintError(
                "Every node of the network is read by another: there is none to read out.",
                "Name the outputs: outputs = [...].",
            )
        return tops
    by_label = {label: node for node, label in work.labels.items()}
    found = {name: identity.get(name) or (name if name in work.labels else by_label.get(name)) for name in outputs}
    unknown = [name for name, node in found.items() if node is None]
    if unknown or not found:
        raise BlueprintError(
            f"The outputs {some(unknown)} are not proteins of the network." if unknown else "No output is named.",
            f"Its nodes are, for example, {some(sorted(work.labels.values()))}.",
        )
    if len(found) < len(outputs):
        raise BlueprintError(f"An output is named twice: {some(outputs)}.", "Name each once.")
    return [str(node) for node in found.values()]


def _finish(
    work: Hierarchy,
    inputs: pd.DataFrame,
    outputs: Sequence[str],
    tasks: Sequence[str],
    cycles: Cycles,
    source: str,
    provenance: Mapping[str, Any],
) -> Blueprint:
    """Cut the workbench to what lies between measured genes and outputs, and turn it into a blueprint."""
    if not any(work.genes.values()):
        raise BlueprintError(
            f"None of the {inputs['gene'].nunique()} genes of the data is read by a protein of the network.",
            f"Name genes in both alike (a name that ends with {EXPRESSION} is the expression of a gene), and check the "
            "direction of the links.",
        )
    for output in outputs:
        for reader in sorted(work.parents[output]):
            work.unlink(output, reader)
            work.drop("outputs", "edge", f"{output} -> {reader}", "an output is read by nothing else")
    work.keep_only(_reached(outputs, work.children), "outputs", "no path to an output")
    work.keep_only(_above_genes(work), "empty", "no measured gene at or below it")
    _refuse_lost(work, outputs)
    if cycles == "break":
        work.break_cycles()
        work.keep_only(_above_genes(work), "empty", "no measured gene at or below it")
        _refuse_lost(work, outputs)
    level = work.levels()  # refuses a cycle
    attached = {gene for node in work.labels for gene in work.genes[node]}
    features = inputs.drop_duplicates("gene")
    label_of = dict(zip(features["gene"], features["label" if "label" in features else "feature"], strict=True))
    for gene in features["gene"]:
        if gene not in attached:
            work.drop("genes", "gene", gene, "no remaining protein reads it", label_of[gene])
    kept = features.loc[features["gene"].isin(attached), "gene"].tolist()
    proteins = sorted(work.labels, key=lambda node: (level[node], node))
    rows: list[tuple[str, str, str]] = []
    place = {gene: i for i, gene in enumerate(kept)}
    for node in proteins:
        rows += [(gene, node, work.genes[node][gene]) for gene in sorted(work.genes[node], key=place.__getitem__)]
        rows += [(child, node, work.children[node][child]) for child in sorted(work.children[node])]
    table = pd.DataFrame(rows, columns=["source", "target", "relation"])
    dropped = pd.DataFrame(work.dropped, columns=list(DROPPED_COLUMNS))
    return Blueprint(
        nodes=pd.DataFrame(
            {
                "id": [*kept, *proteins],
                "kind": ["gene"] * len(kept) + [KIND] * len(proteins),
                "label": [*(label_of[gene] for gene in kept), *(work.labels[node] for node in proteins)],
                "level": [0] * len(kept) + [level[node] for node in proteins],
                "width": 1,
                "source": source,
            }
        ),
        edges=table.assign(weight=np.nan, sign=0, trainable=True),
        inputs=inputs[inputs["gene"].isin(attached)].rename(columns={"gene": "node"}),
        outputs=pd.DataFrame({"task": list(tasks), "node": list(outputs)}),
        provenance=provenance,
        dropped=dropped.assign(kind=dropped["kind"].replace("term", KIND)),
    )


def _reached(starts: Iterable[str], follow: Mapping[str, Mapping[str, str]]) -> set[str]:
    found = set(starts)
    stack = list(found)
    while stack:
        for node in follow.get(stack.pop(), {}):
            if node not in found:
                found.add(node)
                stack.append(node)
    return found


def _above_genes(work: Hierarchy) -> set[str]:
    return _reached([node for node in work.labels if work.genes.get(node)], work.parents)


def _refuse_lost(work: Hierarchy, outputs: Sequence[str]) -> None:
    lost = [output for output in outputs if output not in work.labels]
    if lost:
        raise BlueprintError(
            f"No measured gene leads to the outputs {some(lost)}.",
            "Leave them out, measure other genes, or check the direction of the links.",
        )
