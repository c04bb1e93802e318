"""What a cross-validated sequence network found: its filters, the motifs they resemble, and example sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.decode.importance import ALL, samples_of_outputs
from kgreg.decode.sequence.attribution import gradient_x_input
from kgreg.decode.sequence.filters import FilterPattern, filter_patterns
from kgreg.decode.sequence.functions import ReadsOneHot, SequenceFunction, respond, window
from kgreg.decode.sequence.matching import Counts, match_filters
from kgreg.decode.sequence.substitutions import is_fast, letter_importance, mutagenesis
from kgreg.fit.arms import Job
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.nn.motif.filters import implied_probabilities
from kgreg.nn.motif.network import MotifNetwork
from kgreg.progress import Progress, no_progress

PATTERN_COLUMNS = ("filter", "form", "position", "A", "C", "G", "T")
EXAMPLE_COLUMNS = (
    "example", "name", "chrom", "start", "end", "strand", "output", "target", "prediction", "first", "method",
    "fold", "seed",
)  # fmt: skip
LETTER_COLUMNS = ("example", "position", "code", "attribution")

#: Test sequences in which sites of filters are counted.
_MOST_SEQUENCES = 1000

#: Outputs of which there are examples.
_MOST_OUTPUTS = 6


@dataclass(frozen=True)
class SequenceSummary:
    """What is kept of a decoded sequence network, all of the network of the first fold on its test sequences.

    Attributes
    ----------
    filters
        Of :func:`kgreg.decode.sequence.matching.match_filters`, with ``label`` (of the motif), ``kept`` (Pearson
        correlation of the filter with its start, NaN for filters without one), ``tested`` (sequences in which sites
        were counted), ``database`` (motifs compared with), ``fold`` and ``seed``.
    patterns
        ``filter``, ``form`` ("start": the motif it was started with; "learned": what its weights stand for, both
        probabilities; "sites": counts), ``position``, ``A``, ``C``, ``G``, ``T``.
    examples
        Sequences that are predicted best: ``example``, name and interval, ``output`` they are an example of,
        ``target``, ``prediction`` (probability or value), ``first`` (number of the first letter that is read, from 1),
        ``method`` (of the attributions: "mutagenesis" where it is fast, else "gradient x input"), ``fold``, ``seed``.
    letters
        ``example, position, code, attribution``: what the letter holds up of the output (a logit minus the mean logit
        where there are classes).
    """

    filters: pd.DataFrame
    patterns: pd.DataFrame
    examples: pd.DataFrame
    letters: pd.DataFrame


def sequence_summary(
    result: CrossValidation,
    ranking: pd.DataFrame,
    database: Mapping[str, Counts],
    labels: Mapping[str, str],
    *,
    top: int = 12,
    examples: int = 2,
    progress: Progress = no_progress,
) -> SequenceSummary | None:
    """Decode the network of the first fold; None if it reads no sequences.

    Parameters
    ----------
    ranking
        Of :class:`kgreg.decode.Explanation`: of a bank of motifs the best ``top`` are looked at, besides all filters
        that are no motif.
    database, labels
        Motifs to match filters with, and their names.
    top
        Motifs of the ranking, and filters that are no motif (those with the most sites first), to keep the patterns of.
    examples
        Sequences an output.

    Raises
    ------
    MissingPackageError
        If memelite is not installed, or for networks that are neither chains nor motif banks tangermeme.
    """
    job = next(job for job in result.jobs if job.arm.kind == "graph")
    model = result.models[job.name]
    if not isinstance(model.network, ReadsOneHot) or result.samples.sequences is None or model.network.n_covariates:
        return None
    with limit_threads(result.settings.threads):
        function = SequenceFunction(model)
        progress("reading filters", 0.0)
        filters, patterns = _filters(result, job, function, ranking, database, labels, top)
        progress("mutating example sequences", 0.5)
        chosen, letters = _examples(result, job, examples)
    return SequenceSummary(filters, patterns, chosen, letters)


# ---- filters ---------------------------------------------------------------------------------------------------------


def _filters(
    result: CrossValidation,
    job: Job,
    function: SequenceFunction,
    ranking: pd.DataFrame,
    database: Mapping[str, Counts],
    labels: Mapping[str, str],
    top: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    assert result.samples.sequences is not None
    rows = job.split.test
    if len(rows) > _MOST_SEQUENCES:
        rows = np.sort(np.random.default_rng(result.seed).choice(rows, _MOST_SEQUENCES, replace=False))
    codes, _ = window(function, result.samples.sequences[rows])
    motifs = result.blueprint.motif_matrices()
    best = ranking[(ranking["kind"] == "motif") & (ranking["output"] == ALL)].nsmallest(top, "rank")["node"].tolist()
    found = filter_patterns(function, codes, motifs=best)
    others = sorted((f for f in found if f.filter not in motifs), key=lambda f: -f.sites)[:top]
    by_id = {f.filter: f for f in found}
    kept = [by_id[node] for node in best if node in by_id] + others
    learned, correlation = _weights(function.network)
    table = match_filters(kept, database).assign(tested=len(rows), database=len(database), fold=job.split.fold)
    table["label"] = table["motif"].map(labels).fillna("")
    table["kept"] = table["filter"].map(correlation).astype(float)
    return table.assign(seed=job.seed), _pattern_table(kept, motifs, learned)


def _weights(network: Any) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Return what the filters of motif banks stand for, and how far they correlate with their start."""
    if not isinstance(network, MotifNetwork):
        return {}, {}
    learned, correlation = {}, {}
    design = network.design
    with torch.no_grad():
        banks = [network.bank] if network.de_novo is None else [network.bank, network.de_novo.bank]
        for bank in banks:
            starts = bank.filters(bank.start)
            for name, now, start in zip(bank.ids, bank.filters(), starts, strict=True):
                learned[name] = implied_probabilities(now, design.encoding, design.background).double().numpy()
                if bank is network.bank:
                    correlation[name] = float(np.corrcoef(now.flatten().numpy(), start.flatten().numpy())[0, 1])
    return learned, correlation


