"""The compiler: rows of a query -> :class:`Blueprint`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from kgreg.blueprint.hierarchy import Hierarchy
from kgreg.blueprint.model import DROPPED_COLUMNS, Blueprint, no_interactions
from kgreg.errors import BlueprintError, some
from kgreg.store.protocol import GraphStore
from kgreg.store.queries import NamedQuery, find_query, run_named

Cycles = Literal["error", "break"]
Levels = Literal["leaves", "roots"]


@dataclass(frozen=True)
class Guide:
    """Which knowledge guides the network: three named queries (or paths of ``.cypher`` files) and their parameters.

    ``terms`` must return ``id, label``; ``hierarchy`` ``child, parent, relation``; ``annotations`` ``gene, term,
    evidence``. ``parameters`` holds the values of all three; each query is given those it declares.
    """

    name: str
    terms: str
    hierarchy: str
    annotations: str
    parameters: Mapping[str, Any]


#: Evidence codes left out unless asked for: ND says that nothing is known.
NO_EVIDENCE = ("ND",)


def go_guide(
    namespace: str = "biological_process",
    relations: Sequence[str] = ("is_a", "part_of"),
    evidence_excluded: Sequence[str] = NO_EVIDENCE,
) -> Guide:
    """Return the guide for one namespace of the Gene Ontology."""
    return Guide(
        name=f"GO {namespace}",
        terms="go_terms",
        hierarchy="go_hierarchy",
        annotations="go_annotations",
        parameters={
            "namespace": namespace,
            "relations": list(relations),
            "evidence_excluded": list(evidence_excluded),
        },
    )


def reactome_guide(evidence_excluded: Sequence[str] = ()) -> Guide:
    """Return the guide for the Reactome pathways."""
    return Guide(
        name="Reactome",
        terms="reactome_terms",
        hierarchy="reactome_hierarchy",
        annotations="reactome_annotations",
        parameters={"evidence_excluded": list(evidence_excluded)},
    )


def compile_guide(store: GraphStore, guide: Guide, features: pd.DataFrame, **options: Any) -> Blueprint:
    """Compile the part of the store that ``guide`` selects into a visible network over ``features``.

    Parameters
    ----------
    store
        An open graph store.
    guide
        From :func:`go_guide`, :func:`reactome_guide` or made by hand.
    features
        Columns ``feature`` (name in the data), ``gene`` (node id) and ``label``; one row a gene, in input order. With
        a column ``modality``, one row a gene and modality.
    options
        As :func:`compile_hierarchy`.
    """
    tables: dict[str, pd.DataFrame] = {}
    cypher = []
    for role in ("terms", "hierarchy", "annotations"):
        query = find_query(getattr(guide, role))
        _check_query(guide, role, query)
        parameters = {name: guide.parameters[name] for name in query.parameters}
        tables[role] = run_named(store, getattr(guide, role), **parameters).to_pandas()
        cypher.append({"role": role, "query": query.name, "text": query.text, "parameters": parameters})
    if tables["terms"].empty:
        raise BlueprintError(
            f"The store {store.location} holds nothing that the query '{guide.terms}' selects.",
            f"Load the knowledge of {guide.name} into it with `kgreg load`.",
        )
    provenance = {
        "guide": guide.name,
        "store": str(store.location),
        "sources": store.sources().to_pylist(),
        "cypher": cypher,
    }
    return compile_hierarchy(
        tables["hierarchy"],
        tables["annotations"],
        features,
        labels=dict(zip(tables["terms"]["id"], tables["terms"]["label"], strict=True)),
        source=guide.name,
        provenance=provenance,
        **options,
    )


#: What the query of each role must return.
ROLE_COLUMNS = {
    "terms": ("id", "label"),
    "hierarchy": ("child", "parent", "relation"),
    "annotations": ("gene", "term", "evidence"),
}


def _check_query(guide: Guide, role: str, query: NamedQuery) -> None:
    missing = [column for column in ROLE_COLUMNS[role] if column not in query.columns]
    if missing:
        raise BlueprintError(
            f"The query '{query.name}', which is to return the {role}, lacks the columns {', '.join(missing)}; it "
            f"returns {', '.join(query.columns)}.",
            f"Name them with AS: {', '.join(ROLE_COLUMNS[role])}.",
        )
    unknown = [name for name in query.parameters if name not in guide.parameters]
    if unknown:
        raise BlueprintError(
            f"The query '{query.name}' takes the parameters {', '.join(unknown)}, which were not given.",
            "Give their values.",
        )


def compile_hierarchy(
    hierarchy: pd.DataFrame,
    annotations: pd.DataFrame,
    features: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None = None,
    min_genes: int = 1,
    max_genes: int | None = None,
    redundancy: float | None = 1.0,
    max_depth: int | None = None,
    root: str | None = None,
    cycles: Cycles = "error",
    levels: Levels = "leaves",
    width: int = 4,
    width_fraction: float = 0.0,
    task: str = "output",
    source: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> Blueprint:
    """Compile a hierarchy of terms and its annotations into a visible network over the genes of the data.

    The rules, in order: cycles are refused or broken; the part below ``root`` is taken; annotations are restricted
    to ``features``; terms without a gene at or below them go; then terms deeper than ``max_depth`` links below a
    root, smaller than ``min_genes`` and larger than ``max_genes`` (genes of the data at or below the term), and terms
    whose only child covers ``redundancy`` of their genes (1: the same genes) are spliced out: their genes and
    children pass to their parents. A gene stays attached to every term that annotates it directly, links may skip
    levels, and there may be several roots. Whatever is left out is a row of ``Blueprint.dropped``.

    Parameters
    ----------
    hierarchy
        Columns ``child``, ``parent`` and, optionally, ``relation``.
    annotations
        Columns ``gene``, ``term`` and, optionally, ``evidence``.
    features
        Columns ``feature``, ``gene`` and, optionally, ``label``; one row a gene, in input order. With a column
        ``modality`` (mutation, amplification, ...), one row a gene and modality: all rows of a gene feed its node,
        and stand together in ``Blueprint.inputs``, the genes in the order of their first rows.
    labels
        Term id -> name; ids stand for themselves where absent.
    levels
        "leaves": a term stands one above the highest of its children; "roots": one below the lowest of its parents, so
        that terms as far from the roots form a layer; ``max_depth`` then counts the longest way to a root.
    width, width_fraction
        Neurons a term, see :meth:`Blueprint.with_width`.

    Raises
    ------
    BlueprintError
        If there is a cycle and ``cycles="error"``, no gene of the data is annotated, ``root`` is unknown, or nothing
        is left after pruning.
    """
    inputs = one_feature_a_gene(features)
    names = dict(labels or {})
    used = pd.unique(
        pd.concat([hierarchy["child"], hierarchy["parent"], annotations["term"]], ignore_index=True).astype(str)
    )
    work = Hierarchy({term: names.get(term, term) for term in [*names, *used]})
    relation = hierarchy["relation"] if "relation" in hierarchy else pd.Series("child_of", index=hierarchy.index)
    for child, parent, kind in zip(hierarchy["child"], hierarchy["parent"], relation, strict=True):
        work.link(child, parent, kind)
    evidence = annotations["evidence"] if "evidence" in annotations else pd.Series("", index=annotations.index)
    wanted = set(features["gene"])
    for gene, term, code in zip(annotations["gene"], annotations["term"], evidence, strict=True):
        if gene in wanted:
            work.genes[term].setdefault(gene, code)

    if cycles == "break":
        work.break_cycles()
    work.topological()  # refuses a cycle before anything is cut away
    if root is not None:
        if root not in work.labels:
            raise BlueprintError(f"The root '{root}' is not a term of the hierarchy.", "Check the id, with its prefix.")
        work.keep_only(work.below(root), "root", f"not below {root}")
    if not any(work.genes.values()):
        raise BlueprintError(
            f"None of the {len(wanted)} genes of the data is annotated to a term of {source or 'the hierarchy'}.",
            "Check that gene symbols and species of data and knowledge agree.",
        )
    work.keep_only((t for t, g in work.closure().items() if g), "empty", "no gene of the data at or below it")
    if max_depth is not None:
        # Counted as the levels are, so that layers from the roots come out as many as were asked for.
        depth = work.depths() if levels == "leaves" else work.longest_depths()
        work.splice_where("depth", lambda t: f"{depth[t]} links below a root" if depth[t] > max_depth else None)
    size = {term: len(genes) for term, genes in work.closure().items()}
    work.splice_where("min_genes", lambda t: f"{size[t]} genes" if size[t] < min_genes else None)
    if max_genes is not None:
        work.splice_where("max_genes", lambda t: f"{size[t]} genes" if size[t] > max_genes else None)
    if redundancy is not None:
        work.collapse(redundancy)
    if not work.labels:
        raise BlueprintError(
            f"No term is left with min_genes={min_genes}, max_genes={max_genes}.", "Loosen the pruning."
        )
    options = {
        "min_genes": min_genes,
        "max_genes": max_genes,
        "redundancy": redundancy,
        "max_depth": max_depth,
        "root": root,
        "cycles": cycles,
        "levels": levels,
        "width": width,
        "width_fraction": width_fraction,
    }
    record = dict(provenance or {})
    record["compiled"] = [*record.get("compiled", []), options]
    return _assemble(work, inputs, levels, task, source, record).with_width(width, width_fraction)


def one_feature_a_gene(features: pd.DataFrame) -> pd.DataFrame:
    """Return ``features`` with a column ``modality`` and the rows of each gene together."""
    inputs = features if "modality" in features else features.assign(modality="rna")
    distinct = inputs.drop_duplicates(["gene", "feature"])
    twice = [*distinct.loc[distinct["gene"].duplicated(), "gene"]]
    twice += [*inputs.loc[inputs.duplicated(["gene", "modality"]), "gene"]]
    if twice:
        raise BlueprintError(f"Several features are the same gene: {some(twice)}.", "Keep one feature a gene.")
    first = {gene: i for i, gene in enumerate(distinct["gene"])}
    return inputs.iloc[np.argsort(inputs["gene"].map(first).to_numpy(), kind="stable")]


def _assemble(
    work: Hierarchy, inputs: pd.DataFrame, levels: Levels, task: str, source: str, provenance: Mapping[str, Any]
) -> Blueprint:
    """Turn the finished workbench into a blueprint."""
    features = inputs.drop_duplicates("gene")
    attached = {gene for term in work.labels for gene in work.genes[term]}
    label_of = dict(zip(features["gene"], features["label" if "label" in features else "feature"], strict=True))
    for gene in features["gene"]:
        if gene not in attached:
            work.drop("genes", "gene", gene, "no remaining term annotates it", label_of[gene])
    kept = features[features["gene"].isin(attached)]
    level = work.levels() if levels == "leaves" else work.levels_from_roots()
    terms = sorted(work.labels, key=lambda term: (level[term], term))
    nodes = pd.DataFrame(
        {
            "id": [*kept["gene"], *terms],
            "kind": ["gene"] * len(kept) + ["term"] * len(terms),
            "label": [*(label_of[gene] for gene in kept["gene"]), *(work.labels[term] for term in terms)],
            "level": [0] * len(kept) + [level[term] for term in terms],
            "width": 1,
            "source": source,
        }
    )
    position = {gene: i for i, gene in enumerate(kept["gene"])}
    rows: list[tuple[str, str, str]] = []
    for term in terms:
        rows += [(g, term, work.genes[term][g]) for g in sorted(work.genes[term], key=position.__getitem__)]
        rows += [(c, term, work.children[term][c]) for c in sorted(work.children[term])]
    edges = pd.DataFrame(rows, columns=["source", "target", "relation"]).assign(weight=np.nan, sign=0, trainable=True)
    fed = inputs[inputs["gene"].isin(attached)].rename(columns={"gene": "node"})
    tops = [term for term in terms if not work.parents[term]]
    return Blueprint(
        nodes=nodes,
        edges=edges,
        inputs=fed,
        outputs=pd.DataFrame({"task": task, "node": tops}),
        provenance=provenance,
        dropped=pd.DataFrame(work.dropped, columns=list(DROPPED_COLUMNS)),
    )


def recompile(
    blueprint: Blueprint,
    features: Sequence[str] | None = None,
    inputs: pd.DataFrame | None = None,
    **options: Any,
) -> Blueprint:
    """Compile a blueprint once more, on fewer or other features or with other limits.

    Widths, the weights and signs of the edges that stay, and the records are kept. Every option that is not given is
    off (see :func:`compile_hierarchy`).

    Parameters
    ----------
    features
        Inputs to keep, in this order.
    inputs
        Instead: new inputs, ``feature, gene`` and, optionally, ``modality``; genes without one are left out.

    Raises
    ------
    BlueprintError
        If a feature is not an input, or a gene not a gene, of the blueprint, or nothing is left.
    """
    from kgreg.blueprint.signalling import is_network, recompile_network  # which compiles with what is here

    if blueprint.terms.empty:
        return _other_inputs(blueprint, features, inputs)
    if is_network(blueprint):
        return recompile_network(blueprint, features, inputs, **options)
    genes = set(blueprint.genes["id"])
    from_gene = blueprint.edges["source"].isin(genes)
    terms = blueprint.edges[~from_gene].rename(columns={"source": "child", "target": "parent"})
    links = blueprint.edges[from_gene].rename(columns={"source": "gene", "target": "term", "relation": "evidence"})
    label = blueprint.nodes.set_index("id")["label"]
    before = blueprint.inputs.rename(columns={"node": "gene"})
    table = input_rows(blueprint, features, inputs)
    left_out = before[~before["gene"].isin(table["gene"])].drop_duplicates("gene")
    result = compile_hierarchy(
        terms,
        links,
        table.assign(label=label.reindex(table["gene"]).to_numpy()),
        labels=dict(zip(blueprint.terms["id"], blueprint.terms["label"], strict=True)),
        provenance=blueprint.provenance,
        task=str(blueprint.outputs["task"].iloc[0]),
        **{"redundancy": None, **options},
    )
    nodes = blueprint.nodes.set_index("id").reindex(result.nodes["id"])
    reason = "not among the features asked for" if inputs is None else "the data do not measure it"
    asked = pd.DataFrame({"id": left_out["gene"], "label": label.reindex(left_out["gene"]).to_numpy()}).assign(
        step="features", kind="gene", reason=reason
    )
    return replace(
        result,
        nodes=result.nodes.assign(**{column: nodes[column].to_numpy() for column in ("kind", "width", "source")}),
        edges=edges_as_before(result.edges, blueprint.edges),
        dropped=joined_records(blueprint.dropped, asked, result.dropped),
    ).with_interactions(blueprint.interactions)


def joined_records(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return rows of ``Blueprint.dropped`` of several tables, in order."""
    return pd.concat([part for part in tables if len(part)] or [tables[-1]], ignore_index=True)


