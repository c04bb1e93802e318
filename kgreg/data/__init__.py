"""Samples in: AnnData, gene matching, splits, scaling."""

from kgreg.data.bundled import bundled_file
from kgreg.data.control import control_inputs
from kgreg.data.covariates import CovariateEncoder
from kgreg.data.expression import read_expressed
from kgreg.data.inputs import dense_inputs, input_table, usable_features
from kgreg.data.matching import Matching, match_blueprint, match_genes, match_names, match_symbols
from kgreg.data.samples import Samples, read_samples
from kgreg.data.scaling import Scaler
from kgreg.data.splits import Split, split_fixed, split_folds, splits_table

__all__ = [
    "CovariateEncoder",
    "Matching",
    "Samples",
    "Scaler",
    "Split",
    "bundled_file",
    "control_inputs",
    "dense_inputs",
    "input_table",
    "match_blueprint",
    "match_genes",
    "match_names",
    "match_symbols",
    "read_expressed",
    "read_samples",
    "split_fixed",
    "split_folds",
    "splits_table",
    "usable_features",
]
