"""In silico knockouts: what every output and every subsystem does when genes fall silent."""

from kgreg.decode.knockout.drugs import drug_knockouts, drug_pairs
from kgreg.decode.knockout.effects import KnockoutEffect, knock_out, knock_out_each
from kgreg.decode.knockout.epistasis import epistasis_table
from kgreg.decode.knockout.per_sample import knockout_samples
from kgreg.decode.knockout.sentences import sentences
from kgreg.decode.knockout.sweep import sweep_table
from kgreg.decode.knockout.table import KnockoutOptions, knockout_table

__all__ = [
    "KnockoutEffect",
    "KnockoutOptions",
    "drug_knockouts",
    "drug_pairs",
    "epistasis_table",
    "knock_out",
    "knock_out_each",
    "knockout_samples",
    "knockout_table",
    "sentences",
    "sweep_table",
]
