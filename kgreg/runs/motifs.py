"""``[knowledge] guide = "motifs"``: from a query or a file of motifs to the blueprint of a network that reads DNA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kgreg.blueprint import Blueprint
from kgreg.blueprint.motifs import compile_motifs, sequence_blueprint
from kgreg.data import Matching, Samples, read_expressed
from kgreg.errors import ExperimentError
from kgreg.experiment import Experiment
from kgreg.experiment_sections import KnowledgeSection
from kgreg.sources.motif_files import read_motifs
from kgreg.store import GraphStore
from kgreg.store.queries import find_query, named_query, run_named

#: No feature of the data has a gene to be matched to.
NO_GENES = Matching(pd.DataFrame(columns=["feature", "gene", "label", "outcome", "note"], dtype=str))


def in_motif_file(knowledge: KnowledgeSection) -> bool:
    """Say whether the motifs are read from a file, and not asked of a store."""
    return bool(Path(knowledge.motifs).suffix) and not knowledge.motifs.endswith(".cypher")


def check_sequences(experiment: Experiment, samples: Samples) -> None:
    """Refuse a guide that reads DNA for samples without, and the reverse.

    Raises
    ------
    ExperimentError
        See there.
    """
    guide = experiment.knowledge.guide
    if guide in ("motifs", "none") and samples.sequences is None:
        raise ExperimentError(
            f'guide = "{guide}" is for networks that read DNA, but [data] has no sequences.',
            "Name them in [data.sequences], or choose another guide.",
        )
    if samples.sequences is not None and guide not in ("motifs", "none", "blueprint"):
        raise ExperimentError(
            f'The data are sequences; guide = "{guide}" selects genes.',
            'Set guide = "motifs" in [knowledge], or "none" for a network without knowledge.',
        )


def motifs_of_file(experiment: Experiment, samples: Samples) -> Blueprint:
    """Compile the motifs of a file (MEME, JASPAR, TRANSFAC)."""
    knowledge = experiment.knowledge
    found = read_motifs(knowledge.motifs)
    table = pd.DataFrame([(motif.id, motif.name, motif.family) for motif in found], columns=["motif", "name", "family"])
    matrices = {motif.id: np.asarray(motif.counts, dtype=np.float64) for motif in found}
    name = Path(knowledge.motifs).name
    origin = {"guide": f"motifs of {name}", "file": knowledge.motifs}
    return _compiled(experiment, samples, table, matrices, None, name, origin)


def motifs_of_store(experiment: Experiment, samples: Samples, store: GraphStore) -> Blueprint:
    """Compile the motifs that a query returns."""
    knowledge = experiment.knowledge
    query = find_query(knowledge.motifs)
    if "motif" not in query.columns:
        raise ExperimentError(
            f"The query '{query.name}', which is to return motifs, lacks the column motif; it returns "
            f"{', '.join(query.columns)}.",
            "Name their ids with AS: RETURN m.id AS motif.",
        )
    chosen = run_named(store, knowledge.motifs, **knowledge.parameters).to_pandas()["motif"].drop_duplicates().tolist()
    if not chosen:
        raise ExperimentError(
            f"The query '{query.name}' found no motifs in {store.location}.",
            "Check its parameters; `kgreg query motifs` lists what is there.",
        )
    every = run_named(store, "motifs").to_pandas()
    table = every[every["motif"].isin(chosen)]
    pfm = run_named(store, "motif_matrices", motifs=chosen).to_pydict()
    matrices = dict(zip(pfm["motif"], pfm["pfm"], strict=True))
    factors = _factors(store, table)
    origin: dict[str, Any] = {
        "store": str(store.location),
        "sources": store.sources().to_pylist(),
        "guide": "binding motifs" if knowledge.motifs == "motifs" else f"binding motifs ({query.name})",
        "cypher": [
            {"role": "motifs", "query": query.name, "text": query.text, "parameters": dict(knowledge.parameters)},
            {
                "role": "matrices",
                "query": "motif_matrices",
                "text": named_query("motif_matrices").text,
                "parameters": {},
            },
            {"role": "factors", "query": "motif_factors", "text": named_query("motif_factors").text, "parameters": {}},
        ],
    }
    return _compiled(experiment, samples, table, matrices, factors, "jaspar", origin)


def no_knowledge() -> Blueprint:
    """Return the blueprint of a network that reads DNA and knows nothing."""
    return sequence_blueprint({"guide": "no knowledge"})


def _factors(store: GraphStore, table: pd.DataFrame) -> pd.DataFrame:
    """Return ``motif, gene, symbol``: by protein, else by the symbol that a motif is named by.

    Most motifs of other species are named as the human gene is, but for capitals (Pou5f1, POU5F1).
    """
    linked: pd.DataFrame = run_named(store, "motif_factors", motifs=table["motif"].tolist()).to_pandas()
    symbols = run_named(store, "gene_symbols").to_pandas()
    gene_of = dict(zip(symbols["symbol"], symbols["gene"], strict=True))
    known = set(linked["motif"])
    named = [
        (motif, gene_of[part], part)
        for motif, name in zip(table["motif"], table["name"], strict=True)
        if motif not in known and all(part in gene_of for part in str(name).upper().split("::"))
        for part in dict.fromkeys(str(name).upper().split("::"))
    ]
    return pd.concat([linked, pd.DataFrame(named, columns=["motif", "gene", "symbol"])], ignore_index=True)


def _compiled(
    experiment: Experiment,
    samples: Samples,
    table: pd.DataFrame,
    matrices: dict[str, Any],
    factors: pd.DataFrame | None,
    source: str,
    origin: dict[str, Any],
) -> Blueprint:
    knowledge = experiment.knowledge
    assert samples.sequences is not None
    table = _without_families(table, knowledge.without_families)
    if knowledge.expressed is not None:
        table = _expressed(table, factors, knowledge)
    origin["selected"] = {"without_families": knowledge.without_families, "expressed": knowledge.expressed}
    return compile_motifs(
        table, matrices, factors, longest=int(samples.sequences.shape[1]), source=source, provenance=origin
    )


def _without_families(table: pd.DataFrame, families: list[str]) -> pd.DataFrame:
    """Return the motifs of no unwanted family; a motif of several goes with any of them."""
    own = table["family"].fillna("").map(lambda text: {name.strip() for name in str(text).split(";")})
    present = set().union(*own) - {""}
    unknown = [family for family in families if family not in present]
    if unknown:
        raise ExperimentError(
            f"without_families names {', '.join(unknown)}, which no selected motif belongs to.",
            f"Families are such as {', '.join(sorted(present)[:8])}.",
        )
    return table.loc[[not (names & set(families)) for names in own]]


def _expressed(table: pd.DataFrame, factors: pd.DataFrame | None, knowledge: KnowledgeSection) -> pd.DataFrame:
    """Return the motifs all of whose known factors are expressed."""
    assert knowledge.expressed is not None
    found = {symbol.upper() for symbol in read_expressed(Path(knowledge.expressed), knowledge.expressed_in)}
    symbols = {} if factors is None else factors.groupby("motif")["symbol"].agg(set).to_dict()

    def bound(motif: str, name: str) -> bool:
        parts = {part.upper() for part in symbols.get(motif, set(name.split("::")))}
        return parts <= found

    keep = [bound(str(m), str(name)) for m, name in zip(table["motif"], table["name"], strict=True)]
    if not any(keep):
        raise ExperimentError(
            f"No motif of {len(table)} has a factor that is expressed in {knowledge.expressed_in:.0%} of the "
            f"samples of {knowledge.expressed}.",
            "Check that its features are gene symbols, or lower expressed_in.",
        )
    return table[keep]
