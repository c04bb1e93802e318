"""Transcription factors with binding sites and expression -> :class:`Blueprint`: gene -> factor -> target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kgreg.blueprint.model import DROPPED_COLUMNS, OUTPUT_COLUMNS, Blueprint
from kgreg.errors import BlueprintError, some

#: Relation of a factor's gene to the factor, and of a factor to the target.
ENCODES, REGULATES = "encodes", "regulates"

#: Kinds of the inner nodes, and the id of the one that all factors lead to.
FACTOR, TARGET = "tf", "target"


def compile_regulators(
    features: pd.DataFrame, *, source: str = "regulators", provenance: Mapping[str, Any] | None = None
) -> Blueprint:
    """Compile transcription factors that are measured in two ways into a blueprint.

    A sample is a gene, or a gene in a condition. Of every factor it has two numbers: how well the factor binds to the
    gene (motif scores of its promoter, peaks), and how much of the factor there is (its expression in the condition).
    The graph has the factor's gene, which both are inputs of, the factor above it, and the target, which all factors
    regulate.

    Parameters
    ----------
    features
        ``feature``, ``gene`` (of the factor), ``label`` and ``modality``; two modalities. Factors that lack one are
        left out and recorded.

    Returns
    -------
    Blueprint
        Nodes of the kinds "gene" (level 0), "tf" (level 1; id ``tf:`` and that of the gene) and "target" (level 2);
        ``interactions`` joins every factor with the target, for attention to be read back along them.

    Raises
    ------
    BlueprintError
        If there are not two modalities, or no factor has both.
    """
    modalities = list(dict.fromkeys(features["modality"])) if "modality" in features else []
    if len(modalities) != 2:
        raise BlueprintError(
            f"Regulators have two numbers each, binding and expression; the data have {some(modalities) or 'one'}.",
            'Name the two layers in [data]: layers = ["binding", "expression"].',
        )
    table = features.drop_duplicates(["gene", "modality"])
    both = table.groupby("gene")["modality"].transform("size") == 2
    kept, lost = table[both], table[~both]
    if kept.empty:
        raise BlueprintError(
            f"No regulator has both {modalities[0]} and {modalities[1]}.", "Name the columns of both layers alike."
        )
    genes = kept.drop_duplicates("gene")
    ids = genes["gene"].astype(str).tolist()
    factors, labels = [f"{FACTOR}:{gene}" for gene in ids], genes["label"].tolist()
    n = len(ids)
    nodes = pd.DataFrame(
        {
            "id": [*ids, *factors, TARGET],
            "kind": ["gene"] * n + [FACTOR] * n + [TARGET],
            "label": [*labels, *labels, "target gene"],
            "level": [0] * n + [1] * n + [2],
            "width": 1,
            "source": source,
        }
    )
    edges = pd.DataFrame(
        {
            "source": [*ids, *factors],
            "target": [*factors, *[TARGET] * n],
            "relation": [ENCODES] * n + [REGULATES] * n,
            "weight": np.nan,
            "sign": 0,
            "trainable": True,
        }
    )
    order = kept.assign(place=kept["gene"].map({gene: i for i, gene in enumerate(ids)})).sort_values(
        "place", kind="stable"
    )
    dropped = [
        ("regulators", "gene", row.gene, row.label, f"no {next(m for m in modalities if m != row.modality)}")
        for row in lost.itertuples()
    ]
    return Blueprint(
        nodes=nodes,
        edges=edges,
        inputs=order.rename(columns={"gene": "node"}),
        outputs=pd.DataFrame(columns=list(OUTPUT_COLUMNS), dtype=str),
        provenance=dict(provenance or {}),
        dropped=pd.DataFrame(dropped, columns=list(DROPPED_COLUMNS)),
        interactions=pd.DataFrame({"source": factors, "target": TARGET, "relation": REGULATES, "weight": 1.0}),
    )


def is_of_regulators(blueprint: Blueprint) -> bool:
    """Say whether :func:`compile_regulators` made a blueprint."""
    return bool((blueprint.nodes["kind"] == TARGET).any() and (blueprint.edges["relation"] == ENCODES).any())


def rewire_regulators(blueprint: Blueprint, seed: int) -> Blueprint:
    """Return the blueprint with the binding sites dealt to the factors at random; expression stays where it is.

    What is known of a factor is that these sites and this expression are of one protein. The network has the same
    inputs as before and does not know which belong together.
    """
    rng = np.random.default_rng(seed)
    inputs = blueprint.inputs.copy()
    first = inputs["modality"] == inputs["modality"].iloc[0]
    inputs.loc[first, "node"] = rng.permutation(inputs.loc[first, "node"].to_numpy())
    place = {node: i for i, node in enumerate(blueprint.genes["id"])}
    inputs = inputs.iloc[np.lexsort((~first, inputs["node"].map(place)))]
    return replace(blueprint, inputs=inputs, provenance={**blueprint.provenance, "null": {"rewired": seed}})
