"""A small, made-up result of every shape that a report must take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.fit.crossval import summarise
from kgreg.fit.labels import summarise_labels
from kgreg.report import ReportContents

CLASSES = ("B cell", "T cell", "Monocyte")
GENES = [f"G{i:02d}" for i in range(12)]
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"
SEED, FOLDS, SAMPLES = 7, 4, 60


def contents(
    *,
    task: str = "classification",
    nulls: Sequence[str] = ("rewired", "labels"),
    knockouts: Sequence[str] = ("CD79A", "two genes"),
    significant: int = 1,
    label: str = "",
    classes: Sequence[str] = CLASSES,
) -> ReportContents:
    """Return contents whose numbers are random but whose shapes are those of a run.

    Parameters
    ----------
    nulls
        Which nulls were trained.
    significant
        How many subsystems of the output "all" pass.
    label
        Put into every text that comes from outside.
    """
    names = list(classes) if task in ("classification", "multilabel") else []
    labels = names if task == "multilabel" else []
    blueprint = _blueprint(label)
    outputs = [*names, "all"]
    predictions = _predictions(task, names)
    metrics = _metrics(task, nulls, len(names))
    if labels:
        metrics["labels"] = summarise_labels(predictions, [_Split()] * FOLDS, labels)  # type: ignore[list-item]
    more: dict[str, Any] = {"labels": {name: {"positive": 20, "negative": 30, "unknown": 10} for name in labels}}
    more = {"multilabel": more, "survival": {"events": 41}}.get(task, {})
    return ReportContents(
        title=f"A small experiment {label}",
        experiment={"data": {"file": f"cells.h5ad{label}", "label": "cell_type"}, "training": {"seed": SEED}},
        data={
            "origin": f"cells.h5ad{label}",
            "sha256": "ab" * 32,
            "layer": "X",
            "label": f"cell_type{label}",
            "task": task,
            "samples": SAMPLES,
            "features": 14,
            "classes": {name: SAMPLES // len(names) for name in names if not labels},
            "groups": None,
            **more,
        },
        matching={
            "counts": {"symbol": 11, "alias": 1, "repeated": 0, "ambiguous": 1, "unknown": 1},
            "features": {
                "alias": [{"feature": "IGJ", "label": f"JCHAIN{label}", "note": ""}],
                "repeated": [],
                "ambiguous": [{"feature": "AGPAT9", "label": "", "note": "GPAT3, LPCAT1"}],
                "unknown": [{"feature": f"RP11-290{label}", "label": "", "note": ""}],
            },
        },
        blueprint=blueprint,
        metrics=metrics,
        predictions=predictions,
        ranking=_ranking(blueprint, outputs, nulls, significant),
        stability={"term": {"rank_correlation": 0.71, "top_overlap": float("nan"), "networks": FOLDS}},
        knockouts=_knockouts(
            blueprint, knockouts, names or ["risk" if task == "survival" else f"cell_type{label}"], names
        ),
        run={
            "kgreg": "0.1.0",
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": 75.2,
            "command": f"kgreg run {label}",
            "seed": SEED,
            "packages": {"torch": "2.13.0"},
            "platform": "Linux",
        },
    )


def decoded(made: ReportContents) -> ReportContents:
    """Return the contents with everything that can be read out of networks besides: all tables, all columns."""
    rng = np.random.default_rng(SEED)
    classes = [output for output in dict.fromkeys(made.ranking["output"]) if output != "all"]
    ranking = made.ranking.assign(null_mean=0.01, top_probability=0.8, rank_low=1.0, rank_high=5.0)
    ranking["lead"] = ranking["node"]
    # GO:0000004 has the same genes as GO:0000002, say, where that is the better one
    for _, rows in ranking[ranking["kind"] == "term"].groupby("output"):
        one, other = rows.set_index("node").loc[["GO:0000002", "GO:0000004"], "rank"].sort_values().index
        ranking.loc[rows.index[rows["node"] == other], "lead"] = one
    return replace(made, ranking=ranking, tables=_tables(ranking, classes, rng))


def _tables(ranking: pd.DataFrame, classes: Sequence[str], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Return tables of every step, with names from the ranking and random numbers."""
    outputs, targets = [*classes, "all"], list(classes) or ["value"]
    whole = ranking[ranking["output"] == "all"]
    genes, terms = whole[whole["kind"] == "gene"], whole[whole["kind"] == "term"]

    def around(value: float, **more: Any) -> dict[str, Any]:
        return {"low": value - 0.02, "high": value + 0.02, "n": FOLDS, "seed": SEED, **more}

    scores = [
        ranking[["node", "output"]].assign(arm=arm, fold=fold, replicate=0, score=rng.normal(0, 0.05, len(ranking)))
        for arm in ("graph", "rewired-0", "rewired-1", "labels-0", "labels-1")
        for fold in range(FOLDS)
    ]
    activity = [
        {"node": node, "kind": "term", "label": label, "group": group, "mean": value, **around(value)}
        for node, label in zip(terms["node"], terms["label"], strict=True)
        for group, value in zip(outputs, rng.normal(size=len(outputs)), strict=True)
    ]
    sweep = [
        {
            "gene": label,
            "node": node,
            "label": target,
            "kind": "output",
            "target": target,
            "group": group,
            "delta": value,
            "samples": SAMPLES,
            "p": 0.1 + abs(value),
            "q": 0.9,
            **around(value),
        }
        for node, label in zip(genes["node"], genes["label"], strict=True)
        for target in targets
        for group, value in zip(("all", target), rng.normal(0, 0.05, 2), strict=True)
    ]
    named = list(genes["label"][:3])
    epistasis = [
        {
            "first": one,
            "second": other,
            "target": target,
            "group": "all",
            "first_delta": -0.1,
            "second_delta": -0.2,
            "both_delta": -0.2,
            "expected": -0.3,
            "epistasis": 0.1,
            "model": "additive",
            **around(0.1),
        }
        for target in targets
        for one, other in pairwise(named)
    ]
    enrichment = [
        {
            "output": output,
            "collection": "reactome",
            "set": "R-HSA-1",
            "label": genes["label"].iloc[0] + " pathway",
            "method": method,
            "genes_in_set": 9,
            "overlap": 4,
            "expected": 1.5,
            "statistic": 2.7,
            "p": 0.001,
            "q": 0.01,
            "p_null": 0.4,
            "null": "labels",
            "leading": ", ".join(named),
            "n": 12,
        }
        for output in outputs
        for method in ("hypergeometric", "rank")
    ]
    degree = [
        {"kind": kind, "output": "all", "arm": arm, "quantity": quantity, "rho": 0.3, **around(0.3)}
        for kind in ("term", "gene")
        for arm in ("graph", "rewired")
        for quantity in ("genes", "links")
    ]
    agreement = [
        {
            "kind": kind,
            "output": output,
            "networks": FOLDS,
            "kendall_w": 0.6,
            "p": 1e-5,
            "rank_correlation": 0.5,
            "top_overlap": 0.4,
            "top": 20,
        }
        for kind in ("term", "gene")
        for output in outputs
    ]
    other = [
        whole[["node", "kind", "label", "output", "score", "low", "high", "n", "rank"]].assign(method=name)
        for name in ("integrated_gradients", "ablation")
    ]
    training = [
        {"arm": arm, "fold": fold, "replicate": 0, "epoch": epoch, "train_loss": 1 / (1 + epoch), "stop_loss": 1.1,
         "best": 2}
        for arm in ("graph", "rewired-0", "rewired-1")
        for fold in range(FOLDS)
        for epoch in range(4)
    ]  # fmt: skip
    rows = {
        "activity": activity, "sweep": sweep, "epistasis": epistasis, "enrichment": enrichment, "degree": degree,
        "agreement": agreement, "training": training,
    }  # fmt: skip
    return {
        **{name: pd.DataFrame(table) for name, table in rows.items()},
        "node_scores": pd.concat(scores, ignore_index=True),
        "methods": pd.concat(other, ignore_index=True),
    }


