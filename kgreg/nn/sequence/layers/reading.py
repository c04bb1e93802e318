"""The kinds of layers, and how lists of them are read from an experiment file."""

from __future__ import annotations

import difflib
import json
from typing import Any

from pydantic import ValidationError

from kgreg.nn.sequence.layers.activation import Activation
from kgreg.nn.sequence.layers.convolution import Conv, Crop
from kgreg.nn.sequence.layers.dense import Dense, Flatten
from kgreg.nn.sequence.layers.joining import Join
from kgreg.nn.sequence.layers.layer import Layer
from kgreg.nn.sequence.layers.motifs import Motifs
from kgreg.nn.sequence.layers.pooling import Pool
from kgreg.nn.sequence.layers.recurrence import Recurrent
from kgreg.nn.sequence.layers.regularising import Dropout, Norm
from kgreg.nn.sequence.layers.tower import Tower

#: ``kind`` -> its keys.
LAYERS: dict[str, type[Layer]] = {
    str(layer.model_fields["kind"].default): layer
    for layer in (Conv, Motifs, Pool, Recurrent, Tower, Flatten, Dense, Norm, Activation, Dropout, Crop, Join)
}


def read_layers(value: Any) -> tuple[Layer, ...]:
    """Return layers from a list of tables with a ``kind`` (or of layers).

    Raises
    ------
    ValueError
        That names the layer by its number, from 1, and what is wrong with its keys.
    """
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{json.dumps(value, default=str)} is no list of layers")
    return tuple(_read(number, layer) for number, layer in enumerate(value, start=1))


def _read(number: int, value: Any) -> Layer:
    if isinstance(value, Layer):
        return value
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError(f"layer {number} has no kind; choose one of {', '.join(LAYERS)}")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in LAYERS:
        close = difflib.get_close_matches(str(kind), LAYERS, n=1)
        meant = f"did you mean '{close[0]}'? " if close else ""
        raise ValueError(f"layer {number}: there is no kind '{kind}'; {meant}choose one of {', '.join(LAYERS)}")
    try:
        return LAYERS[kind].model_validate(value)
    except ValidationError as error:
        allowed = [key for key in LAYERS[kind].model_fields if key != "kind"]
        found = error.errors(include_url=False)
        inside = [problem["msg"].removeprefix("Value error, ") for problem in found if problem["type"] == "value_error"]
        problems = [_explain(problem, allowed) for problem in found if problem["type"] != "value_error"]
        own = f" {' and '.join(dict.fromkeys(problems))}" if problems else ""
        raise ValueError(f"layer {number} ({kind}){', in it '.join([own, *inside])}") from None


def _explain(problem: Any, allowed: list[str]) -> str:
    key = ".".join(map(str, problem["loc"][:1]))
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, allowed, n=1)
        meant = f"did you mean '{close[0]}'? " if close else ""
        return f"has no key '{key}'; {meant}it has {', '.join(allowed) or 'none'}"
    if problem["type"] == "missing":
        return f"lacks '{key}'"
    said = problem["msg"].replace("Input should be", "it should be")
    return f"has {key} = {json.dumps(problem['input'], default=str)}, but {said}"
