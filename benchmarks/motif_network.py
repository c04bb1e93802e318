"""What do known motifs bring to a network that reads DNA?

    python -m benchmarks.motif_network OUT [DIR] [--only classes families grammar] [--quick]

``DIR`` holds ``oct4_mafk/`` and ``chip_seq/``; default: ``$KGREG_SHARED`` or ``../shared/data``. ``OUT`` is a folder
for the tables (CSV); what stands there already is not computed again.

classes
    Oct4 against Mafk from 50 to 2,000 sequences. Test: chromosomes 1, 8 and 21. How filters are learned is chosen for
    every arm and size on chromosomes 3, 12 and 17, with training sequences of their own; all else is chosen within the
    training sequences of a fit. Training sequences are drawn from the other chromosomes; all arms have the same draws.
families
    Which families of factors lead on four sets of peaks.
grammar
    Two motifs planted at a fixed spacing: are they found, and their spacing?
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from kgreg.blueprint import Blueprint
from kgreg.blueprint.motifs import compile_motifs
from kgreg.data import Samples, Split
from kgreg.data.scaling import Scaler
from kgreg.data.sequence import gc_content, kmer_counts, read_sequences
from kgreg.data.simulate.grammar import simulate_grammar
from kgreg.decode import node_importance
from kgreg.fit import FittedModel, Readings, TrainSettings, fit_baseline, fit_network
from kgreg.nn.motif.design import MotifDesign
from kgreg.sources import jaspar

TEST, DEVELOPMENT = ("chr1", "chr8", "chr21"), ("chr3", "chr12", "chr17")
SIZES = (50, 100, 200, 500, 2000)
SEEDS = 10
#: Draws on which it is chosen how filters are learned, beyond those that are reported.
TUNING_DRAWS = {50: 2, 100: 1, 200: 1, 500: 1, 2000: 1}
#: Most epochs that are tried.
EPOCHS = {50: 25, 100: 25, 200: 25, 500: 4, 2000: 3}
#: Sequences of the development chromosomes that are looked at.
DEVELOPMENT_SIZE = 200

#: Families whose factors bind what the two classes are, or motifs alike.
RELEVANT = ("Maf", "Jun", "Fos", "CREB", "CEBP", "B-ATF", "ATF-4", "XBP", "NRF", "POU", "SOX")

#: Of the human genome.
BACKGROUND = (0.29, 0.21, 0.21, 0.29)
DESIGN = MotifDesign(background=BACKGROUND)
TRAINING = TrainSettings(
    architecture=DESIGN, learning_rate=0.01, weight_decay=0.0, optimiser="adam", batch_size=32, patience=10
)


@dataclass(frozen=True)
class Setting:
    """How filters are learned: the penalty on their distance from the start, and their step in bits."""

    name: str
    mode: str
    strength: float = 0.0
    step: float = 0.0

    def settings(self, design: MotifDesign, epochs: int, stopping: str) -> TrainSettings:
        """Return the settings of a fit."""
        rate = TRAINING.learning_rate if self.mode != "frozen" else 1e-4
        own = design.model_copy(
            update={"mode": self.mode, "strength": self.strength, "filter_rate": self.step / rate if self.step else 1.0}
        )
        return replace(
            TRAINING,
            architecture=own,
            learning_rate=rate,
            max_epochs=1 if self.mode == "frozen" else epochs,
            stopping=stopping,  # type: ignore[arg-type]
        )


SETTINGS = (
    Setting("frozen", "frozen"),
    Setting("near", "regularised", 1e-3, 0.05),
    Setting("far", "regularised", 1e-5, 0.1),
)
FROZEN = SETTINGS[0]


@dataclass(frozen=True)
class Arm:
    """A network: seed -> blueprint, and the design that differs from :data:`DESIGN`."""

    name: str
    blueprint: Callable[[int], Blueprint]
    design: MotifDesign = DESIGN
    tuned: bool = True
    sizes: tuple[int, ...] = SIZES


def main() -> None:
    """Compute what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(os.environ.get("KGREG_SHARED", "../shared/data")))
    parts = {"classes": classes, "families": families, "grammar": grammar}
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    parser.add_argument("--quick", action="store_true", help="two seeds, two sizes")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        parts[name](options.out, options.folder, options.quick)


