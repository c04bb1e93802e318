"""The paragraph of methods and the references that a paper on a run could print; every number is of the run."""

from __future__ import annotations

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report import references
from kgreg.report.contents import ReportContents
from kgreg.report.materials import materials, name_of_source, used_sources
from kgreg.report.numbers import count, fixed, in_order, interval, is_known, kind_of_arm, listed, name_of_metric, plural

_OPTIMISERS = {
    "adamw": "AdamW",
    "adam": "Adam",
    "amsgrad": "AMSGrad",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "sgd": "stochastic gradient descent",
}
_BASELINES = {
    "classification": "logistic regression with an L2 penalty",
    "multilabel": "a logistic regression with an L2 penalty for every label",
    "regression": "ridge regression",
    "survival": "Cox regression with an L2 penalty",
}


#: ``[decode] degree`` -> how scores are corrected, in words.
_DEGREE = {
    "pnet": "as in P-NET (divided by the degree of unusually connected nodes, then standardised within a layer)",
    "regression": "by regression on the logarithm of the degree in networks on rewired graphs",
}
#: ``[decode] measure`` -> in words.
_MEASURES = {
    "activation": "gradient times activation (the difference from the mean of the training samples times the "
    "derivative of the output)",
    "gradient": "the derivative of the prediction with respect to the node",
    "gradient_x_input": "gradient times input",
    "integrated_gradients": "integrated gradients",
    "conductance": "layer conductance",
    "deeplift": "DeepLIFT",
    "expected_gradients": "expected gradients",
    "ablation": "ablation (the change of the output when the node has its mean)",
    "central_difference": "central differences of the prediction",
    "rlipp": "RLIPP (how much better a term predicts the outcome than its children, out of sample)",
    "correlation": "the correlation of the node's activation with the outcome",
    "attention": "attention",
}


def methods_paragraph(contents: ReportContents) -> str:
    """Return what was done, as plain text that a paper could print.

    Whatever the contents do not say is left out. Numbers are written as in the report: thin spaces between thousands.
    """
    parts = (
        *materials(contents),
        _training(contents),
        _evaluation(contents),
        _importance(contents),
        _knockouts(contents),
        _outcome(contents),
        _software(contents),
    )
    return " ".join(part for part in parts if part)


def citations(contents: ReportContents) -> list[str]:
    """Return what a paper on this run should cite, each reference once: software, knowledge, architecture, methods."""
    version = contents.run.get("kgreg", "")
    found = [f"kgreg, version {version} (software; no paper on it has been published)."]
    for source in used_sources(contents):
        found += references.of_source(name_of_source(source))
    found += references.of_recipe(contents.experiment.get("recipe"))
    found += [references.of_method(name) for name in _methods_used(contents)]
    for measure in _measures(contents):
        found += references.of_measure(measure)
    return list(dict.fromkeys(found))


def _training(contents: ReportContents) -> str:
    training, metrics = contents.experiment.get("training", {}), contents.metrics
    sentences = []
    optimiser = _OPTIMISERS.get(str(training.get("optimiser")))
    if optimiser:
        text = f"Networks were trained with {optimiser} (learning rate {training['learning_rate']:g}"
        text += f", weight decay {training['weight_decay']:g}" if training.get("weight_decay") else ""
        text += f", batches of {count(training['batch_size'])}) for at most {plural(training['max_epochs'], 'epoch')}"
        if training.get("stopping") == "early":
            share = training.get("stop_fraction")  # not among the settings of a fit that was not asked for in a file
            part = "a part" if share is None else f"{100 * share:g} %"
            text += (
                f", and the epoch with the least loss on {part} of the training samples, set apart for this, was kept "
                f"(patience {training['patience']})"
            )
        sentences.append(text + ".")
    if training.get("class_weight") == "balanced" and contents.data["task"] in ("classification", "multilabel"):
        sentences.append("Classes were weighted inversely to their frequency.")
    grouped = ", with all samples of a group on one side of every split" if contents.data.get("groups") else ""
    if metrics.get("folds", 0) > 1:
        text = f"Performance was estimated by {metrics['folds']}-fold cross-validation{grouped}"
    else:
        text = f"Performance was estimated on one held-out part of {plural(metrics['test_samples'], 'sample')}{grouped}"
    replicates = training.get("replicates")
    if replicates:
        more = f"{count(replicates)} networks a fold that differ in their seed"
        text += f", with {'one network a fold' if replicates == 1 else more}"
    sentences.append(text + ".")
    if not contents.of_dna:
        sentences.append("Scaling was fitted on training samples alone.")
    return " ".join(sentences)


