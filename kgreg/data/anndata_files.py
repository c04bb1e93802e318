"""AnnData objects and their files."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from kgreg.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData


def open_h5ad(data: Path | str | AnnData) -> tuple[AnnData, str, str]:
    """Return an AnnData object, its name for messages, and the SHA-256 of its file.

    Raises
    ------
    DataError
        If it is no readable .h5ad file.
    """
    if not isinstance(data, (str, Path)):
        return data, "an AnnData object", ""
    import anndata

    path = Path(data)
    if not path.is_file():
        raise DataError(f"{path} is not a file.", "Give the path of an .h5ad file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes about files written by older versions of anndata
            adata = anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise many kinds for a file that is not what it says
        raise DataError(f"{path} cannot be read as h5ad: {error}", "Write it with `adata.write_h5ad(...)`.") from error
    with path.open("rb") as file:
        return adata, str(path), hashlib.file_digest(file, "sha256").hexdigest()
