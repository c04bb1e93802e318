"""A network on DNA from FASTA files to the report, to variants and to a scan, with a planted motif."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from kgreg.cli import app
from kgreg.decode.sequence.attribution import deeplift
from kgreg.decode.sequence.filters import filter_patterns
from kgreg.decode.sequence.functions import encode, sequence_function
from kgreg.decode.sequence.substitutions import mutagenesis
from kgreg.errors import DataError, FitError, MissingPackageError, OutputError
from kgreg.experiment import read_experiment
from kgreg.report.motif_section import motif_section
from kgreg.runs import Run, run_experiment, scan_fasta, score_variants
from kgreg.runs.pipeline import trained_networks
from kgreg.runs.sequences import decode_sequences, load_sequences, missing_packages

SITE = "GATTACAGCT"
LENGTH = 60

EXPERIMENT = """
title = "Planted"

[data.sequences.files]
with = "with.fa"
without = "without.fa"

[knowledge]
guide = "motifs"
motifs = "motifs.pfm"

[network]
model = "motif"
de_novo = 2

[training]
folds = 2
max_epochs = 3
learning_rate = 0.01

[nulls]
rewired = 0
labels = 0
"""


def random_letters(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list("ACGT"), n))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences with and without the site, motifs of which one is the site, a genome and variants of it."""
    path, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    for name in ("with", "without"):
        lines = []
        for i in range(40):
            letters = random_letters(rng, LENGTH)
            if name == "with":
                letters = letters[:25] + SITE + letters[25 + len(SITE) :]
            lines += [f">{name}{i}", letters]
        (path / f"{name}.fa").write_text("\n".join(lines) + "\n")
    motifs = []
    words = [SITE, *(random_letters(rng, int(rng.integers(8, 12))) for _ in range(29))]
    for i, word in enumerate(words):
        counts = [[18 if letter == base else 2 for letter in word] for base in "ACGT"]
        motifs += [f">M{i} {'SITE' if i == 0 else f'TF{i}'}"]
        motifs += [f"{base} [ {' '.join(map(str, row))} ]" for base, row in zip("ACGT", counts, strict=True)]
    (path / "motifs.pfm").write_text("\n".join(motifs) + "\n")
    flank = random_letters(rng, 95)
    (path / "genome.fa").write_text(f">chr1\n{flank}{SITE}{flank[::-1]}\n")
    genome = flank + SITE + flank[::-1]
    rows = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for pos, name in ((100, "within"), (60, "outside")):  # the site covers 96 to 105
        ref = genome[pos - 1]
        rows.append(f"chr1\t{pos}\t{name}\t{ref}\t{'C' if ref != 'C' else 'G'}\t.\t.\t.")
    (path / "variants.vcf").write_text("\n".join(rows) + "\n")
    (path / "experiment.toml").write_text(EXPERIMENT)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return run_experiment(read_experiment(folder / "experiment.toml"), output=folder / "run", workers=1)


def test_filters_keep_their_motifs(run: Run) -> None:
    assert run.sequences is not None
    filters = run.sequences.filters
    best = filters[filters["rank"] == 1].set_index("filter")
    assert best.loc["M0", "motif"] == "M0"
    assert best.loc["M0", "label"] == "SITE"
    assert bool(best.loc["M0", "own"])
    assert best.loc["M0", "q"] < 0.05
    assert best.loc["M0", "kept"] > 0.9
    assert {"denovo:0", "denovo:1"} <= set(run.sequences.patterns["filter"])
    forms = run.sequences.patterns.groupby("filter")["form"].agg(set)
    assert forms["M0"] == {"start", "learned", "sites"}
    assert forms["denovo:0"] == {"learned", "sites"}
    learned = run.sequences.patterns.query("filter == 'M0' and form == 'learned'")[list("ACGT")]
    np.testing.assert_allclose(learned.sum(axis=1), 1, atol=1e-6)
    assert "".join("ACGT"[i] for i in learned.to_numpy().argmax(axis=1)) == SITE


def test_examples_show_the_site(run: Run) -> None:
    assert run.sequences is not None
    examples, letters = run.sequences.examples, run.sequences.letters
    assert examples["output"].tolist() == ["with", "with", "without", "without"]
    own = letters[letters["example"] == 0].sort_values("position")
    assert len(own) == LENGTH
    inside = own["position"].between(25, 25 + len(SITE) - 1)
    assert own.loc[inside, "attribution"].sum() > 0.7 * own["attribution"].abs().sum()


