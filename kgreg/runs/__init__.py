"""Whole experiments: the stages from experiment file to report, and the folder they write to."""

from kgreg.runs.comparing import RunComparison, compare_runs
from kgreg.runs.enriching import enrich_run
from kgreg.runs.knocking import knock_out_again, knock_out_pairs, knock_out_samples, sweep_genes
from kgreg.runs.pipeline import STAGES, continue_run, run_experiment, trained_networks
from kgreg.runs.reporting import report_result, write_run_report
from kgreg.runs.run import Run, open_run
from kgreg.runs.scoring import scan_fasta, score_variants
from kgreg.runs.writeback import run_id, write_back

__all__ = [
    "STAGES",
    "Run",
    "RunComparison",
    "compare_runs",
    "continue_run",
    "enrich_run",
    "knock_out_again",
    "knock_out_pairs",
    "knock_out_samples",
    "open_run",
    "report_result",
    "run_experiment",
    "run_id",
    "scan_fasta",
    "score_variants",
    "sweep_genes",
    "trained_networks",
    "write_back",
    "write_run_report",
]