def _evaluation(contents: ReportContents) -> str:
    arms = {kind_of_arm(arm["arm"]): arm for arm in contents.metrics["arms"]}
    parts = []
    if "rewired" in arms:
        what = "with permuted motifs" if contents.of_dna else "on degree-preserving random rewirings of the graph"
        parts.append(f"the same network {what} ({plural(arms['rewired']['draws'], 'draw')})")
    if "labels" in arms:
        parts.append(f"the same network trained on permuted labels ({plural(arms['labels']['draws'], 'draw')})")
    if "control" in arms:
        draws = plural(arms["control"]["draws"], "draw")
        parts.append(f"the same network on simulated inputs that are all equally predictive ({draws})")
    if "baseline" in arms:
        name = _BASELINES[contents.data["task"]]
        on = "on counts of 5-mers" if contents.of_dna else "on the same inputs"
        parts.append(f"{name} {on}, its penalty chosen on the samples set apart")
    if not parts:
        return ""
    return f"On the same splits we trained {listed(parts)}."


def _importance(contents: ReportContents) -> str:
    if contents.ranking.empty:
        return ""
    measures = _measures(contents)
    how = _MEASURES.get(measures[0], measures[0].replace("_", " "))
    n = int(contents.ranking["n"].max())
    kinds = [RANKED_KINDS[kind] for kind in RANKED_KINDS if (contents.ranking["kind"] == kind).any()]
    text = f"The importance of {listed(kinds)} is {how} on held-out samples, averaged over {plural(n, 'network')}"
    text += f", with 95 % intervals {_over(contents)}" if n > 1 else "; one network gives no interval"
    sentences = [text + "."]
    degree = contents.experiment.get("decode", {}).get("degree", "none")
    if degree in _DEGREE:
        sentences.append(f"Scores were corrected for the connectivity of nodes {_DEGREE[degree]}.")
    nulls = [null for null in ("rewired", "labels") if (contents.ranking["null"] == null).any()]
    if nulls:
        words = {"rewired": "rewired graphs", "labels": "permuted labels"}
        if contents.of_dna:
            words["rewired"] = "permuted motifs"
        which = " or ".join(words[null] for null in nulls)
        sentences.append(
            f"Nodes are ranked by a z score against the same node in networks on {which}; one-sided empirical p values "
            "pool the null scores of all nodes of a kind, and q values are adjusted by Benjamini and Hochberg's method "
            "within a kind."
        )
    if len(measures) > 1:
        others = listed(_MEASURES.get(name, name.replace("_", " ")) for name in measures[1:])
        sentences.append(f"As a comparison, importance was also measured by {others}.")
    agree = contents.stability.get(contents.main_kind or "gene", {})
    if is_known(agree.get("rank_correlation")):
        sentences.append(
            f"Two networks agree on the ranking with a mean Spearman correlation of {fixed(agree['rank_correlation'])}."
        )
    if "enrichment" in contents.tables:
        found = contents.tables["enrichment"]
        ways = {"hypergeometric": "a hypergeometric test", "rank": "a rank-based test"}
        used = [text for key, text in ways.items() if (found["method"] == key).any()]
        names = sorted(set(found["collection"].astype(str)))
        sentences.append(f"Enrichment of the ranked genes in {listed(names)} was tested by {listed(used)}.")
    return " ".join(sentences)


def _over(contents: ReportContents) -> str:
    """Return what intervals over networks are made of; see :func:`kgreg.decode.intervals.network_interval`."""
    if contents.metrics.get("folds", 0) > 1:
        return "by Student's t over the folds, corrected for the training samples that these share"
    return "by Student's t over seeds, on one held-out part"


#: What a knockout set inputs to -> in words; see :class:`kgreg.decode.knockout.settings.Manipulation`.
_SET_TO = {
    "silent": "to zero (to the lowest measured value, if that is below)",
    "unaltered": "to unaltered",
    "altered": "to altered",
}


