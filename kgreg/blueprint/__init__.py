"""From rows of a query to a :class:`Blueprint`."""

from kgreg.blueprint.compiler import Guide, compile_guide, compile_hierarchy, go_guide, reactome_guide
from kgreg.blueprint.model import Blueprint
from kgreg.blueprint.null import rewire, shuffle_genes
from kgreg.blueprint.storage import load_blueprint, save_blueprint

__all__ = [
    "Blueprint",
    "Guide",
    "compile_guide",
    "compile_hierarchy",
    "go_guide",
    "load_blueprint",
    "reactome_guide",
    "rewire",
    "save_blueprint",
    "shuffle_genes",
]