# ---- Oct4 against Mafk -----------------------------------------------------------------------------------------------


def arms() -> list[Arm]:
    """Return the networks that are compared."""
    return [
        Arm("motifs", lambda seed: motifs()),
        Arm("random filters", lambda seed: motifs(), DESIGN.model_copy(update={"initial": "random"})),
        Arm("permuted motifs", lambda seed: motifs().rewire(seed)),
        Arm(
            "frozen motifs, ridge",
            lambda seed: motifs(),
            DESIGN.model_copy(update={"head_start": "ridge"}),
            tuned=False,
        ),
        Arm("motifs without the relevant families", lambda seed: motifs(RELEVANT), sizes=(100,)),
        Arm(
            "frozen random filters",
            lambda seed: motifs(),
            DESIGN.model_copy(update={"initial": "random"}),
            tuned=False,
            sizes=SIZES[:3],
        ),
    ]


def classes(out: Path, folder: Path, quick: bool) -> None:
    """Compare the arms on Oct4 against Mafk."""
    peaks = folder / "oct4_mafk"
    files = {name: [peaks / f"{name}.{part}.fa" for part in ("train", "test")] for name in ("oct4", "mafk")}
    samples = read_sequences(files, test_chromosomes=TEST)
    assert samples.intervals is not None
    assert samples.sequences is not None
    chromosome = samples.intervals["chrom"]
    test = np.flatnonzero(samples.parts == "test")
    development = np.flatnonzero(chromosome.isin(DEVELOPMENT))
    pool = np.flatnonzero(~chromosome.isin({*TEST, *DEVELOPMENT}))
    print(
        f"Oct4 against Mafk: {len(pool)} sequences to draw from, {len(development)} to choose by, {len(test)} to test"
    )
    looked = np.random.default_rng(0).permutation(development)[:DEVELOPMENT_SIZE]
    sizes, seeds = ((50, 200), 2) if quick else (SIZES, SEEDS)
    tuning, results = Kept(out / "tuning.csv"), Kept(out / "classes.csv")
    words = kmer_counts(samples.sequences, 5)
    gc = gc_content(samples.sequences)[:, None]
    cpg = kmer_counts(samples.sequences, 2, canonical=False)[:, [6]]
    for n, arm in itertools.product(sizes, arms()):
        if n not in arm.sizes:
            continue
        setting, epochs = FROZEN, 1
        if arm.tuned:
            for draw, option in itertools.product(range(TUNING_DRAWS[n]), SETTINGS):
                key = {"arm": arm.name, "n": n, "draw": draw, "setting": option.name}
                if key not in tuning:
                    split = Split(0, drawn(samples, pool, n, 1000 + draw), np.sort(looked), test)
                    model = fit_network(
                        arm.blueprint(1000 + draw),
                        samples,
                        split,
                        option.settings(arm.design, EPOCHS[n], "early"),
                        draw,
                    )
                    for epoch in model.history:
                        tuning.add(key | {"epoch": epoch["epoch"] + 1, "loss": epoch["stop_loss"]})
            setting, epochs = chosen(tuning.table(), arm.name, n)
        for seed in range(seeds):
            key = {"arm": arm.name, "n": n, "seed": seed}
            if key in results:
                continue
            split = halved(samples, drawn(samples, pool, n, seed), test)
            blueprint = arm.blueprint(seed)
            model = fit_network(blueprint, samples, split, setting.settings(arm.design, epochs, "none"), seed)
            predicted = model.predict(Readings.of(samples, blueprint).rows(test))[:, 1]
            results.add(key | {"auroc": auroc(samples, test, predicted), "setting": setting.name, "epochs": epochs})
    for n, seed in itertools.product(sizes, range(seeds)):
        split = halved(samples, drawn(samples, pool, n, seed), test)
        for name, table in {"5-mers and GC, ridge": np.hstack([words, gc]), "GC and CpG": np.hstack([gc, cpg])}.items():
            key = {"arm": name, "n": n, "seed": seed}
            if key not in results:
                scaled = Scaler.fit(table[split.train], "standard").transform(table)
                if name == "GC and CpG":
                    plain = LogisticRegression().fit(scaled[split.train], samples.target[split.train])
                    predicted = plain.predict_proba(scaled[test])[:, 1]
                else:
                    predicted = fit_baseline(samples, [], split, TRAINING, seed, scaled)[0][:, 1]
                results.add(key | {"auroc": auroc(samples, test, predicted), "setting": "", "epochs": 0})
    show_classes(results.table(), tuning.table())


