"""What the commands print: progress, tables, errors."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from kgreg.errors import KgregError
from kgreg.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from kgreg.runs import Run

Format = Literal["table", "csv", "json"]

out = Console()
err = Console(stderr=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show one bar on standard error while the work goes on; in a pipe, nothing but the result is printed."""
    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=1.0)
        yield lambda text, share: bar.update(task, description=escape(text), completed=share)


def show_error(error: KgregError) -> None:
    """Print what is wrong and what to do."""
    err.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
    if error.hint:
        err.print(escape(error.hint), highlight=False, soft_wrap=True)


def write_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: Format, title: str = "") -> None:
    """Print rows as a table, as CSV or as a JSON array of objects."""
    if form == "json":
        listed = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        text = json.dumps(listed, indent=1, ensure_ascii=False, default=str)
    elif form == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_flat(value) for value in row] for row in rows)
        text = buffer.getvalue().rstrip("\n")
    else:
        table = Table(title=title or None, title_justify="left", title_style="bold")
        for name in columns:
            table.add_column(escape(name), overflow="fold")
        for row in rows:
            table.add_row(*(escape(_short(value)) for value in row))
        out.print(table)
        return
    out.file.write(text + "\n")


def write_frame(frame: pd.DataFrame, form: Format, title: str = "") -> None:
    """Print a data frame, see :func:`write_table`."""
    write_table(list(frame.columns), frame.to_numpy(dtype=object).tolist(), form, title)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flat(value: Any) -> Any:
    """Return what a spreadsheet can hold: lists and maps as JSON, absent numbers as nothing."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if _plain(value) is None else value


def _short(value: Any) -> str:
    if isinstance(value, float):
        return "–" if not math.isfinite(value) else f"{value:.3g}"
    return "–" if value is None else str(value)


# ---- a run -----------------------------------------------------------------------------------------------------------

_ARM_NAMES = {
    "graph": "network on the graph",
    "baseline": "linear baseline",
    "rewired": "network on rewired graphs",
    "labels": "network, permuted labels",
    "control": "network, control inputs",
}


def show_compiled(run: Run) -> None:
    """Print the size of the network and what was left out."""
    summary = run.blueprint.summary()
    text = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in summary.items() if count)
    out.print(f"[bold]Network[/]  {text}", highlight=False)
    dropped = run.blueprint.dropped.groupby(["step", "kind"], sort=False).size().reset_index(name="count")
    left_out = ", ".join(f"{row['count']:,} {row['kind']}s ({row['step']})" for row in records(dropped))
    out.print(f"[bold]Left out[/] {left_out or 'nothing'} [dim](each with its reason: blueprint/dropped.parquet)[/]")


def show_metrics(run: Run) -> None:
    """Print the main metrics of every arm, and the verdict."""
    metrics = run.metrics
    names = [
        name
        for name in ("balanced_accuracy", "auroc", "average_precision", "pearson_r", "r2", "concordance")
        if name in metrics["arms"][0]["metrics"]
    ]
    how = f"{metrics['folds']}-fold cross-validation" if metrics["folds"] > 1 else "The split of the data"
    table = Table(
        title=f"{how}, seed {metrics['seed']}: mean and 95 % interval ({metrics['interval']})",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("model")
    for name in names:
        table.add_column(name.replace("_", " "))
    for arm in metrics["arms"]:
        draws = f" (n = {arm['draws']})" if arm["arm"] in ("rewired", "labels", "control") else ""
        cells = [with_interval(arm["metrics"][name], "mean") for name in names]
        kind, comma, more = arm["arm"].partition(",")
        name = metrics.get("arm_names", {}).get(kind, _ARM_NAMES.get(kind, kind))
        table.add_row(name + comma + more + draws, *cells)
    out.print(table)
    out.print(metrics["verdict"], style="italic", highlight=False)


def show_ranking(run: Run, n: int = 3, output: str | None = None) -> None:
    """Print the best subsystems and genes of every output."""
    explanation = run.explanation
    if explanation.ranking.empty:
        out.print("Nothing is ranked: the network has no part with a name of the graph.", style="italic")
        return
    outputs = [output] if output is not None else list(dict.fromkeys(explanation.ranking["output"]))
    networks = int(explanation.ranking["n"].max())
    sure = f"with its 95 % interval over {networks} networks" if networks > 1 else "of one network, so without interval"
    table = Table(
        title=f"Top {n} of every output: score {sure}, "
        f"seed {run.metrics['seed']}; * q < 0.05 against the null; + n alike: nearly the same genes",
        title_justify="left",
        title_style="bold",
        show_lines=True,
    )
    from kgreg.blueprint.kinds import RANKED_KINDS  # pandas comes with the package

    kinds = [kind for kind in RANKED_KINDS if (explanation.ranking["kind"] == kind).any()]
    for name in ("output", *(RANKED_KINDS[kind] for kind in kinds)):
        table.add_column(name)
    for name in outputs:
        cells = ["\n".join(map(_ranked, records(explanation.top(kind, name, n, redundant=False)))) for kind in kinds]
        table.add_row(escape(name), *cells)
    out.print(table)


def _ranked(row: dict[str, Any]) -> str:
    star = "*" if row["q"] is not None and row["q"] < 0.05 else ""
    alike = f" + {row['alike']} alike" if row["alike"] else ""
    return escape(f"{row['label']}{star}{alike} {with_interval(row, 'score')}")


def show_knockouts(table: pd.DataFrame, n: int = 3) -> None:
    """Print for every knockout the outputs that move most, in whose samples, and the subsystems that move most."""
    if not len(table):
        return
    has_terms = bool((table["kind"] == "term").any())
    moved = " and of subsystems (in standard deviations)" if has_terms else ""
    shown = Table(
        title=f"Knockouts: change of the mean probability (or value){moved}, with 95 % intervals",
        title_justify="left",
        title_style="bold",
        show_lines=True,
    )
    for heading in ("knocked out", "outputs", *(["subsystems, all samples"] if has_terms else [])):
        shown.add_column(heading)
    for knockout, rows in table.groupby("knockout", sort=False):
        groups = rows["group"] != "all" if (rows["group"] != "all").any() else rows["group"] == "all"
        outputs = rows[(rows["kind"] == "output") & groups]
        terms = rows[(rows["kind"] == "term") & (rows["group"] == "all")]
        cells = []
        for best, where in ((outputs, True), *([(terms, False)] if has_terms else [])):
            best = best.sort_values("delta", key=abs, ascending=False, kind="stable").head(n)
            lines = [f"{_target(row, where)} {with_interval(row, 'delta', '+')}" for row in records(best)]
            cells.append(escape("\n".join(lines)))
        shown.add_row(escape(str(knockout)), *cells)
    _caption(shown, table)
    out.print(shown)


def show_pairs(table: pd.DataFrame, n: int = 5) -> None:
    """Print the pairs of genes with the largest epistasis, in the samples that the output is about."""
    own = table[(table["group"] == table["target"]) | (table["group"] == "all")]
    for model, rows in own.groupby("model", sort=False):
        best = rows.sort_values("epistasis", key=abs, ascending=False, kind="stable").head(n)
        shown = Table(
            title=f"Epistasis, {model}: both knockouts against what is expected of them, in {rows['unit'].iloc[0]}",
            title_justify="left",
            title_style="bold",
        )
        for heading in ("genes", "output", "first", "second", "both", "expected", "epistasis"):
            shown.add_column(heading)
        for row in records(best):
            changes = [f"{row[name]:+.3f}" for name in ("first_delta", "second_delta", "both_delta", "expected")]
            names = [f"{row['first']}, {row['second']}", _target({**row, "label": row["target"]}, True)]
            shown.add_row(*map(escape, [*names, *changes, with_interval(row, "epistasis", "+")]))
        _caption(shown, table)
        out.print(shown)


def show_sweep(table: pd.DataFrame, n: int = 5) -> None:
    """Print for every output the genes whose knockout moves it most, in the samples that it is about."""
    outputs = table[table["kind"] == "output"]
    own = outputs[outputs["group"] == outputs["target"]]
    outputs = own if len(own) else outputs
    shown = Table(
        title=f"Knockouts of {outputs['gene'].nunique():,} genes, one by one: change of the predicted "
        f"{outputs['unit'].iloc[0]}; * the interval leaves out 0",
        title_justify="left",
        title_style="bold",
        show_lines=True,
    )
    shown.add_column("output")
    shown.add_column("genes")
    for target, rows in outputs.groupby("target", sort=False):
        best = rows.sort_values("delta", key=abs, ascending=False, kind="stable").head(n)
        lines = [
            f"{row['gene']}{'*' if row['low'] > 0 or row['high'] < 0 else ''} {with_interval(row, 'delta', '+')}"
            for row in records(best)
        ]
        shown.add_row(escape(str(target)), escape("\n".join(lines)))
    _caption(shown, outputs)
    out.print(shown)


def _caption(shown: Table, table: pd.DataFrame) -> None:
    networks, samples = int(table["n"].max()), int(table["samples"].max())
    alone = ", so that there are no intervals" if networks == 1 else ""
    shown.caption = f"n = {networks} networks{alone}, {samples} samples, seed {table['seed'].iloc[0]}"
    shown.caption_justify = "left"


def _target(row: dict[str, Any], where: bool) -> str:
    if not where or row["group"] == "all":
        return str(row["label"])
    return f"{row['label']} in " + ("its own samples" if row["group"] == row["label"] else row["group"])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def with_interval(row: dict[str, Any], value: str, sign: str = "") -> str:
    """Return a number of a row with its interval (``low, high``), as far as they are known."""
    numbers = [row[name] for name in (value, "low", "high")]
    if any(number is None or not math.isfinite(number) for number in numbers):
        return "–" if numbers[0] is None or not math.isfinite(numbers[0]) else f"{numbers[0]:{sign}.3f}"
    return f"{numbers[0]:{sign}.3f} [{numbers[1]:{sign}.3f}, {numbers[2]:{sign}.3f}]"
