"""Several modalities of the same samples: tables, MuData and AnnData, brought to one column a gene and modality."""

from kgreg.data.multiomics.genes import GeneMap, How, read_gene_map
from kgreg.data.multiomics.join import Joined, join_views
from kgreg.data.multiomics.reading import is_mudata, read_mudata, read_multiomics
from kgreg.data.multiomics.views import Modality, View, read_view

__all__ = [
    "GeneMap",
    "How",
    "Joined",
    "Modality",
    "View",
    "is_mudata",
    "join_views",
    "read_gene_map",
    "read_mudata",
    "read_multiomics",
    "read_view",
]
