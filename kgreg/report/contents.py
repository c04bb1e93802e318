"""What a report is made from: tables and JSON values, no model and no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.blueprint.model import Blueprint
from kgreg.decode.sequence.summary import SequenceSummary


@dataclass(frozen=True)
class ReportContents:
    """Everything a report shows.

    Attributes
    ----------
    title
        Of the experiment.
    experiment
        The validated experiment file: section -> key -> value.
    data, matching
        ``Samples.summary()`` and ``Matching.summary()``.
    blueprint
        The compiled network, with what was dropped and its provenance.
    metrics
        ``CrossValidation.summary()``.
    predictions
        ``CrossValidation.predictions``.
    ranking, stability
        Of :class:`kgreg.decode.Explanation`.
    knockouts
        Of :func:`kgreg.decode.knockout_table`; may be empty.
    edges
        Of :func:`kgreg.decode.edge_scores`; may be empty.
    controls
        Real against control inputs, of :class:`kgreg.decode.Explanation`; may be empty.
    sequences, not_decoded
        Filters, logos and examples of a network that reads DNA, or why there are none; None and "" for other networks.
    tables
        What else was read out, name -> table; a section shows what is there (see :mod:`kgreg.runs.decoding`).
    run
        ``kgreg, started, seconds, command, seed, packages, platform``.
    """

    title: str
    experiment: Mapping[str, Any]
    data: Mapping[str, Any]
    matching: Mapping[str, Any]
    blueprint: Blueprint
    metrics: Mapping[str, Any]
    predictions: pd.DataFrame
    ranking: pd.DataFrame
    stability: Mapping[str, Mapping[str, float]]
    knockouts: pd.DataFrame
    run: Mapping[str, Any]
    edges: pd.DataFrame = field(default_factory=pd.DataFrame)
    controls: pd.DataFrame = field(default_factory=pd.DataFrame)
    sequences: SequenceSummary | None = None
    not_decoded: str = ""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def of_dna(self) -> bool:
        """Whether the samples are sequences: there are no genes then, and a null permutes motifs."""
        return "sequences" in self.data

    @property
    def main_kind(self) -> str | None:
        """The kind of inner node that a reader asks about first; None if none was ranked."""
        kinds = set(self.ranking["kind"])
        return next((kind for kind in RANKED_KINDS if kind in kinds and kind != "gene"), None)

    @property
    def has_terms(self) -> bool:
        """Whether subsystems were ranked; networks over interactions have none."""
        return bool((self.ranking["kind"] == "term").any())
