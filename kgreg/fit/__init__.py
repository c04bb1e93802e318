"""Training: one fit, its checkpoints, the arms of an experiment, the baseline, the metrics."""

from kgreg.fit.arms import Arm, Job, arm_blueprint, arm_samples, plan
from kgreg.fit.baseline import fit_baseline
from kgreg.fit.crossval import BASELINE, CrossValidation, cross_validate
from kgreg.fit.fitted import FittedModel, load_fitted, save_fitted
from kgreg.fit.metrics import Interval, compare, fold_interval, score
from kgreg.fit.readings import Preprocessing, Readings
from kgreg.fit.settings import TrainSettings
from kgreg.fit.train import fit_network, fit_networks

__all__ = [
    "BASELINE",
    "Arm",
    "CrossValidation",
    "FittedModel",
    "Interval",
    "Job",
    "Preprocessing",
    "Readings",
    "TrainSettings",
    "arm_blueprint",
    "arm_samples",
    "compare",
    "cross_validate",
    "fit_baseline",
    "fit_network",
    "fit_networks",
    "fold_interval",
    "load_fitted",
    "plan",
    "save_fitted",
    "score",
]
