"""Samples of several modalities, from tables or MuData."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kgreg.data.layers import read_block
from kgreg.data.multiomics.join import join_views
from kgreg.data.multiomics.views import Modality, View, obs_of_mudata, open_mudata, read_obs, read_view
from kgreg.data.presence import Missing
from kgreg.data.samples import Columns, Samples, label_samples
from kgreg.errors import DataError

if TYPE_CHECKING:
    from mudata import MuData


def is_mudata(data: Any) -> bool:
    """Say whether ``data`` is a MuData object or the path of its file; the package is not imported for it."""
    if isinstance(data, (str, Path)):
        return str(data).endswith(".h5mu")
    return type(data).__module__.partition(".")[0] == "mudata"


def read_multiomics(
    modalities: Mapping[str, Modality],
    obs: Path | str | pd.DataFrame,
    columns: Columns,
    samples: Missing | None = None,
) -> Samples:
    """Read samples of several modalities from tables.

    Parameters
    ----------
    modalities
        Name -> where the values are, in the order of the columns.
    obs
        Table of samples, names in the first column: what is to be learned, and what else ``columns`` names. It says
        which samples there are, and their order.
    samples
        What to do with samples that lack a modality: keep "all" that have at least one, or the "complete" ones.
        Default: such samples are an error.

    Raises
    ------
    DataError
        If a table cannot be read, names something twice or holds something else than numbers; if a modality has no
        sample, samples lack a modality and ``samples`` is not given, or what is to be learned cannot be (see
        :func:`kgreg.data.read_samples`).
    """
    if not modalities:
        raise DataError("There is no modality.", "Name at least one.")
    table, origin, digest = read_obs(obs)
    views = [read_view(name, modality) for name, modality in modalities.items()]
    return _samples(views, table, origin, digest, columns, samples)


def read_mudata(
    data: Path | str | MuData,
    columns: Columns,
    modalities: Mapping[str, Modality] | None = None,
    samples: Missing | None = None,
    blocks: Sequence[str] = (),
) -> Samples:
    """Read samples of several modalities from MuData.

    Parameters
    ----------
    columns
        Columns of ``obs``; a column that only the modality ``rna`` has is called ``rna:column``.
    modalities
        Name of a modality there -> how to read it (its ``data`` does not matter). Default: all, layer X.
    blocks
        Matrices of ``obsm`` that are inputs too.

    Raises
    ------
    DataError
        See :func:`read_multiomics`; and if a modality is not there.
    """
    mdata, origin, digest = open_mudata(data)
    asked = modalities or {name: Modality("") for name in mdata.mod}
    unknown = [name for name in asked if name not in mdata.mod]
    if unknown:
        raise DataError(f"{origin} has no modality '{unknown[0]}'.", f"Choose among: {', '.join(mdata.mod)}.")
    obs = obs_of_mudata(mdata)
    views = [read_view(name, replace(how, data=mdata.mod[name])) for name, how in asked.items()]
    read = _samples(views, obs, origin, digest, columns, samples)
    kept = pd.Index([str(name) for name in obs.index]).get_indexer(pd.Index(read.names))
    return replace(read, blocks={name: read_block(mdata, name, origin)[kept] for name in blocks})


def _samples(
    views: list[View], obs: pd.DataFrame, origin: str, digest: str, columns: Columns, samples: Missing | None
) -> Samples:
    joined = join_views(views, [str(name) for name in obs.index], samples, origin)
    sums = [digest, *(one for view in views for one in view.sha256)]
    unmapped = [view.unmapped.assign(modality=view.name) for view in views if len(view.unmapped)]
    return label_samples(
        joined.x,
        joined.features,
        joined.modalities,
        obs.iloc[joined.rows],
        origin,
        columns,
        layer=", ".join(view.name for view in views),
        sha256=hashlib.sha256("".join(sums).encode()).hexdigest() if all(sums) else "",
        present=joined.present,
        left_out=joined.left_out,
        unmapped=pd.concat(unmapped, ignore_index=True) if unmapped else None,
    )
