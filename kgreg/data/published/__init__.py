"""The files of published projects (DCell, DrugCell, NeST) -> a blueprint, an h5ad file and an experiment file."""

from kgreg.data.published.dcell import import_dcell
from kgreg.data.published.drugcell import import_drugcell
from kgreg.data.published.imported import Imported, write_import
from kgreg.data.published.nest import import_nest

#: Name of a format -> the function that reads a folder of its files.
FORMATS = {"nest": import_nest, "drugcell": import_drugcell, "dcell": import_dcell}

__all__ = ["FORMATS", "Imported", "import_dcell", "import_drugcell", "import_nest", "write_import"]
