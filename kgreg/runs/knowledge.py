"""From ``[knowledge]`` to a blueprint: from the store, from tables in files, or from one that was compiled before."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kgreg.blueprint import (
    Blueprint,
    Guide,
    clean_interactions,
    compile_guide,
    compile_hierarchy,
    compile_interactions,
    compile_regulators,
    go_guide,
    load_blueprint,
    reactome_guide,
    shared_membership,
)
from kgreg.blueprint.compiler import joined_records, recompile
from kgreg.blueprint.directed_links import Direction
from kgreg.data import Matching, Samples, input_table, match_blueprint, match_genes, match_names, usable_features
from kgreg.data.knowledge_tables import read_knowledge_table
from kgreg.errors import BlueprintError, ExperimentError
from kgreg.experiment import Experiment
from kgreg.progress import Progress, no_progress
from kgreg.runs.motifs import (
    NO_GENES,
    check_sequences,
    in_motif_file,
    motifs_of_file,
    motifs_of_store,
    no_knowledge,
)
from kgreg.runs.networks import (
    REGULATION,
    compile_links,
    in_file,
    is_regulation,
    names_of,
    read_network,
    stored_network,
)
from kgreg.sources.gene_sets import read_gmt
from kgreg.store import GraphStore, default_location, is_server, load, open_store, stores_of_other_versions
from kgreg.store.queries import find_query, run_named

log = logging.getLogger(__name__)

#: What ``[knowledge] interactions`` calls by name; everything else is a file.
NAMED_INTERACTIONS = ("reactome", "string", "tf_targets")


def make_blueprint(experiment: Experiment, samples: Samples, progress: Progress) -> tuple[Matching, Blueprint]:
    """Match the genes of the samples to the knowledge, and compile the network over them.

    The default store is made from the bundled snapshot if there is none yet; a store that was named must exist. None is
    opened where all knowledge comes from files.
    """
    knowledge = experiment.knowledge
    check_sequences(experiment, samples)
    if samples.sequences is not None:
        return NO_GENES, _reading_dna(experiment, samples, progress)
    if knowledge.blueprint is not None:
        made = _take_blueprint(experiment, samples, load_blueprint(Path(knowledge.blueprint)), progress)
    elif knowledge.guide == "tables":
        made = _from_tables(experiment, samples, progress)
    elif knowledge.guide == "regulators":
        made = _from_regulators(experiment, samples, progress)
    elif knowledge.guide == "interactions" and _in_table(knowledge.interactions):
        made = _from_interactions(experiment, samples, progress)
    elif knowledge.network is not None and in_file(knowledge.network):
        made = _from_network(experiment, samples, Path(knowledge.network), progress)
    else:
        return _from_store(experiment, samples, progress)
    matching, blueprint = made
    return matching, _beside(experiment, blueprint, None, progress)


def _reading_dna(experiment: Experiment, samples: Samples, progress: Progress) -> Blueprint:
    """Return the blueprint of a network that reads sequences."""
    knowledge = experiment.knowledge
    if knowledge.blueprint is not None:
        return load_blueprint(Path(knowledge.blueprint))
    if knowledge.guide == "none":
        return no_knowledge()
    if in_motif_file(knowledge):
        blueprint = motifs_of_file(experiment, samples)
    else:
        with open_knowledge(experiment, progress) as store:
            progress("selecting motifs", 0.8)
            blueprint = motifs_of_store(experiment, samples, store)
    progress("compiling the network", 1.0)
    return blueprint


def guide_of(experiment: Experiment) -> Guide:
    """Return the guide that ``[knowledge]`` asks for."""
    knowledge = experiment.knowledge
    if knowledge.guide == "cypher":
        terms, hierarchy, annotations = (str(q) for q in (knowledge.terms, knowledge.hierarchy, knowledge.annotations))
        return Guide("your Cypher", terms, hierarchy, annotations, knowledge.parameters)
    if knowledge.guide == "reactome":
        return reactome_guide(knowledge.evidence_excluded)
    return go_guide(knowledge.namespace, knowledge.relations, knowledge.evidence_excluded)


# ---- from the store --------------------------------------------------------------------------------------------------


def open_knowledge(experiment: Experiment, progress: Progress = no_progress) -> GraphStore:
    """Open the store of ``[knowledge]``; the default one is made from the bundled snapshot if there is none yet.

    Raises
    ------
    StoreError
        If a store that was named does not exist, or cannot be opened.
    """
    location: Any = experiment.knowledge.store
    if location is None:
        location = default_location()
        if not is_server(location) and not Path(location).exists():
            for other in stores_of_other_versions():
                log.warning("%s is of another version of kgreg; what was loaded into it is not used.", other)
            load(location, progress=lambda text, share: progress(text, 0.8 * share))
    return open_store(location)


def _from_store(experiment: Experiment, samples: Samples, progress: Progress) -> tuple[Matching, Blueprint]:
    knowledge = experiment.knowledge
    with open_knowledge(experiment, progress) as store:
        progress("matching gene symbols", 0.85)
        matching = _without_constant(experiment, samples, match_genes(samples.genes, store))
        progress("compiling the network", 0.9)
        inputs = input_table(samples, matching.matched)
        if knowledge.guide == "interactions":
            table, origin = _stored_interactions(experiment, store, inputs["gene"].drop_duplicates().tolist())
            blueprint = compile_interactions(
                table, inputs, min_weight=knowledge.min_weight, isolated=knowledge.isolated, source=origin["guide"],
                provenance=origin,
            )  # fmt: skip
            progress("compiling the network", 1.0)
            return matching, blueprint
        if knowledge.guide == "network":
            table, origin = stored_network(knowledge, store)
            symbols = run_named(store, "gene_symbols").to_pandas()
            labels = dict(zip(symbols["gene"], symbols["symbol"], strict=True))
            # Links of a store lead from regulators to what they regulate.
            blueprint = compile_links(experiment, samples, table, inputs, origin, "against", labels)
        else:
            blueprint = compile_guide(
                store,
                guide_of(experiment),
                inputs,
                **_limits(experiment),
                cycles=knowledge.cycles,
                **_widths(experiment),
            )
        blueprint = _beside(experiment, blueprint, store, progress)
    progress("compiling the network", 1.0)
    return matching, blueprint


def _stored_interactions(
    experiment: Experiment, store: GraphStore, genes: list[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return interactions between genes of the store, ``source, target, weight``, and their provenance."""
    knowledge = experiment.knowledge
    parameters: dict[str, Any]
    origin: dict[str, Any] = {"store": str(store.location), "sources": store.sources().to_pylist()}
    if knowledge.interactions == "reactome":
        name, parameters = "reactome_annotations", {"evidence_excluded": []}
        members = run_named(store, name, **parameters).to_pandas()
        table = shared_membership(members, knowledge.max_shared).assign(relation="shared_pathway")
        guide = f"Reactome, pathways shared by at most {knowledge.max_shared} genes"
    elif knowledge.interactions == "string":
        name, parameters = "gene_neighbourhood", {"genes": genes, "min_score": int(knowledge.min_weight)}
        found = run_named(store, name, **parameters).to_pandas()
        table = found.rename(columns={"gene": "source", "other": "target", "score": "weight"})
        guide = "interactions of proteins"
    else:
        name = str(knowledge.interactions)
        query = find_query(name)
        regulation = set(REGULATION) <= set(query.columns)
        missing = [] if regulation else [column for column in ("source", "target") if column not in query.columns]
        if missing:
            raise ExperimentError(
                f"The query '{query.name}', which is to return interactions, lacks the columns {', '.join(missing)}; "
                f"it returns {', '.join(query.columns)}.",
                "Name them with AS: source, target and, optionally, weight.",
            )
        parameters = {key: knowledge.parameters[key] for key in query.parameters if key in knowledge.parameters}
        table, guide = run_named(store, name, **parameters).to_pandas(), f"your Cypher ({query.name})"
        if regulation:
            weight = table["weight"].abs().fillna(1.0) if "weight" in table else 1.0
            table = table.rename(columns={"tf": "source"}).assign(weight=weight)
    if table.empty:
        raise BlueprintError(
            f"The store {store.location} holds no interactions of '{knowledge.interactions}'.",
            "Load them with `kgreg load` (STRING's links with its `aliases` or `info`, by which proteins find their "
            "genes; BioGRID; HumanNet), or give a table of your own.",
        )
    shown = {key: value for key, value in parameters.items() if key != "genes"}
    origin["guide"] = guide
    origin["cypher"] = [
        {"role": "interactions", "query": find_query(name).name, "text": find_query(name).text, "parameters": shown}
    ]
    return table, origin


