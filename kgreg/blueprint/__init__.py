"""From rows of a query to a :class:`Blueprint`."""

from kgreg.blueprint.compiler import Guide, compile_guide, compile_hierarchy, go_guide, reactome_guide
from kgreg.blueprint.interactions import clean_interactions, compile_interactions, shared_membership
from kgreg.blueprint.model import Blueprint
from kgreg.blueprint.null import rewire, shuffle_genes
from kgreg.blueprint.regulators import compile_regulators
from kgreg.blueprint.signalling import compile_network, is_network
from kgreg.blueprint.storage import load_blueprint, save_blueprint

__all__ = [
    "Blueprint",
    "Guide",
    "clean_interactions",
    "compile_guide",
    "compile_hierarchy",
    "compile_interactions",
    "compile_network",
    "compile_regulators",
    "go_guide",
    "is_network",
    "load_blueprint",
    "reactome_guide",
    "rewire",
    "save_blueprint",
    "shared_membership",
    "shuffle_genes",
]