def test_mutagenesis_of_codes_is_that_of_one_hot(run: Run) -> None:
    result = trained_networks(run.path)
    assert result.samples.sequences is not None
    function = sequence_function(result.models[result.jobs[0].name])
    codes = np.asarray(result.samples.sequences[:1]).copy()
    codes[0, 3] = 4
    effects = mutagenesis(function, codes)

    def outputs(one: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return function(encode(one)).numpy()

    base = outputs(codes)
    for letter, position in ((0, 3), (2, 27), (1, 59), (3, 0)):
        mutated = codes.copy()
        mutated[0, position] = letter
        expected = (outputs(mutated) - base)[0]
        np.testing.assert_allclose(effects[0, letter, position], expected, atol=1e-5)


def test_the_report_draws_them(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    section = page[page.index('<section id="motifs">') : page.index('<section id="data">')]
    assert '<section id="genes">' not in page
    logos = ["<svg" + part.split("</svg>")[0] + "</svg>" for part in section.split("<svg")[1:]]
    assert len(logos) > 10
    for logo in logos:
        ElementTree.fromstring(logo)
    assert "SITE" in section
    assert "Example sequences" in section


def test_a_variant_in_the_site_takes_it_away(run: Run, folder: Path) -> None:
    table, tally = score_variants(run.path, folder / "variants.vcf", folder / "genome.fa", scale="logit")
    assert table["output"].tolist() == ["with", "without"] * 2
    effects = table.set_index(["id", "output"])
    assert effects.loc[("within", "with"), "difference"] < -0.3
    assert abs(effects.loc[("outside", "with"), "difference"]) < 0.5 * abs(
        effects.loc[("within", "with"), "difference"]
    )
    assert (table["n"] == 2).all()
    assert ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()
    np.testing.assert_allclose(table["alt_score"] - table["ref_score"], table["difference"], atol=1e-6)
    assert not tally.left_out


def test_variants_on_the_command_line(run: Run, folder: Path, tmp_path: Path) -> None:
    arguments = ["--vcf", str(folder / "variants.vcf"), "--genome", str(folder / "genome.fa")]
    found = CliRunner().invoke(app, ["variants", str(run.path), *arguments, "-o", str(tmp_path / "v.parquet")])
    assert found.exit_code == 0, found.output
    table = pd.read_parquet(tmp_path / "v.parquet")
    assert table["ref_score"].between(0, 1).all()
    with pytest.raises(OutputError, match="cannot be written"):
        CliRunner().invoke(
            app, ["variants", str(run.path), *arguments, "-o", str(tmp_path / "v.xlsx")], catch_exceptions=False
        )


def test_a_genome_without_the_variants_is_refused(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.fa").write_text(">chr1\n" + "A" * 200 + "\n")
    with pytest.raises(DataError, match="REF"):
        score_variants(run.path, folder / "variants.vcf", tmp_path / "other.fa")


def test_the_scan_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    arguments = ["--motifs", str(folder / "motifs.pfm"), "--threshold", "1e-5"]
    found = CliRunner().invoke(app, ["scan", str(folder / "with.fa"), *arguments, "-o", str(tmp_path / "hits.csv")])
    assert found.exit_code == 0, found.output
    hits = pd.read_csv(tmp_path / "hits.csv").query("motif_id == 'M0'")
    assert set(hits["sequence_name"]) == {f"with{i}" for i in range(40)}
    assert (hits.query("start == 26 and strand == '+'")["matched_sequence"] == SITE).all()
    assert (hits["motif_alt_id"] == "SITE").all()


def test_motifs_of_a_store(knowledge_store_path: Path, folder: Path) -> None:
    hits, _ = scan_fasta(folder / "with.fa", store=knowledge_store_path, threshold=1e-6)
    assert hits["motif_id"].str.fullmatch(r"MA\d{4}\.\d+").all()
    assert (hits["motif_alt_id"] != "").all()


def test_without_the_packages_the_reason_is_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> None:
        raise MissingPackageError(f"The package {module} is not installed.", f"Run: pip install 'kgreg[{extra}]'")

    monkeypatch.setattr("kgreg.decode.sequence.matching.need", missing)
    decode_sequences(trained_networks(run.path), run.explanation, tmp_path)
    assert load_sequences(tmp_path) is None
    assert "kgreg[seq]" in missing_packages(tmp_path)
    monkeypatch.undo()
    decode_sequences(trained_networks(run.path), run.explanation, tmp_path)
    found = load_sequences(tmp_path)
    assert found is not None
    assert run.sequences is not None
    assert found.filters.equals(run.sequences.filters)
    assert missing_packages(tmp_path) == ""


def test_some_motifs_of_a_bank_are_read_as_all_are(run: Run) -> None:
    result = trained_networks(run.path)
    assert result.samples.sequences is not None
    function = sequence_function(result.models[result.jobs[0].name])
    codes = np.asarray(result.samples.sequences[:20])
    every = {pattern.filter: pattern for pattern in filter_patterns(function, codes)}
    some = filter_patterns(function, codes, motifs=["M0", "M7"])
    assert [pattern.filter for pattern in some] == ["M0", "M7", "denovo:0", "denovo:1"]
    for pattern in some:
        np.testing.assert_array_equal(pattern.counts, every[pattern.filter].counts)
        assert pattern.maximum == pytest.approx(every[pattern.filter].maximum, rel=1e-5)


def test_deeplift_of_a_network_without_rules_is_refused(run: Run) -> None:
    result = trained_networks(run.path)
    assert result.samples.sequences is not None
    function = sequence_function(result.models[result.jobs[0].name])
    with pytest.raises(FitError, match="no rule"):
        deeplift(function, np.asarray(result.samples.sequences[:2]), shuffles=3)


def test_other_reports_have_no_such_section() -> None:
    from tests.report.contents import contents

    assert motif_section(contents()) is None
