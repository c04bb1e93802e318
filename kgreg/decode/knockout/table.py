"""Named knockouts as a table, with intervals over networks and p values against genes expressed alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.matching import Matching
from kgreg.decode.intervals import overlap_of
from kgreg.decode.knockout.genes import InputGenes
from kgreg.decode.knockout.null import draw_matched, empirical_p, expression_bins, q_values
from kgreg.decode.knockout.population import Population, over_networks, population, terms_table
from kgreg.decode.knockout.settings import Manipulation, SetTo
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.progress import Progress, no_progress

#: Random genes (or sets of genes) that a knockout is compared with.
RANDOM = 100

COLUMNS = (
    "knockout", "genes", "kind", "target", "label", "group", "delta", "low", "high", "n", "samples", "dose", "how",
    "unit", "p", "q", "n_null", "seed",
)  # fmt: skip

Values = NDArray[np.float32]

_UNITS = {"classification": "probability", "multilabel": "probability", "regression": "value", "survival": "log hazard"}


@dataclass(frozen=True)
class KnockoutOptions:
    """What a knockout does, and what it is compared with.

    Attributes
    ----------
    value
        What the inputs of a gene are set to: see :data:`kgreg.decode.knockout.settings.SetTo`.
    dose
        Factors on what was measured (0 silent, 1 as measured, 2 double), each a knockout of its own.
    modalities
        Only these inputs of a gene. Default: all.
    random
        How many random genes a knockout is compared with.
    matching
        What became of the features, for messages about genes that are not in the network.
    threads
        Default: those of the training.
    """

    value: SetTo | float = "auto"
    dose: Sequence[float] = (0.0,)
    modalities: Sequence[str] | None = None
    random: int = RANDOM
    matching: Matching | None = None
    threads: int | None = None

    def genes(self, result: CrossValidation) -> InputGenes:
        """Return the genes that can be knocked out."""
        return InputGenes.of(result.blueprint, self.matching, self.modalities)

    def manipulations(self, result: CrossValidation, genes: InputGenes) -> list[Manipulation]:
        """Return what is done to the inputs, one for each dose."""
        if not len(self.dose):
            raise DataError("No dose is given.", "0 is silent, 1 as measured, 2 double.")
        inputs = result.blueprint.inputs
        x = result.samples.columns(inputs)
        among = np.concatenate(genes.positions) if len(genes) else np.zeros(0, dtype=np.int64)
        alike = bool(inputs["modality"].iloc[among].nunique() <= 1)
        return [Manipulation.of(x, self.value, dose, among, alike) for dose in self.dose]


def knockout_table(
    result: CrossValidation,
    knockouts: Mapping[str, Sequence[str]],
    progress: Progress = no_progress,
    options: KnockoutOptions | None = None,
) -> pd.DataFrame:
    """Knock gene sets out of every network of the real graph, on its own test samples.

    Parameters
    ----------
    knockouts
        Name -> feature names, as in the data or as present symbols. All modalities of a gene change together.

    Returns
    -------
    DataFrame
        ``knockout, genes, kind`` (output or term), ``target`` (class, label, "risk" or term id), ``label``, ``group``
        (the class of the samples, a label that they have, or "all"), ``delta`` (see :class:`KnockoutEffect`; mean over
        the samples, then over the networks), ``low, high`` (95 %, see :func:`over_networks`; NaN with one), ``n``
        (networks), ``samples``, ``dose`` (NaN where a value was set), ``how`` (the same in words), ``unit``
        ("probability", "value", "log hazard" or "sd"), ``p`` (share of ``n_null`` random genes, or sets of as many,
        expressed alike in the training samples, with an effect as large in either direction; of terms in all samples
        together alone), ``q`` (Benjamini-Hochberg over the knockouts, for every target and group by itself), and
        ``seed``. p says whether a gene moves the network more than genes like it, not that nothing else would.

    Raises
    ------
    DataError
        If a gene is not an input of the network; the message says what became of it.
    """
    options = options or KnockoutOptions()
    if not knockouts:
        return pd.DataFrame(columns=[*COLUMNS])
    genes = options.genes(result)
    found = genes.find_each(knockouts)
    bins = expression_bins(result, genes, options.random + 1)
    matched = draw_matched(list(found.values()), bins, options.random, result.seed)
    frames = []
    manipulations = options.manipulations(result, genes)
    for number, how in enumerate(manipulations):
        before, share = number / len(manipulations), 0.5 / len(manipulations)

        def part(text: str, done: float, start: float = before, share: float = share) -> None:
            progress(text, start + share * done)

        def later(text: str, done: float, start: float = before + share, share: float = share) -> None:
            progress("knocking out random genes", start + share * done)

        own = population(
            result, [genes.inputs_of(k) for k in found.values()], how, threads=options.threads, progress=part
        )
        null = population(
            result, [genes.inputs_of(s) for s in matched.sets], how, grouped_terms=False, threads=options.threads,
            progress=later,
        )  # fmt: skip
        names = {name: dosed(name, how, len(manipulations) > 1) for name in found}
        frames += _frames(result, own, null, matched.of, {names[n]: list(g) for n, g in knockouts.items()}, how)
    table = pd.concat(frames, ignore_index=True)
    table["q"] = _q(table)
    return table[table["n"] > 0].assign(seed=result.seed)[list(COLUMNS)].reset_index(drop=True)


def dosed(name: str, how: Manipulation, several: bool) -> str:
    """Return the name of a knockout; with several doses, those that are not silent say so."""
    return f"{name} at {how.how}" if several and how.dose else name


def unit_of(result: CrossValidation) -> str:
    """Return what a prediction is: "probability", "value" or "log hazard"."""
    return _UNITS[result.samples.task]


def _frames(
    result: CrossValidation,
    own: Population,
    null: Population,
    matched: list[NDArray[np.int64]],
    knockouts: Mapping[str, Sequence[str]],
    how: Manipulation,
) -> list[pd.DataFrame]:
    terms = terms_table(result, own.term_ids)
    outputs = pd.DataFrame({"id": result.outputs, "label": result.outputs})
    unit = unit_of(result)
    frames = []
    for k, (name, names) in enumerate(knockouts.items()):
        for g, group in enumerate(own.groups):
            parts: list[tuple[str, pd.DataFrame, Values, Values, int | None, str]] = [
                ("output", outputs, own.outputs, null.outputs, g, unit)
            ]
            if len(terms):
                parts.append(("term", terms, own.terms, null.terms, 0 if group == own.groups[0] else None, "sd"))
            for kind, targets, values, random, row, of in parts:
                shared = overlap_of(result.splits) if kind == "output" else 0.0
                mean, low, high, n = over_networks(values[:, k, g], own.folds, shared)
                p = np.full(len(mean), np.nan)
                n_null = 0
                if row is not None and len(matched[k]):
                    random_mean = over_networks(random[:, matched[k], row], own.folds)[0]
                    p, n_null = empirical_p(mean, random_mean), len(matched[k])
                frames.append(
                    pd.DataFrame(
                        {
                            "knockout": name, "genes": ", ".join(names), "kind": kind, "target": targets["id"],
                            "label": targets["label"], "group": group, "delta": mean, "low": low, "high": high,
                            "n": n, "samples": own.samples[g], "dose": how.dose, "how": how.how, "unit": of, "p": p,
                            "n_null": n_null,
                        }
                    )
                )  # fmt: skip
    return frames


def _q(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return q over the knockouts of every kind, group and target."""
    target = table.groupby(["kind", "group", "target"], sort=False).ngroup().to_numpy()
    knockout = pd.factorize(table["knockout"])[0]
    p = np.full((int(knockout.max()) + 1, int(target.max()) + 1), np.nan)
    p[knockout, target] = table["p"].to_numpy()
    q: NDArray[np.float64] = q_values(p)[knockout, target]
    return q