# ---- from files ------------------------------------------------------------------------------------------------------


def _in_table(interactions: str | None) -> bool:
    """Say whether interactions are a table in a file, and not asked of a store."""
    return interactions is not None and interactions not in NAMED_INTERACTIONS and not interactions.endswith(".cypher")


def _table_of(path: str | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table of interactions by the names of genes, and its provenance."""
    assert path is not None
    ends = REGULATION if is_regulation(Path(path)) else ("source", "target")
    table = read_knowledge_table(Path(path), ends, ("relation",), ("weight",)).rename(columns={"tf": "source"})
    return table, {"guide": f"interactions of {Path(path).name}", "file": path}


def _named_as_data(
    found: tuple[pd.DataFrame, dict[str, Any]], blueprint: Blueprint
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table with ids of the blueprint's genes, where it calls them by id, label or feature."""
    table, origin = found
    genes = blueprint.genes
    names = dict(zip(blueprint.inputs["feature"], blueprint.inputs["node"], strict=True))
    names |= dict(zip(genes["label"], genes["id"], strict=True)) | dict(zip(genes["id"], genes["id"], strict=True))
    renamed = {end: table[end].map(lambda name: names.get(name, name)) for end in ("source", "target")}
    return table.assign(**renamed), origin


def _from_interactions(experiment: Experiment, samples: Samples, progress: Progress) -> tuple[Matching, Blueprint]:
    """Compile a table of interactions that calls genes as the data do."""
    knowledge = experiment.knowledge
    table, origin = _table_of(knowledge.interactions)
    progress("matching genes", 0.5)
    matching = match_names(samples.genes, set(samples.genes))  # a gene without an interaction is an input too
    matching = _without_constant(experiment, samples, matching)
    blueprint = compile_interactions(
        table, input_table(samples, matching.matched), min_weight=knowledge.min_weight, isolated=knowledge.isolated,
        source=origin["guide"], provenance=origin,
    )  # fmt: skip
    progress("compiling the network", 1.0)
    return matching, blueprint


def _from_regulators(experiment: Experiment, samples: Samples, progress: Progress) -> tuple[Matching, Blueprint]:
    """Compile the features of the data, which are transcription factors, by their own names."""
    matching = _without_constant(experiment, samples, match_names(samples.genes, set(samples.genes)))
    origin = {"guide": "regulators of the data"}
    blueprint = compile_regulators(input_table(samples, matching.matched), source=origin["guide"], provenance=origin)
    progress("compiling the network", 1.0)
    return matching, blueprint


def _from_tables(experiment: Experiment, samples: Samples, progress: Progress) -> tuple[Matching, Blueprint]:
    """Compile a hierarchy of terms and its annotations from files that call genes as the data do."""
    knowledge = experiment.knowledge
    assert knowledge.annotations is not None
    path = Path(knowledge.annotations)
    if path.name.endswith((".gmt", ".gmt.gz")):
        rows = [(symbol, one.name) for one in read_gmt(path) for symbol in one.symbols]
        annotations = pd.DataFrame(rows, columns=["gene", "term"])
    elif is_regulation(path):
        # A factor is a term, and what it regulates are its genes.
        table = read_knowledge_table(path, REGULATION)
        annotations = table.rename(columns={"tf": "term", "target": "gene"}).drop_duplicates()
    else:
        annotations = read_knowledge_table(path, ("gene", "term"), ("evidence",))
    hierarchy = pd.DataFrame(columns=["child", "parent"], dtype=str)
    if knowledge.hierarchy is not None:
        hierarchy = read_knowledge_table(Path(knowledge.hierarchy), ("child", "parent"), ("relation",))
    progress("matching genes", 0.5)
    matching = match_names(samples.genes, set(annotations["gene"]))
    matching = _without_constant(experiment, samples, matching)
    progress("compiling the network", 0.9)
    blueprint = compile_hierarchy(
        hierarchy,
        annotations,
        input_table(samples, matching.matched),
        **_limits(experiment),
        cycles=knowledge.cycles,
        source=path.name,
        provenance={"guide": f"tables ({path.name})", "files": [str(path), knowledge.hierarchy]},
        **_widths(experiment),
    )
    progress("compiling the network", 1.0)
    return matching, blueprint


def _from_network(
    experiment: Experiment, samples: Samples, path: Path, progress: Progress
) -> tuple[Matching, Blueprint]:
    """Compile a table of directed links that calls genes as the data do."""
    table, origin = read_network(path)
    progress("matching genes", 0.5)
    matching = _without_constant(experiment, samples, match_names(samples.genes, names_of(table)))
    progress("compiling the network", 0.9)
    inputs = input_table(samples, matching.matched)
    try:
        direction: Direction = "against" if is_regulation(path) else "along"  # factors read what they regulate
        blueprint = compile_links(experiment, samples, table, inputs, origin, direction, {})
    except BlueprintError as error:
        raise BlueprintError(f"{path}: {error}", error.hint) from None
    progress("compiling the network", 1.0)
    return matching, blueprint


def _take_blueprint(
    experiment: Experiment, samples: Samples, blueprint: Blueprint, progress: Progress
) -> tuple[Matching, Blueprint]:
    """Fit a blueprint that was compiled before to the data; it is cut only where ``[knowledge]`` says so."""
    progress("matching genes", 0.5)
    matching = _without_constant(experiment, samples, match_blueprint(samples.genes, blueprint))
    progress("compiling the network", 0.9)
    provenance = {**blueprint.provenance, "blueprint": {"content_hash": blueprint.content_hash()}}
    taken = replace(blueprint, provenance=provenance)
    taken = recompile(taken, inputs=input_table(samples, matching.matched), **_limits(experiment))
    progress("compiling the network", 1.0)
    return matching, taken if taken.terms.empty else taken.with_width(*_widths(experiment).values())


# ---- what all of them share ------------------------------------------------------------------------------------------


def _beside(experiment: Experiment, blueprint: Blueprint, store: GraphStore | None, progress: Progress) -> Blueprint:
    """Return the blueprint with the interactions that stand beside its guide; ``store``: the one that is open."""
    knowledge = experiment.knowledge
    if knowledge.interactions is None or knowledge.guide == "interactions":
        return blueprint
    if _in_table(knowledge.interactions):
        table, origin = _named_as_data(_table_of(knowledge.interactions), blueprint)
    else:
        with open_knowledge(experiment, progress) if store is None else nullcontext(store) as opened:
            table, origin = _stored_interactions(experiment, opened, blueprint.genes["id"].tolist())
    interactions, dropped = clean_interactions(table, pd.Index(blueprint.genes["id"]), knowledge.min_weight)
    more = pd.DataFrame(dropped, columns=list(blueprint.dropped.columns))
    provenance = {**blueprint.provenance, "interactions": origin}
    return replace(
        blueprint, interactions=interactions, dropped=joined_records(blueprint.dropped, more), provenance=provenance
    )


def _without_constant(experiment: Experiment, samples: Samples, matching: Matching) -> Matching:
    matched = list(matching.matched["feature"])
    usable = usable_features(samples, matched, experiment.data.constant_genes)
    return matching.without_constant(set(matched) - set(usable))


def _limits(experiment: Experiment) -> dict[str, Any]:
    """Return how ``[knowledge]`` cuts the hierarchy to size."""
    keys = ("min_genes", "max_genes", "redundancy", "max_depth", "root", "levels")
    return {key: getattr(experiment.knowledge, key) for key in keys}


def _widths(experiment: Experiment) -> dict[str, Any]:
    """Return how many neurons a term has, in networks that say so."""
    network = experiment.network
    return {"width": getattr(network, "width", 1), "width_fraction": getattr(network, "width_fraction", 0.0)}