def _pattern_table(
    kept: Sequence[FilterPattern], motifs: Mapping[str, Counts], learned: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    parts = []
    for pattern in kept:
        forms = {"sites": pattern.counts.astype(float)}
        if pattern.filter in motifs:
            counts = motifs[pattern.filter]
            forms["start"] = counts / counts.sum(axis=1, keepdims=True)
        if pattern.filter in learned:
            forms["learned"] = learned[pattern.filter]
        for form, values in forms.items():
            table = pd.DataFrame(values, columns=list("ACGT"))
            parts.append(table.assign(filter=pattern.filter, form=form, position=np.arange(len(values))))
    if not parts:
        return pd.DataFrame(columns=list(PATTERN_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(PATTERN_COLUMNS)]


# ---- examples --------------------------------------------------------------------------------------------------------


def _examples(result: CrossValidation, job: Job, each: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    samples = result.samples
    assert samples.sequences is not None
    test = job.split.test
    model = result.models[job.name]
    function = SequenceFunction(model, "centred" if samples.task == "classification" else "logit")
    codes, before = window(function, samples.sequences[test])
    predictions = respond(SequenceFunction(model, "prediction"), codes)
    method = "mutagenesis" if is_fast(function) else "gradient x input"
    members = samples_of_outputs(samples.task, samples.target[test], len(samples.outputs))
    rows: list[tuple[Any, ...]] = []
    letters: list[pd.DataFrame] = []
    for c, (output, own) in enumerate(zip(samples.outputs[:_MOST_OUTPUTS], members, strict=False)):
        for i in own[np.argsort(-predictions[own, c], kind="stable")][:each]:
            own_codes = codes[i : i + 1]
            if method == "mutagenesis":
                height = letter_importance(mutagenesis(function, own_codes), own_codes)[0, :, :, c].sum(axis=0)
            else:
                height = gradient_x_input(function, own_codes, c)[0].sum(axis=0)
            place = _interval(samples.intervals, int(test[i]))
            number = len(rows)
            target = _target(samples.target[test[i]], samples.outputs, samples.task, c)
            name = samples.names[test[i]]
            prediction = float(predictions[i, c])
            rows.append(
                (number, name, *place, output, target, prediction, before + 1, method, job.split.fold, job.seed)
            )
            letters.append(
                pd.DataFrame(
                    {
                        "example": number,
                        "position": np.arange(len(height)),
                        "code": codes[i],
                        "attribution": height.astype(np.float32),
                    }
                )
            )
    table = pd.DataFrame(rows, columns=list(EXAMPLE_COLUMNS))
    return table, pd.concat(letters, ignore_index=True) if letters else pd.DataFrame(columns=list(LETTER_COLUMNS))


def _interval(intervals: pd.DataFrame | None, row: int) -> tuple[str, int, int, str]:
    if intervals is None:
        return "", -1, -1, ""
    place = intervals.iloc[row]
    return str(place["chrom"]), int(place["start"]), int(place["end"]), str(place["strand"])


def _target(target: Any, outputs: Sequence[str], task: str, output: int) -> str:
    """Return what is true of a sample, in words."""
    if task == "classification":
        return outputs[int(target)]
    value = float(np.atleast_1d(target)[output if task == "multilabel" else 0])
    return f"{value:g}"


def motif_labels(blueprint: Blueprint) -> dict[str, str]:
    """Return motif -> name of the motifs of a blueprint."""
    nodes = blueprint.nodes[blueprint.nodes["kind"] == "motif"]
    return dict(zip(nodes["id"], nodes["label"], strict=True))
