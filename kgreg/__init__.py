"""kgreg: knowledge-graph-guided neural networks for omics data.

The names below are all that a usual analysis takes; they are imported when they are first used, so that
``import kgreg`` and ``kgreg --help`` are quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kgreg.blueprint import Blueprint as Blueprint
    from kgreg.blueprint import compile_guide as compile_guide
    from kgreg.blueprint import compile_hierarchy as compile_hierarchy
    from kgreg.blueprint import compile_interactions as compile_interactions
    from kgreg.blueprint import compile_network as compile_network
    from kgreg.blueprint import go_guide as go_guide
    from kgreg.blueprint import reactome_guide as reactome_guide
    from kgreg.data import bundled_file as bundled_file
    from kgreg.data import match_genes as match_genes
    from kgreg.data import read_samples as read_samples
    from kgreg.data import split_folds as split_folds
    from kgreg.decode import explain as explain
    from kgreg.decode import knockout_table as knockout_table
    from kgreg.experiment import Experiment as Experiment
    from kgreg.experiment import read_experiment as read_experiment
    from kgreg.fit import TrainSettings as TrainSettings
    from kgreg.fit import cross_validate as cross_validate
    from kgreg.runs import open_run as open_run
    from kgreg.runs import report_result as report_result
    from kgreg.runs import run_experiment as run_experiment
    from kgreg.store import load as load
    from kgreg.store import open_store as open_store

_HOME = {
    "Blueprint": "blueprint",
    "compile_guide": "blueprint",
    "compile_hierarchy": "blueprint",
    "compile_interactions": "blueprint",
    "compile_network": "blueprint",
    "go_guide": "blueprint",
    "reactome_guide": "blueprint",
    "bundled_file": "data",
    "match_genes": "data",
    "read_samples": "data",
    "split_folds": "data",
    "explain": "decode",
    "knockout_table": "decode",
    "Experiment": "experiment",
    "read_experiment": "experiment",
    "TrainSettings": "fit",
    "cross_validate": "fit",
    "open_run": "runs",
    "report_result": "runs",
    "run_experiment": "runs",
    "load": "store",
    "open_store": "store",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kgreg' has no attribute '{name}'")
    return getattr(import_module(f"kgreg.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
