"""Subsystem activity: one number a sample and subsystem, comparable between networks.

A subsystem has several neurons, and in another network others, turned and scaled as it pleases. What is common to them
is the first principal component of the neurons over the training samples (what PLAGE takes of the genes of a pathway:
Tomfohr, Lu & Kepler 2005, BMC Bioinformatics 6:225), with mean 0 and standard deviation 1 there. A component has no
sign of its own; it gets that with which it rises with the expression of the subsystem's genes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.blueprint.model import Blueprint
from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.importance import ALL, samples_of_outputs
from kgreg.decode.intervals import network_interval
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings, dense_rows
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

#: Columns of :func:`activity_table`.
ACTIVITY_COLUMNS = ("node", "kind", "label", "group", "mean", "low", "high", "n", "samples", "seed")

#: Samples that are computed at a time.
BATCH = 1024

#: Variances of neurons below this share of their squared mean are rounding.
_ROUNDING = 1e-10

#: Samples are put into this many groups of one size by a value or a risk that has no classes.
_THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class ActivityAxes:
    """What turns the neurons of one network into activities.

    ``centre, direction [n_neurons]``: means over the training samples, and the first principal component of every term,
    with its sign, divided by its standard deviation there (0 for a term that does not vary). ``widths [n_terms]``.
    """

    centre: NDArray[np.float64]
    direction: NDArray[np.float64]
    widths: NDArray[np.int64]

    def project(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return activities ``[n_terms, n]`` of neurons ``[n_neurons, n]``."""
        if not len(self.widths):
            return np.zeros((0, hidden.shape[1]), dtype=np.float32)
        parts = (hidden - self.centre[:, None]) * self.direction[:, None]
        summed: NDArray[np.float64] = np.add.reduceat(parts, np.cumsum(self.widths) - self.widths, axis=0)
        return summed.astype(np.float32)


@dataclass(frozen=True)
class NetworkActivity:
    """Activities of the test samples of one network.

    ``rows [n]``: their positions in the data; ``values [n_terms, n]``; ``risk [n]``: the first column of what the
    network predicts.
    """

    fold: int
    rows: NDArray[np.int64]
    values: NDArray[np.float32] = field(repr=False)
    risk: NDArray[np.float32] = field(repr=False)


def activity_axes(
    model: FittedModel, reference: Readings, genes: sparse.csr_matrix, batch_size: int = BATCH
) -> ActivityAxes:
    """Fit the axes of every term of a network.

    Parameters
    ----------
    reference
        Its training samples, unscaled.
    genes
        ``[n_terms, n_inputs]``, in the order of ``model.network.term_ids``: 1 where an input is of a gene at or below a
        term. The sign of an axis is that of its covariance with the mean scaled input of these; where a term has none,
        or the covariance is 0, the largest entry of the axis is positive.

    Raises
    ------
    DataError
        If there are fewer than two samples.
    """
    if len(reference) < 2:
        raise DataError("Activities need at least two training samples.")
    widths = np.asarray(model.network.term_widths, dtype=np.int64)
    moments = _Moments(widths)
    shares = sparse.diags(1 / np.maximum(np.diff(genes.indptr), 1)) @ genes
    for hidden, scaled in _passes(model, reference, batch_size):
        moments.add(hidden, shares @ scaled.T)
    return ActivityAxes(moments.mean, _directions(moments), widths)