def _blueprint(label: str) -> Blueprint:
    terms = [f"GO:{i:07d}" for i in range(1, 8)]
    links = [(2, 1), (3, 1), (4, 2), (5, 2), (5, 3), (7, 6)]
    hierarchy = pd.DataFrame([{"child": terms[a - 1], "parent": terms[b - 1]} for a, b in links])
    lowest = [terms[3], terms[4], terms[2], terms[6]]
    annotations = [{"gene": gene, "term": lowest[i % 4]} for i, gene in enumerate(GENES)]
    annotations.append({"gene": GENES[0], "term": terms[5]})
    return compile_hierarchy(
        hierarchy,
        pd.DataFrame(annotations),
        pd.DataFrame([{"feature": f"SYM{i}", "gene": gene, "label": f"SYM{i}"} for i, gene in enumerate(GENES)]),
        labels={term: f"process {i} {label}".strip() for i, term in enumerate(terms, 1)} | {"GO:0000099": "left out"},
        redundancy=None,
        source="GO",
        provenance={
            "guide": f"GO biological_process{label}",
            "store": "knowledge.lbug",
            "sources": [
                {"id": "go", "title": "Gene Ontology", "release": "2022-07-01", "licence": "CC BY 4.0",
                 "url": "https://geneontology.org", "rows": 43559},
                {"id": "own", "title": f"own{label}", "url": "javascript:alert(1)"},
            ],
            "cypher": [{"role": "terms", "query": "go_terms", "text": f"MATCH (t:Term) WHERE t.n < 3 RETURN t{label}",
                        "parameters": {"namespace": "biological_process"}}],
        },
    )  # fmt: skip


