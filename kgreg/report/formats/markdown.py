"""The report as Markdown: short enough to read, with what a paper or a notebook would take from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.decode.knockout import sentences
from kgreg.report import summary
from kgreg.report.contents import ReportContents
from kgreg.report.inventory import run_rows
from kgreg.report.methods import citations, methods_paragraph
from kgreg.report.numbers import decimals_for, interval, is_known, percent, plural, probability

#: Rows of the tables: of all outputs together, and of each.
TOP, TOP_OF_OUTPUT = 10, 3
#: Knockouts and enriched sets that are listed.
MOST_KNOCKOUTS, MOST_SETS = 20, 10
#: Outputs that have a list of their own.
MOST_OUTPUTS = 30

_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
#: What would make a heading, a list or a rule of a line that begins with it.
_BEGINNING = re.compile(r"^([#+=:-]|\d+(?=[.)](\s|$)))")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: object) -> str:
    """Return text that Markdown shows as it is, on one line: no markup, no HTML, no link, no end of a cell."""
    flat = " ".join(str(text).split())
    plain = "".join(_ENTITIES.get(letter, letter) for letter in flat if letter.isprintable())
    # A scheme or a mail address would become a link by itself in some dialects.
    unlinked = plain.replace("://", ":&#47;&#47;").replace("@", "&#64;").replace("www.", "www&#46;")
    return _BEGINNING.sub(_shielded, _SPECIAL.sub(r"\\\1", unlinked))


def _shielded(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdecimal() else f"\\{found[0]}"


def render_markdown(contents: ReportContents) -> str:
    """Return the report as Markdown (tables as in GitHub's dialect); whatever came from data is escaped."""
    verdict = summary.verdict(contents.metrics)
    lines = [
        f"# {escape(contents.title)}",
        escape(summary.asked(contents)),
        f"**{escape(verdict['headline'])}**",
        *[f"- {escape(ground)}" for _, ground in verdict["grounds"]],
        *_predictions(contents),
        *_nodes(contents),
        *_enrichment(contents),
        *_knockouts(contents),
        "## Methods",
        escape(methods_paragraph(contents)),
        "## References",
        *[f"{number}. {escape(reference)}" for number, reference in enumerate(citations(contents), start=1)],
        "## Run",
        *[f"- {escape(name)}: {escape(value)}" for name, value in run_rows(contents)],
    ]
    return "\n\n".join(_blocks(lines)) + "\n"


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """Yield blocks with the entries of a list in one."""
    pending: list[str] = []
    for line in lines:
        if re.match(r"- |\d+\. ", line):
            pending.append(line)
            continue
        if pending:
            yield "\n".join(pending)
            pending = []
        if line:
            yield line
    if pending:
        yield "\n".join(pending)


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Return a table whose first ``left`` columns stand on the left, the others on the right."""
    rules = ["---" if i < left else "---:" for i in range(len(names))]
    cells = [[escape(name) for name in names], rules, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _predictions(contents: ReportContents) -> list[str]:
    table = summary.metric_table(contents.metrics)
    names = ["Arm", *(metric["name"] for metric in table["metrics"])]
    arms = [f"{row['name']} ({row['draws']})" if row["draws"] else row["name"] for row in table["rows"]]
    rows = [[arm, *(cell["text"] for cell in row["cells"])] for arm, row in zip(arms, table["rows"], strict=True)]
    note = f"Mean and 95 % interval ({contents.metrics['interval']}), n = {table['n']}, seed {table['seed']}."
    return ["## Predictions", _table(names, rows), escape(note)]


def _nodes(contents: ReportContents) -> list[str]:
    found = []
    for kind, name in RANKED_KINDS.items():
        mine = contents.ranking[contents.ranking["kind"] == kind]
        if mine.empty:
            continue
        found += [f"## {name.capitalize()}", escape(_note(mine)), *_together(mine), *_each_output(contents, mine)]
    return found


def _note(rows: pd.DataFrame) -> str:
    n, seed = int(rows["n"].max()), rows["seed"].iloc[0]
    null = next((name for name in rows["null"] if name != "none"), None)
    words = {"rewired": "rewired graphs", "labels": "permuted labels"}
    against = (
        f"ranked against {words.get(str(null), null)}" if null else "ranked by the score alone, as there is no null"
    )
    ends = "95 % intervals over the networks" if n > 1 else "no intervals, which one network cannot give"
    shares = (
        " Stability: share of the networks with the node among the largest scores; P(top): share of bootstrap draws "
        "that rank it, by z as here, among the best."
    )
    return (
        f"Mean over {plural(n, 'network')} on held-out samples, {ends}; {against}; seed {seed}."
        f"{shares if 'top_probability' in rows and rows['top_probability'].notna().any() else ''}"
    )


def _together(rows: pd.DataFrame) -> list[str]:
    together = rows[rows["output"] == "all"].nsmallest(TOP, "rank")
    if together.empty:
        return []
    digits = decimals_for((together["high"] - together["low"]) / 2)
    sure = "top_probability" in together and together["top_probability"].notna().any()
    names = ["Rank", "Name", "Id", "Score [95 %]", "q", "Stability", *(["P(top)"] if sure else [])]
    cells = [
        [row["rank"], row["label"], row["node"], interval(row["score"], row["low"], row["high"], digits),
         probability(row["q"]), percent(row["stability"]), *([percent(row["top_probability"])] if sure else [])]
        for _, row in together.iterrows()
    ]  # fmt: skip
    return [_table(names, cells, left=3)]


def _each_output(contents: ReportContents, rows: pd.DataFrame) -> list[str]:
    outputs = [output for output in dict.fromkeys(rows["output"]) if output != "all"]
    if not outputs:
        return []
    cells = []
    for output in outputs[:MOST_OUTPUTS]:
        best = rows[rows["output"] == output].nsmallest(TOP_OF_OUTPUT, "rank")
        digits = decimals_for((best["high"] - best["low"]) / 2)
        shown = [
            f"{row['label']}: {interval(row['score'], row['low'], row['high'], digits)}"
            + (f", q {probability(row['q'])}" if is_known(row["q"]) else "")
            for _, row in best.iterrows()
        ]
        cells.append([output, *shown, *[""] * (TOP_OF_OUTPUT - len(shown))])
    more = len(outputs) - MOST_OUTPUTS
    left_out = [f"{more} more outputs are in ranking.parquet."] if more > 0 else []
    return [_table(["Output", "First", "Second", "Third"], cells, left=4), *map(escape, left_out)]


def _enrichment(contents: ReportContents) -> list[str]:
    table = contents.tables.get("enrichment")
    if table is None or table.empty:
        return []
    # A graph is dense where its sets are: p alone says little of the outcome, the comparison with null networks does.
    compared = "p_null" in table and table["p_null"].notna().any()
    best = table[table["q"].notna()].sort_values(["p_null", "q"] if compared else ["q", "p"], kind="stable")
    rows = [
        [
            *(row["label"], row["set"], row["output"], row["method"]),
            f"{row['overlap']} of {row['genes_in_set']}",
            *(probability(row[name]) for name in ("p", "q", *(["p_null"] if compared else []))),
        ]
        for _, row in best.head(MOST_SETS).iterrows()
    ]
    names = ["Gene set", "Id", "Output", "Test", "Genes", "p", "q", *(["p against null networks"] if compared else [])]
    unknown = "" if compared else "Not compared with null networks: p follows how well the graph covers a set."
    return ["## Enrichment of the ranked genes", _table(names, rows, left=4), escape(unknown)] if rows else []


def _knockouts(contents: ReportContents) -> list[str]:
    table = contents.knockouts
    if table.empty:
        return []
    outputs = table[(table["kind"] == "output") & (table["group"] == "all")]
    names = list(dict.fromkeys(outputs["knockout"]))
    chosen = outputs[outputs["knockout"].isin(names[:MOST_KNOCKOUTS])]
    strongest = chosen.loc[chosen.groupby("knockout", sort=False)["delta"].apply(lambda d: d.abs().idxmax())]
    digits = decimals_for((strongest["high"] - strongest["low"]) / 2)
    tested = "p" in strongest and strongest["p"].notna().any()
    rows = [
        [row["knockout"], row["genes"], row["label"],
         interval(row["delta"], row["low"], row["high"], digits, sign=True),
         *([probability(row["p"]), probability(row["q"])] if tested else [])]
        for _, row in strongest.iterrows()
    ]  # fmt: skip
    n, seed = int(table["n"].max()), table["seed"].iloc[0]
    ends = "with 95 % intervals" if n > 1 else "without intervals, which one network cannot give"
    note = f"The output that moves most, over all samples; means over {plural(n, 'network')} {ends}; seed {seed}."
    more = len(names) - MOST_KNOCKOUTS
    left_out = [escape(f"{more} more knockouts are in knockouts.parquet.")] if more > 0 else []
    head = ["Knockout", "Genes", "Output", "Change [95 %]", *(["p", "q"] if tested else [])]
    return [
        "## Knockouts",
        escape(note),
        _table(head, rows, left=3),
        *left_out,
        *_sentences(table[table["knockout"].isin(names[:MOST_KNOCKOUTS])]),
        *_sentences(contents.tables.get("epistasis", pd.DataFrame()).head(MOST_KNOCKOUTS)),
        *_sentences(contents.tables.get("sweep", pd.DataFrame())),
    ]


def _sentences(table: pd.DataFrame) -> list[str]:
    """Return what a table of knockouts says; tables of former versions do not say how genes were knocked out."""
    return [f"- {escape(text)}" for text in sentences(table)] if {"how", "unit"} <= set(table) else []