class _Moments:
    """Sums over samples, shifted by the mean of the first batch so that differences of large sums stay exact."""

    def __init__(self, widths: NDArray[np.int64]) -> None:
        self.widths = widths
        starts = np.cumsum(widths) - widths
        #: Width -> numbers of its terms, and their neurons ``[n_terms, width]``.
        self.groups = {
            int(width): (own, starts[own][:, None] + np.arange(width))
            for width in np.unique(widths)
            for own in [np.flatnonzero(widths == width)]
        }
        self.n = 0
        self.products = {width: np.zeros((len(own), width, width)) for width, (own, _) in self.groups.items()}

    def add(self, hidden: NDArray[np.float32], genes: NDArray[np.float64]) -> None:
        """Add a batch: neurons ``[n_neurons, n]`` and the mean input of the genes of each term ``[n_terms, n]``."""
        if not self.n:
            self.shift = hidden.mean(axis=1, dtype=np.float64)
            self.gene_shift = genes.mean(axis=1)
            self.sums, self.crossed = np.zeros(len(hidden)), np.zeros(len(hidden))
            self.gene_sums = np.zeros(len(genes))
        self.n += hidden.shape[1]
        moved, expressed = hidden - self.shift[:, None], genes - self.gene_shift[:, None]
        self.sums += moved.sum(axis=1)
        self.gene_sums += expressed.sum(axis=1)
        self.crossed += (moved * np.repeat(expressed, self.widths, axis=0)).sum(axis=1)
        for width, (_, neurons) in self.groups.items():
            own = moved[neurons]
            self.products[width] += own @ own.transpose(0, 2, 1)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Means of the neurons."""
        mean: NDArray[np.float64] = self.shift + self.sums / self.n
        return mean

    def covariances(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield neurons ``[t, w]``, covariances ``[t, w, w]`` and those with the genes ``[t, w]``, by width."""
        crossed = (self.crossed - self.sums * np.repeat(self.gene_sums, self.widths) / self.n) / self.n
        for width, (_, neurons) in self.groups.items():
            sums = self.sums[neurons]
            outer = sums[:, :, None] * sums[:, None, :] / self.n
            yield neurons, (self.products[width] - outer) / self.n, crossed[neurons]