class _Split:
    def __init__(self) -> None:
        self.test = np.arange(SAMPLES // FOLDS)
        self.train = np.arange(SAMPLES - SAMPLES // FOLDS)


class _Samples:
    def __init__(self, task: str) -> None:
        self.task, self.sequences = task, None


def _metrics(task: str, nulls: Sequence[str], n_classes: int) -> dict[str, Any]:
    """Return what ``CrossValidation.summary`` makes of made-up scores; AUROC is not known in one fold."""
    rng = np.random.default_rng(SEED)
    metrics = {
        "classification": ["balanced_accuracy", "auroc", "log_loss"],
        "regression": ["pearson_r", "r2", "rmse"],
        "multilabel": ["auroc", "average_precision"],
        "survival": ["concordance"],
    }[task]
    level = {"graph": 0.7, "baseline": 0.72, "rewired": 0.69, "labels": 1 / max(n_classes, 2)}
    arms = ["graph", *(f"{null}-{draw}" for null in nulls for draw in range(2)), "baseline"]
    rows = [
        {"arm": arm, "fold": fold, "replicate": 0, "metric": metric, "value": level[arm.split("-")[0]] + noise}
        for arm in arms
        for metric in metrics
        for fold, noise in enumerate(rng.normal(0, 0.03, FOLDS))
    ]
    scores = pd.DataFrame(rows)
    if task == "classification":
        scores.loc[(scores["metric"] == "auroc") & (scores["fold"] == 0), "value"] = float("nan")
        scores.loc[(scores["metric"] == "auroc") & (scores["arm"] == "baseline"), "value"] = float("nan")
    summary: dict[str, Any] = summarise(scores, [_Split()] * FOLDS, _Samples(task), SEED)  # type: ignore[arg-type, list-item]
    return summary


def _predictions(task: str, classes: Sequence[str]) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    frames = []
    for arm in ("graph", "baseline"):
        frame = pd.DataFrame({"arm": arm, "fold": np.arange(SAMPLES) % FOLDS, "replicate": 0})
        frame["sample"] = [f"cell{i}" for i in range(SAMPLES)]
        if task == "multilabel":
            truth = rng.integers(0, 2, (SAMPLES, len(classes))).astype(float)
            truth[:, 0] *= frame["fold"] > 0  # in one fold the first label does not vary
            frame[[f"target.{name}" for name in classes]] = truth
            frame[list(classes)] = 0.5 * truth + 0.5 * rng.random(truth.shape)
        elif task == "survival":
            frame["risk"] = rng.normal(size=SAMPLES)
            frame["time"] = np.ceil(rng.exponential(20 * np.exp(-frame["risk"])))
            frame["event"] = rng.random(SAMPLES) < 0.7
        elif classes:
            true = np.arange(SAMPLES) // (SAMPLES // len(classes))
            frame["target"] = np.asarray(classes)[true]
            chance = rng.dirichlet(np.ones(len(classes)), SAMPLES)
            chance[np.arange(SAMPLES), true] += 0.5
            frame[list(classes)] = chance / chance.sum(axis=1, keepdims=True)
        else:
            frame["target"] = rng.normal(size=SAMPLES)
            frame["predicted"] = frame["target"] + rng.normal(0, 0.5, SAMPLES)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _ranking(blueprint: Blueprint, outputs: Sequence[str], nulls: Sequence[str], significant: int) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    sizes = {node: len(genes) for node, genes in blueprint.gene_sets().items()}
    main: Mapping[str, str] = {"gene": "labels", "term": "rewired"}
    frames = []
    for output in outputs:
        for kind, nodes in (("gene", blueprint.genes), ("term", blueprint.terms)):
            n = len(nodes)
            frame = nodes[["id", "label", "level"]].rename(columns={"id": "node"}).assign(kind=kind, output=output)
            frame["n_genes"] = [sizes.get(node, 1) for node in frame["node"]]
            frame["score"] = rng.normal(0, 0.05, n)
            frame["low"], frame["high"] = frame["score"] - 0.02, frame["score"] + 0.02
            frame["n"], frame["seed"], frame["stability"] = FOLDS, SEED, 0.5
            tested = main[kind] in nulls
            frame["null"] = main[kind] if tested else "none"
            frame["z"] = rng.normal(size=n) if tested else np.nan
            frame["p"] = np.linspace(0.0004, 1, n) if tested else np.nan
            frame["q"] = np.where(frame["z"].rank(ascending=False) <= significant, 0.0004, 0.8) if tested else np.nan
            frame["rank"] = frame["z" if tested else "score"].rank(ascending=False, method="first").astype("Int64")
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _knockouts(
    blueprint: Blueprint, names: Sequence[str], outputs: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    if not names:
        return pd.DataFrame()
    rng = np.random.default_rng(SEED)
    rows = []
    terms = list(zip(blueprint.terms["id"], blueprint.terms["label"], strict=True))
    for name in names:
        for group in ["all", *classes]:
            targets = [*(("output", o, o) for o in outputs), *(("term", *term) for term in terms)]
            for kind, target, label in targets:
                delta = rng.normal(0, 0.1) if kind == "output" else abs(rng.normal(0, 0.3))
                rows.append(
                    {"knockout": name, "genes": "CD79A, CD79B", "kind": kind, "target": target, "label": label,
                     "group": group, "delta": delta, "low": delta - 0.05, "high": delta + 0.05, "n": FOLDS,
                     "samples": SAMPLES // (1 if group == "all" else len(classes)), "seed": SEED}
                )  # fmt: skip
    return pd.DataFrame(rows)