def _knockouts(contents: ReportContents) -> str:
    table = contents.knockouts
    if table.empty:
        return ""
    n = int(table["n"].max())
    names = plural(int(table["knockout"].nunique()), "gene or set of genes", "genes or sets of genes")
    ways = list(dict.fromkeys(table["how"])) if "how" in table else ["silent"]
    doses = [way.removeprefix("dose ") for way in ways if way.startswith("dose ")]
    values = [way.removeprefix("value ") for way in ways if way.startswith("value ")]
    told = [_SET_TO[way] for way in ways if way in _SET_TO]
    told += [f"to {listed(doses)} times what was measured"] if doses else []
    told += [f"to {listed(values)}"] if values else []
    text = (
        f"Knockouts of {names} were simulated by setting their inputs {listed(told)} in held-out samples; effects are "
        f"means over {plural(n, 'network')}"
    )
    text += f" with 95 % intervals {_over(contents)}." if n > 1 else ", without an interval."
    if "n_null" in table and (table["n_null"].fillna(0) > 0).any():
        most = int(table["n_null"].max())
        text += f" Empirical p values compare them with {plural(most, 'random gene')} of matched expression."
    return text


def _outcome(contents: ReportContents) -> str:
    """Return the main metric of every arm, and whether the knowledge helped."""
    metrics = contents.metrics
    main = metrics["metric"]
    names = {"graph": "the network", "baseline": "the linear baseline", "rewired": "the network on rewired graphs",
             "labels": "permuted labels", "control": "control inputs"}  # fmt: skip
    if contents.of_dna:
        names["rewired"] = "the network on permuted motifs"
    shown = []
    for arm in metrics["arms"]:
        value = arm["metrics"].get(main, {})
        if is_known(value.get("mean")):
            name = names.get(arm["arm"], f"the {arm['arm'].partition(', ')[2]} networks")
            shown.append(f"{interval(value['mean'], value.get('low'), value.get('high'), 3)} for {name}")
    text = f"The {name_of_metric(main)} is {listed(shown)}" if shown else ""
    text += f" (mean and 95 % interval, {metrics['interval']})." if shown else ""
    conclusions = []
    for other in in_order(metrics.get("comparisons", {})):
        c = metrics["comparisons"][other]
        name = "the rewired graphs" if other == "rewired" else "the linear baseline"
        if contents.of_dna and other == "rewired":
            name = "the permuted motifs"
        way = "better than" if c["low"] > 0 else "worse than" if c["high"] < 0 else "no better than"
        conclusions.append(f"{way} {name} (difference {interval(c['difference'], c['low'], c['high'], 3, sign=True)})")
    return f"{text} The network predicts {listed(conclusions)}." if conclusions else text


def _software(contents: ReportContents) -> str:
    run = contents.run
    packages = run.get("packages", {})
    versions = [f"{name} {version}" for name, version in packages.items()]
    text = f"Analyses were done with kgreg {run.get('kgreg', '')}"
    text += f" ({', '.join(versions)})" if versions else ""
    seed = run.get("seed", contents.metrics["seed"])
    text += f", seed {seed}; SHA-256 of the network {contents.blueprint.content_hash()[:12]}"
    digest = str(contents.data.get("sha256") or "")
    return text + (f", of the data {digest[:12]}." if digest else ".")


def _measures(contents: ReportContents) -> list[str]:
    """Return the measures of importance, the one that ranks first."""
    decode = contents.experiment.get("decode", {})
    found = [str(decode.get("measure", "activation")), *(str(name) for name in decode.get("also") or [])]
    return list(dict.fromkeys(found)) if len(contents.ranking) else []


def _methods_used(contents: ReportContents) -> list[str]:
    metrics = contents.metrics
    optimiser = str(contents.experiment.get("training", {}).get("optimiser"))
    arms = {kind_of_arm(arm["arm"]) for arm in metrics["arms"]}
    tests = {
        "pytorch": True,
        "scikit-learn": "baseline" in arms,
        "adamw": optimiser == "adamw",
        "adam": optimiser == "adam",
        "cox": contents.data["task"] == "survival",
        "concordance": contents.data["task"] == "survival",
        "corrected-t": metrics.get("folds", 0) > 1,
        "rewired": "rewired" in arms and not contents.of_dna,
        "replicates": len(contents.ranking) > 0 and bool(arms & {"rewired", "labels"}),
        "bh": len(contents.ranking) > 0 and bool(contents.ranking["q"].notna().any()),
        "enrichment": "enrichment" in contents.tables and (contents.tables["enrichment"]["method"] == "rank").any(),
        "tomtom": contents.sequences is not None,
    }
    return [name for name, used in tests.items() if used]