def _directions(moments: _Moments) -> NDArray[np.float64]:
    """Return the first principal component of every term, signed, over its standard deviation ``[n_neurons]``."""
    direction = np.zeros(len(moments.mean))
    size = moments.mean**2
    for neurons, covariance, crossed in moments.covariances():
        variances, vectors = np.linalg.eigh(covariance)
        axis, variance = vectors[:, :, -1], variances[:, -1]
        along = (axis * crossed).sum(axis=1)
        largest = np.take_along_axis(axis, np.abs(axis).argmax(axis=1)[:, None], axis=1)[:, 0]
        # A covariance of rounding alone has no sign to go by.
        known = np.abs(along) > 1e-9 * np.sqrt(np.maximum(variance, 0))
        sign = np.where(np.where(known, along, largest) < 0, -1.0, 1.0)
        varies = variance > _ROUNDING * np.maximum(size[neurons].max(axis=1), 1e-20)
        scale = np.where(varies, sign / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
        direction[neurons] = axis * scale[:, None]
    return direction


def _passes(
    model: FittedModel, readings: Readings, batch_size: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield neurons ``[n_neurons, n]`` and scaled inputs ``[n, n_inputs]`` of some samples after the other."""
    for start in range(0, len(readings), batch_size):
        part = readings.rows(np.arange(start, min(start + batch_size, len(readings))))
        yield model.respond(part)[1], dense_rows(model.preprocessing.apply(part)).numpy()


def genes_below(blueprint: Blueprint, term_ids: list[str]) -> sparse.csr_matrix:
    """Return ``[n_terms, n_inputs]``: 1 where an input is of a gene at or below a term."""
    sets = blueprint.gene_sets()
    columns = blueprint.inputs.groupby("node").indices
    below = [[int(i) for gene in sorted(sets.get(term, ())) for i in columns.get(gene, ())] for term in term_ids]
    rows = np.repeat(np.arange(len(below)), [len(own) for own in below])
    flat = np.array([i for own in below for i in own], dtype=np.int64)
    shape = (len(below), len(blueprint.inputs))
    return sparse.csr_matrix((np.ones(len(rows)), (rows, flat)), shape=shape)


def network_activities(result: CrossValidation, progress: Progress = no_progress) -> Iterator[NetworkActivity]:
    """Yield for every network of the graph the activities of its test samples, of the terms of :func:`active_terms`."""
    fits = list(result.fits("graph"))
    terms = active_terms(result)
    genes: sparse.csr_matrix | None = None
    for done, (job, model) in enumerate(fits):
        progress(f"subsystem activity, fold {job.split.fold + 1}", done / len(fits))
        place = {term: i for i, term in enumerate(model.network.term_ids)}
        own = np.array([place[term] for term in terms], dtype=np.int64)
        if genes is None:
            genes = genes_below(result.blueprint, model.network.term_ids)
        with limit_threads(result.settings.threads):
            axes = activity_axes(model, result.inputs_of(job, job.split.train), genes)
            tested = result.inputs_of(job, job.split.test)
            values, risk = [], []
            for start in range(0, len(tested), BATCH):
                part = tested.rows(np.arange(start, min(start + BATCH, len(tested))))
                predicted, hidden = model.respond(part)
                values.append(axes.project(hidden)[own])
                risk.append(predicted[:, 0])
        yield NetworkActivity(job.split.fold, job.split.test, np.concatenate(values, axis=1), np.concatenate(risk))


def active_terms(result: CrossValidation) -> list[str]:
    """Return the nodes that have an activity: those of the knowledge that the networks compute, in their order.

    What a network has of its own (a latent factor, say) is another thing in every fit.
    """
    known = set(result.blueprint.terms["id"])
    _, model = next(result.fits("graph"))
    return [term for term in model.network.term_ids if term in known]


def subsystem_activity(result: CrossValidation, progress: Progress = no_progress) -> pd.DataFrame:
    """Return the activity of every subsystem in every sample that was tested, by networks that did not see it.

    Returns
    -------
    DataFrame
        ``[n_tested, n_terms]`` (float32). Index: names of the samples, in the order of the data; columns: node ids.
        Unit: standard deviations over the training samples of a network, 0 at their mean; the mean over the replicates
        of the sample's fold.
    """
    return by_sample(result, list(network_activities(result, progress)))


def by_sample(result: CrossValidation, found: list[NetworkActivity]) -> pd.DataFrame:
    """As :func:`subsystem_activity`, from activities at hand."""
    terms, n = active_terms(result), len(result.samples)
    total, count = np.zeros((n, len(terms))), np.zeros(n)
    for network in found:
        total[network.rows] += network.values.T
        count[network.rows] += 1
    tested = np.flatnonzero(count)
    values = (total[tested] / count[tested, None]).astype(np.float32)
    return pd.DataFrame(values, index=[result.samples.names[i] for i in tested], columns=terms)


def activity_table(result: CrossValidation, found: list[NetworkActivity]) -> pd.DataFrame:
    """Return the mean activity of every subsystem in groups of samples.

    Groups are the classes, the samples that have a label, the thirds of a value that is learned, or for survival those
    of the risk that a network predicts; and "all".

    Returns
    -------
    DataFrame
        ``node, kind, label, group, mean`` (over the samples, then over the networks), ``low, high`` (95 %, see
        :func:`kgreg.decode.intervals.network_interval`; NaN for one network), ``n`` (networks that tested samples of
        the group), ``samples`` and ``seed``.
    """
    terms = active_terms(result)
    nodes = result.blueprint.nodes.set_index("id").loc[terms]
    members = [_groups(result, network) for network in found]
    frames = []
    for group in dict.fromkeys(name for groups in members for name in groups):
        each = [
            network.values[:, groups[group]].mean(axis=1, dtype=np.float64)
            for network, groups in zip(found, members, strict=True)
            if group in groups
        ]
        folds = [network.fold for network, groups in zip(found, members, strict=True) if group in groups]
        # Activities have sd 1 in every network: a group's mean varies with its test samples, as scores of classes do.
        mean, low, high, n = network_interval(np.stack(each), np.array(folds))
        seen = {int(network.rows[i]) for network, own in zip(found, members, strict=True) for i in own.get(group, ())}
        columns = {"node": terms, "label": nodes["label"].to_numpy(), "mean": mean, "low": low, "high": high, "n": n}
        kinds = nodes["kind"].where(nodes["kind"].isin(list(RANKED_KINDS)), "term").to_numpy()
        frames.append(pd.DataFrame(columns).assign(kind=kinds, group=group, samples=len(seen)))
    if not frames or not terms:
        return pd.DataFrame(columns=list(ACTIVITY_COLUMNS))
    return pd.concat(frames, ignore_index=True).assign(seed=result.seed)[list(ACTIVITY_COLUMNS)]


def _groups(result: CrossValidation, network: NetworkActivity) -> dict[str, NDArray[np.int64]]:
    """Return the samples of every group as positions among the test samples of a network; empty groups are left out."""
    samples, n = result.samples, len(network.rows)
    found = {ALL: np.arange(n)}
    if samples.task not in ONE_OUTPUT:
        own = samples_of_outputs(samples.task, samples.target[network.rows], len(samples.outputs))
        found |= dict(zip(samples.outputs, own, strict=True))
    elif n >= len(_THIRDS):
        by = network.risk if samples.task == "survival" else samples.target[network.rows]
        order = np.argsort(by, kind="stable")
        found |= dict(zip(_THIRDS, map(np.sort, np.array_split(order, len(_THIRDS))), strict=True))
    return {name: own for name, own in found.items() if len(own)}
