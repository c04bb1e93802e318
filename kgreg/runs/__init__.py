"""Whole experiments: the stages from experiment file to report, and the folder they write to."""

from kgreg.runs.pipeline import STAGES, continue_run, knock_out_again, run_experiment, trained_networks
from kgreg.runs.reporting import report_result, write_run_report
from kgreg.runs.run import Run, open_run
from kgreg.runs.scoring import scan_fasta, score_variants
from kgreg.runs.writeback import run_id, write_back

__all__ = [
    "STAGES",
    "Run",
    "continue_run",
    "knock_out_again",
    "open_run",
    "report_result",
    "run_experiment",
    "run_id",
    "scan_fasta",
    "score_variants",
    "trained_networks",
    "write_back",
    "write_run_report",
]
