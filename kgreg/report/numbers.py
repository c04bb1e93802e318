"""Numbers as a reader wants them: rounded to what their interval allows, with a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

#: Printed for a number that is not known.
UNKNOWN = "–"

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def is_known(value: Any) -> bool:
    """Return whether ``value`` is a finite number."""
    try:
        return value is not None and math.isfinite(value)
    except TypeError:  # pandas.NA
        return False


def fixed(value: Any, decimals: int = 2, *, sign: bool = False) -> str:
    """Return ``value`` with that many decimals, a true minus sign, and no minus before zero."""
    if not is_known(value):
        return UNKNOWN
    text = f"{float(value):{'+' if sign else ''}.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def interval(mean: Any, low: Any, high: Any, decimals: int = 2, *, sign: bool = False) -> str:
    """Return ``0.64 [0.59, 0.70]``; the brackets hold a dash when there is no interval."""
    if not is_known(mean):
        return UNKNOWN
    if not (is_known(low) and is_known(high)):
        return f"{fixed(mean, decimals, sign=sign)} [{UNKNOWN}]"
    ends = ", ".join(fixed(end, decimals, sign=sign) for end in (low, high))
    return f"{fixed(mean, decimals, sign=sign)} [{ends}]"


def probability(p: Any) -> str:
    """Return a p or q value with two significant digits."""
    if not is_known(p):
        return UNKNOWN
    p = float(p)
    if p >= 0.995:
        return "1.0"
    if p >= 0.001:
        return f"{p:.{max(2, 1 - math.floor(math.log10(p)))}f}"
    if p <= 0:
        return "0"
    mantissa, exponent = f"{p:.1e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def count(value: Any) -> str:
    """Return a whole number with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\u202f") if is_known(value) else UNKNOWN


def plural(value: int, one: str, many: str = "") -> str:
    """Return ``1 gene``, ``2 genes``."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def listed(parts: Iterable[Any]) -> str:
    """Return ``a, b and c``."""
    *most, last = [str(part) for part in parts] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def percent(share: Any) -> str:
    """Return a share as whole percent."""
    return f"{100 * float(share):.0f} %" if is_known(share) else UNKNOWN


def decimals_for(sizes: Iterable[Any], least: int = 2, most: int = 7) -> int:
    """Return the decimals that give the typical one of ``sizes`` (half widths, say) two significant digits."""
    known = sorted(abs(float(size)) for size in sizes if is_known(size) and size != 0)
    if not known:
        return least
    middle = known[len(known) // 2]
    return min(max(1 - math.floor(math.log10(middle)), least), most)


def duration(seconds: Any) -> str:
    """Return ``48 s``, ``1 min 15 s`` or ``2 h 5 min``."""
    if not is_known(seconds):
        return UNKNOWN
    whole = round(float(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def name_of_metric(metric: str) -> str:
    """Return the name of a metric as the field writes it."""
    return _METRICS.get(metric, metric.replace("_", " "))


def name_of_arm(arm: str, names: Mapping[str, str] | None = None) -> str:
    """Return what a reader calls an arm; ``names`` are those of this run, where they are not the usual ones."""
    kind, comma, more = arm.partition(",")
    return (names or {}).get(kind, _ARMS.get(kind, kind)) + comma + more


def kind_of_arm(arm: str) -> str:
    """Return which of the colours an arm has: an ensemble has that of its arm."""
    return arm.partition(",")[0]


def in_order(comparisons: Iterable[str]) -> list[str]:
    """Return the arms that the graph network is compared with, the question of the knowledge first."""
    names = list(comparisons)
    return sorted(names, key=lambda name: (name != "rewired", names.index(name)))


#: Metrics of which less is better.
LOWER_IS_BETTER = frozenset({"log_loss", "rmse"})

_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "concordance": "concordance index",
    "log_loss": "log loss",
    "pearson_r": "Pearson r",
    "r2": "R²",
    "rmse": "RMSE",
}
_ARMS = {
    "graph": "Graph network",
    "baseline": "Linear baseline",
    "rewired": "Rewired graphs",
    "labels": "Permuted labels",
    "control": "Control inputs",
}
