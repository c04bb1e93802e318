"""What a run was made from, in words that a paper could print: samples, features, network, knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgreg.report.contents import ReportContents
from kgreg.report.numbers import count, fixed, listed, plural

#: ``[network] model`` -> what it is, in a sentence that begins with "We trained".
FAMILIES = {
    "visible": "a visible neural network, in which every node of the knowledge has neurons of its own that read those "
    "of its children and genes alone",
    "ontology-autoencoder": "an autoencoder whose layers follow the hierarchy of terms, with a linear head on its code",
    "term-autoencoder": "an autoencoder with one latent variable for each term and a linear decoder from each term to "
    "its genes, with a linear head on the latent variables",
    "laplacian-autoencoder": "an autoencoder whose weights are smoothed over the interactions by a Laplacian penalty, "
    "with a linear head on its code",
    "multiview": "a multi-view factorization autoencoder, whose decoders are smoothed over the interactions by a "
    "Laplacian penalty, with a linear head on the factors",
    "moli": "a late-integration network with one encoder for each modality and a triplet loss",
    "late": "a late-integration network with one encoder for each modality",
    "bottleneck-autoencoder": "an autoencoder over all modalities, with a head on the units of its bottleneck",
    "graph": "a graph neural network that passes messages between genes along the interactions",
    "regulators": "a network of transcription factors and their targets with attention over binding and expression",
    "motif": "a convolutional network whose first filters are the binding motifs of the knowledge",
    "sequence": "a convolutional network that reads DNA",
    "dense": "a fully connected network",
}
#: ``[knowledge] guide`` or ``interactions`` -> beginnings of the names of the sources that it uses.
_USED = {"go": ("go", "genes", "identifiers"), "reactome": ("reactome", "genes"), "motifs": ("jaspar", "motifs"),
         "string": ("string", "genes"), "tf_targets": ("tf_targets", "genes")}  # fmt: skip
#: Those whose knowledge is not in the store.
_NO_STORE = ("tables", "regulators", "blueprint", "none")


def materials(contents: ReportContents) -> list[str]:
    """Return sentences on the data, the matching of their features, the network and the knowledge behind it."""
    return [_data(contents), _matching(contents), _network(contents), _knowledge(contents)]


def used_sources(contents: ReportContents) -> list[Mapping[str, Any]]:
    """Return the records of the sources that the network was made from.

    A store may hold more than an experiment asks for; where its queries are the user's own, all of it counts.
    """
    recorded: list[Mapping[str, Any]] = list(contents.blueprint.provenance.get("sources", []))
    knowledge = contents.experiment.get("knowledge", {})
    guide, interactions = knowledge.get("guide"), knowledge.get("interactions")
    asked = [name for name in (guide, interactions) if name in _USED]
    if guide in _NO_STORE and not asked:
        return recorded if guide == "blueprint" else []
    if guide not in _USED and not (guide == "interactions" and asked):
        return recorded
    begins = tuple(begin for name in asked for begin in _USED[name])
    return [source for source in recorded if name_of_source(source).startswith(begins)]


def name_of_source(source: Mapping[str, Any]) -> str:
    """Return the name of a source in the store."""
    return str(source.get("name") or source.get("id") or "")


def _data(contents: ReportContents) -> str:
    data = contents.data
    what = plural(data["samples"], "sequence" if contents.of_dna else "sample")
    where = Path(str(data.get("origin") or "")).name
    origin = f" ({where}{_layer(data)})" if where else ""
    if contents.of_dna:
        features = f" of {count(data['sequences']['length'])} bp"
    else:
        features = f" with {plural(data['features'], 'feature')}"
        modalities = data.get("modalities") or []
        if modalities:
            features += f" of {plural(len(modalities), 'modality', 'modalities')} ({listed(modalities)})"
    sentences = [f"We analysed {what}{features}{origin} {_task(data)}."]
    if data.get("groups"):
        sentences.append(f"The samples belong to {plural(data['groups'], 'group')}.")
    lacking = {name: n for name, n in (data.get("lacking") or {}).items() if n}
    if lacking:
        parts = [f"{name} ({count(n)})" for name, n in lacking.items()]
        sentences.append(f"Some samples lack {listed(parts)}; what they lack was set to zero and marked as missing.")
    if data.get("covariates"):
        sentences.append(f"Covariates beside the genes were {listed(data['covariates'])}.")
    if data.get("blocks"):
        parts = [f"{name} ({plural(n, 'column')})" for name, n in data["blocks"].items()]
        sentences.append(f"Further inputs were {listed(parts)}.")
    return " ".join(sentences)


def _layer(data: Mapping[str, Any]) -> str:
    layer = data.get("layer")
    named = layer and layer != "X" and not data.get("modalities") and "sequences" not in data
    return f", layer {layer}" if named else ""


def _task(data: Mapping[str, Any]) -> str:
    task, label = data["task"], data["label"]
    if task == "classification":
        sizes = list(data["classes"].values())
        ends = " to ".join(dict.fromkeys(count(size) for size in (min(sizes), max(sizes))))
        return f"to tell apart the {plural(len(sizes), 'class', 'classes')} of “{label}” ({ends} samples each)"
    if task == "multilabel":
        return f"to predict {plural(len(data.get('labels', {})), 'label')}"
    if task == "survival":
        return f"to predict survival (“{label}”, {plural(data.get('events', 0), 'event')})"
    return f"to predict “{label}”"


def _matching(contents: ReportContents) -> str:
    counts = contents.matching.get("counts", {})
    total = sum(counts.values())
    if not total:
        return ""
    matched = counts.get("symbol", 0) + counts.get("alias", 0)
    text = f"Of {plural(total, 'feature name')}, {count(matched)} were matched to a gene"
    if counts.get("alias"):
        text += f" ({count(counts['alias'])} of them by a previous symbol or synonym)"
    words = {"constant": "constant", "repeated": "repeated", "ambiguous": "ambiguous", "unknown": "unknown",
             "unmapped": "without a gene"}  # fmt: skip
    left = [f"{count(counts[key])} {word}" for key, word in words.items() if counts.get(key)]
    return text + (f"; left out were {listed(left)}." if left else ".")


def _knowledge(contents: ReportContents) -> str:
    provenance = contents.blueprint.provenance
    guide = provenance.get("guide")
    if contents.experiment.get("knowledge", {}).get("guide") == "none" or not guide:
        return "" if guide or not contents.has_terms else "The hierarchy was given as it is."
    sources = [_release(source) for source in used_sources(contents)]
    text = f"Its architecture follows {guide}"
    text += f" (sources: {'; '.join(sources)})" if sources else ""
    names = [str(query.get("query")) for query in provenance.get("cypher", []) if query.get("query")]
    if names:
        own = plural(len(names), "Cypher query", "Cypher queries")
        text += f", selected from the knowledge graph by {own} ({', '.join(dict.fromkeys(names))})"
    return " ".join([text + ".", *_pruning(contents)])


def _release(source: Mapping[str, Any]) -> str:
    title = str(source.get("title") or source.get("name") or source.get("id") or "")
    release = str(source.get("release") or "")
    return f"{title}, release {release}" if release and release not in title else title


def _pruning(contents: ReportContents) -> list[str]:
    """Return how the hierarchy was cut to size, by the options of the last compilation."""
    compiled = contents.blueprint.provenance.get("compiled", [])
    options = compiled[-1] if compiled else {}
    if not contents.has_terms or "min_genes" not in options:
        return []
    rules = [f"fewer than {options['min_genes']}"] if options["min_genes"] and options["min_genes"] > 1 else []
    rules += [f"more than {count(options['max_genes'])}"] if options.get("max_genes") else []
    found = []
    if rules:
        found.append(
            f"Terms with {' or '.join(rules)} measured genes were removed, and their genes passed to their parents."
        )
    redundancy = options.get("redundancy")
    if redundancy:
        found.append(
            "Terms with the same genes as their only child were merged with it."
            if redundancy == 1
            else f"Terms that share at least {fixed(redundancy, 2)} of their genes with their only child were merged."
        )
    if options.get("max_depth"):
        found.append(f"Terms deeper than {options['max_depth']} levels were removed in the same way.")
    return found


def _network(contents: ReportContents) -> str:
    network = contents.experiment.get("network", {})
    model = str(network.get("model", "visible"))
    family = FAMILIES.get(model, f"a network of the kind “{model}”")
    recipe = contents.experiment.get("recipe")
    text = f"We trained {family}" + (f" (recipe “{recipe}” of kgreg)" if recipe else "")
    summary = contents.blueprint.summary()
    words = {
        "genes": ("gene", ""),
        "terms": ("term", ""),
        "motifs": ("motif", ""),
        "factors": ("transcription factor", ""),
        "gene_links": ("link from genes", "links from genes"),
        "term_links": ("link between terms", "links between terms"),
        "interactions": ("interaction", ""),
    }
    levels = f" in {plural(summary.get('levels', 0), 'level')}"
    sizes = [
        plural(summary[key], *word) + (levels if key == "terms" else "")
        for key, word in words.items()
        if summary.get(key)
    ]
    text += f"; it has {listed(sizes)}" if sizes else ""
    widths = contents.blueprint.terms["width"]
    if model == "visible" and len(widths) and not contents.of_dna:
        least, most = int(widths.min()), int(widths.max())
        neurons = plural(least, "neuron") if least == most else f"{least} to {most} neurons"
        text += f", with {neurons} a term"
    return text + "."