def input_rows(blueprint: Blueprint, features: Sequence[str] | None, inputs: pd.DataFrame | None) -> pd.DataFrame:
    """Return ``feature, gene, modality`` of the inputs that are asked for, in order."""
    table = blueprint.inputs.rename(columns={"node": "gene"})
    if features is not None:
        unknown = sorted(set(features) - set(table["feature"]))
        if unknown:
            raise BlueprintError(f"Not inputs of the blueprint: {some(unknown)}.", "Name features of the data.")
        table = table.set_index("feature", drop=False).loc[list(features)].reset_index(drop=True)
    if inputs is not None:
        unknown = sorted(set(inputs["gene"]) - set(blueprint.genes["id"]))
        if unknown:
            raise BlueprintError(f"Not genes of the blueprint: {some(unknown)}.", "Match the features to it first.")
        place = {gene: i for i, gene in enumerate(blueprint.genes["id"])}
        table = inputs.iloc[np.argsort(inputs["gene"].map(place).to_numpy(), kind="stable")]
    return table


def _other_inputs(blueprint: Blueprint, features: Sequence[str] | None, inputs: pd.DataFrame | None) -> Blueprint:
    """Return a blueprint without terms over other inputs: a graph of genes has nothing to prune."""
    table = input_rows(blueprint, features, inputs)
    if "modality" not in table:
        table = table.assign(modality="rna")
    kept = set(table["gene"])
    gone = blueprint.nodes[~blueprint.nodes["id"].isin(kept)]
    reason = "not among the features asked for" if inputs is None else "the data do not measure it"
    left = pd.DataFrame({"id": gone["id"], "label": gone["label"]}).assign(step="features", kind="gene", reason=reason)
    return replace(
        blueprint,
        nodes=blueprint.nodes[blueprint.nodes["id"].isin(kept)],
        inputs=table.rename(columns={"gene": "node"}),
        interactions=no_interactions(),
        dropped=joined_records(blueprint.dropped, left),
    ).with_interactions(blueprint.interactions)


def edges_as_before(edges: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Return ``edges`` with the weight, sign and trainability that those of the same two nodes had."""
    own = edges.merge(before, on=["source", "target"], how="left", suffixes=("", "_before"))
    had = own["relation_before"].notna()
    for column in ("weight", "sign", "trainable"):
        own[column] = own[f"{column}_before"].where(had, own[column]).astype(edges[column].dtype)
    return own[list(edges.columns)]
