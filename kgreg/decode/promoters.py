"""What a trained network that reads DNA says of promoters: the activation of every motif at every gene."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kgreg.data.samples import Samples
from kgreg.errors import DataError, some
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings


def motif_activations(model: FittedModel, samples: Samples) -> pd.DataFrame:
    """Return the pooled activations of the motifs of a network on other sequences, such as promoters.

    :func:`kgreg.data.regulation.pool_factors` makes scores of genes and factors of them, and
    :func:`kgreg.data.regulation.targets_from_scores` a regulatory graph for the networks of other families.

    Parameters
    ----------
    samples
        Sequences, called as their genes.

    Returns
    -------
    DataFrame
        ``[n_samples, n_motifs]``; of motifs with several neurons their mean.

    Raises
    ------
    DataError
        If the network has no motifs, or names of samples repeat.
    """
    names = model.network.term_ids
    if samples.sequences is None or not names:
        raise DataError(
            "Motifs are activated by sequences, in a network that has motifs.",
            'Train one with guide = "motifs", and give it the sequences of promoters.',
        )
    repeated = pd.Index(samples.names)
    if not repeated.is_unique:
        raise DataError(f"Names of promoters repeat: {some(repeated[repeated.duplicated()])}.", "Call each by a gene.")
    _, activations = model.respond(Readings.of(samples, model.blueprint))
    widths = np.asarray(model.network.term_widths)
    starts = np.cumsum(widths) - widths
    means = np.add.reduceat(activations, starts, axis=0) / widths[:, None]
    return pd.DataFrame(means.T, index=samples.names, columns=names)