def chosen(tuning: pd.DataFrame, arm: str, n: int) -> tuple[Setting, int]:
    """Return the setting and the number of epochs of the lowest mean loss over the draws.

    A draw whose training was stopped early counts with its last loss from then on.
    """
    own = tuning[(tuning["arm"] == arm) & (tuning["n"] == n)]
    curves = own.pivot(index=["setting", "draw"], columns="epoch", values="loss").ffill(axis=1)
    mean = curves.groupby("setting").mean()
    best, epoch = mean.stack().idxmin()
    return next(setting for setting in SETTINGS if setting.name == best), int(epoch)


def drawn(samples: Samples, pool: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Return ``n`` rows of the pool, half of each class; a larger draw of the same seed holds the smaller ones."""
    order = np.random.default_rng(seed).permutation(pool)
    return np.sort(np.concatenate([order[samples.target[order] == c][: n // 2] for c in (0, 1)]))


def halved(samples: Samples, train: NDArray[np.int64], test: NDArray[np.int64]) -> Split:
    """Return a split whose stopping part, a fifth of each class, is of use to those that choose a penalty by it."""
    stop = np.concatenate([train[samples.target[train] == c][::5] for c in (0, 1)])
    return Split(0, np.setdiff1d(train, stop), np.sort(stop), test)


def auroc(samples: Samples, test: NDArray[np.int64], predicted: NDArray[Any]) -> float:
    """Return the test AUROC."""
    return float(roc_auc_score(samples.target[test], predicted))


def show_classes(results: pd.DataFrame, tuning: pd.DataFrame) -> None:
    """Print mean AUROC with 95 % intervals (Student's t over the draws), and paired differences."""
    sizes = sorted(results["n"].unique())
    print("\ntest AUROC, mean over draws [95 % interval]")
    print(f"{'training sequences':<38}" + "".join(f"{n:>26,}" for n in sizes))
    wide = results.pivot(index=["n", "seed"], columns="arm", values="auroc")
    order = list(dict.fromkeys(results["arm"]))
    for arm in order:
        print(f"{arm:<38}" + "".join(f"{interval(values(wide, n, arm)):>26}" for n in sizes))
    print("\nmotifs minus the arm, same draws")
    for arm in order:
        if arm != "motifs":
            cells = (values(wide, n, "motifs") - values(wide, n, arm) for n in sizes)
            print(f"{arm:<38}" + "".join(f"{interval(cell, sign='+'):>26}" for cell in cells))
    print("\nhow filters are learned, as chosen (epochs)")
    for arm in dict.fromkeys(tuning["arm"]):
        cells = []
        for n in sizes:
            known = ((tuning["arm"] == arm) & (tuning["n"] == n)).any()
            setting, epochs = chosen(tuning, arm, n) if known else (None, 0)
            cells.append(f"{setting.name} ({epochs})" if setting else "")
        print(f"{arm:<38}" + "".join(f"{cell:>26}" for cell in cells))


def values(wide: pd.DataFrame, n: int, arm: str) -> pd.Series[float]:
    """Return the AUROC of every draw."""
    return wide.loc[n, arm]


def interval(found: pd.Series[float], sign: str = "") -> str:
    """Return mean and interval as text."""
    found = found.dropna()
    if len(found) < 2:
        return ""
    half = stats.t.ppf(0.975, len(found) - 1) * found.std() / np.sqrt(len(found))
    mean = found.mean()
    return f"{mean:{sign}.3f} [{mean - half:{sign}.3f}, {mean + half:{sign}.3f}]"


# ---- families --------------------------------------------------------------------------------------------------------


def families(out: Path, folder: Path, quick: bool) -> None:
    """Rank families of factors on four sets of peaks, by the held-out attributions of three networks each."""
    chip, peaks = folder / "chip_seq", folder / "oct4_mafk"
    sets: dict[str, Callable[[], Samples]] = {
        "CTCF": lambda: read_sequences(
            {"CTCF": chip / "Gm12878.CTCF.top500.w200.fa"}, negatives="dinucleotide", test_chromosomes=TEST
        ),
        "TAp73alpha": lambda: read_sequences(
            {"TAp73alpha": chip / "TAp73alpha.fa"}, negatives="dinucleotide", test_chromosomes=TEST
        ),
        "nfe2": lambda: read_sequences(
            {name: [chip / f"{name}.{part}.fa" for part in ("tr", "test")] for name in ("nfe2", "nfe2.neg")},
            test_chromosomes=TEST,
        ),
        "Oct4 and Mafk": lambda: read_sequences(
            {name: [peaks / f"{name.lower()}.{part}.fa" for part in ("train", "test")] for name in ("Oct4", "Mafk")},
            test_chromosomes=TEST,
        ),
    }
    kept = Kept(out / "families.csv")
    near = SETTINGS[1]
    for name, read in sets.items():
        for seed in range(1 if quick else 3):
            if {"set": name, "seed": seed} in kept:
                continue
            samples = read()
            assert samples.parts is not None
            test = np.flatnonzero(samples.parts == "test")
            split = halved(samples, drawn(samples, np.flatnonzero(samples.parts == "train"), 500, seed), test)
            model = fit_network(motifs(), samples, split, near.settings(DESIGN, 4, "none"), seed)
            readings = Readings.of(samples, model.blueprint)
            reached = auroc(samples, test, model.predict(readings.rows(test))[:, 1])
            for output, kind, node, score in leading(model, samples, readings, split):
                kept.add(
                    {"set": name, "seed": seed, "auroc": reached, "output": output, "kind": kind, "node": node}
                    | {"score": score}
                )
    print("\nmean attribution on test sequences, the three first of each kind (mean of the networks)")
    table = kept.table()
    for (name, output, kind), own in table.groupby(["set", "output", "kind"], sort=False):
        mean = own.groupby("node")["score"].sum().div(own["seed"].nunique()).nlargest(3)
        print(f"{name:<14} {output:<11} {kind:<7} " + ", ".join(f"{node} {score:.2f}" for node, score in mean.items()))


def leading(
    model: FittedModel, samples: Samples, readings: Readings, split: Split
) -> Iterator[tuple[str, str, str, float]]:
    """Yield output, kind, label and mean attribution of the eight first families, factors and motifs."""
    scores = node_importance(
        model,
        readings.rows(split.test),
        samples.target[split.test],
        readings.rows(split.train),
        samples.outputs,
    )
    nodes = model.blueprint.nodes.set_index("id")
    for output in samples.outputs:
        own = scores[output]
        for kind in ("family", "tf", "motif"):
            ids = [node for node in own.index if nodes.loc[node, "kind"] == kind]
            for node, score in own[ids].nlargest(8).items():
                label = nodes.loc[node, "label"]
                yield output, kind, f"{label} {node}" if kind == "motif" else str(label), float(score)


# ---- grammar ---------------------------------------------------------------------------------------------------------


def grammar(out: Path, folder: Path, quick: bool) -> None:
    """Plant two motifs and look for them: 20 seeds, a pair of motifs each."""
    kept = Kept(out / "grammar.csv")
    for seed in range(2 if quick else 20):
        if {"seed": seed} in kept:
            continue
        made = simulate_grammar(seed=seed)
        folder = out / f"grammar-{seed}"
        made.write(folder)
        samples = read_sequences({name: folder / f"{name}.fa" for name in ("background", "planted")})
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        order = np.random.default_rng(seed).permutation(len(samples))
        test, train = np.sort(order[:100]), np.sort(order[100:])
        split = halved(samples, train, test)
        model = fit_network(motifs(), samples, split, SETTINGS[1].settings(DESIGN, 4, "none"), seed)
        readings = Readings.of(samples, model.blueprint)
        scores = node_importance(
            model, readings.rows(test), samples.target[test], readings.rows(train), samples.outputs
        )
        own = scores.loc[motifs().motifs["node"].unique(), "planted"].rank(ascending=False)
        pair = [str(made.about["first"]), str(made.about["second"])]
        kept.add(
            {"seed": seed, "first": pair[0], "second": pair[1], "names": " ".join(made.about["names"])}
            | {"rank of first": int(own[pair[0]]), "rank of second": int(own[pair[1]])}
            | {"spacing": found_spacing(model, samples, test, pair), "planted spacing": made.about["spacing"]}
            | {"auroc": auroc(samples, test, model.predict(readings.rows(test))[:, 1])}
        )
    table = kept.table()
    best = table[["rank of first", "rank of second"]].min(axis=1)
    right = (table["spacing"] == table["planted spacing"]).sum()
    print(f"\nplanted grammar, {len(table)} pairs of motifs")
    print(table.drop(columns=["first", "second"]).to_string(index=False))
    print(f"a planted motif is first of 1,019 in {(best == 1).sum()} of {len(table)}; the spacing is right in {right}")


def found_spacing(model: FittedModel, samples: Samples, rows: NDArray[np.int64], pair: list[str]) -> int:
    """Return the commonest distance between the best sites of two motifs on one strand of planted sequences."""
    bank: Any = model.network.bank
    assert samples.sequences is not None
    codes = torch.from_numpy(np.ascontiguousarray(samples.sequences[rows[samples.target[rows] == 1]]))
    columns = [bank.ids.index(motif) for motif in pair]
    with torch.no_grad():
        _, place, strand = (found[:, columns].numpy() for found in bank.best_sites(codes))
    first, second = (bank.widths[column] for column in columns)
    apart = np.where(strand[:, 0] == 0, place[:, 1] - place[:, 0] - first, place[:, 0] - place[:, 1] - second)
    same = strand[:, 0] == strand[:, 1]
    counts = pd.Series(apart[same & (apart >= 0)]).value_counts()
    return int(counts.index[0]) if len(counts) else -1


# ---- shared ----------------------------------------------------------------------------------------------------------


@cache
def motifs(without: tuple[str, ...] = ()) -> Blueprint:
    """Return the blueprint of JASPAR's vertebrate motifs, without those whose family begins with one of ``without``."""
    table = jaspar.read().nodes["Motif"].to_pandas().rename(columns={"id": "motif"})
    unwanted = [any(own.startswith(without) for own in family.split("; ")) for family in table["family"]]
    table = table[~np.array(unwanted)]
    return compile_motifs(table, dict(zip(table["motif"], table["pfm"], strict=True)))


class Kept:
    """A table in a CSV file that grows by a row at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows = pd.read_csv(file).to_dict("records") if file.is_file() else []

    def __contains__(self, key: dict[str, Any]) -> bool:
        return any(all(row[name] == value for name, value in key.items()) for row in self._rows)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row, at once."""
        self._rows.append(row)
        self.table().to_csv(self._file, index=False)

    def table(self) -> pd.DataFrame:
        """Return all rows."""
        return pd.DataFrame(self._rows)


if __name__ == "__main__":
    main()
