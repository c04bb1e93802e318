"""The methods by which nodes are scored: what each of them is, and which networks it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from kgreg.decode.importance.attention import has_attention
from kgreg.decode.importance.differences import ablation, central_difference
from kgreg.decode.importance.gradients import activation, gradient, gradient_x_input
from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs, Scale
from kgreg.decode.importance.paths import conductance, expected_gradients, integrated_gradients
from kgreg.decode.importance.rescale import deeplift
from kgreg.errors import DataError

#: See :func:`kgreg.decode.importance.node_importance`.
Measure = Literal[
    "activation", "gradient", "gradient_x_input", "integrated_gradients", "conductance", "deeplift",
    "expected_gradients", "ablation", "central_difference", "rlipp", "correlation", "attention",
]  # fmt: skip

MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class Method:
    """A method that scores nodes sample by sample.

    ``scale``: what of an output is explained. ``needs_path``: whether it takes inputs between the samples and others.
    """

    scores: Callable[[Inquiry, Pairs], Found]
    scale: Scale = "logit"
    needs_path: bool = False


#: Methods with a score for every sample. "rlipp", "correlation" and "attention" score a set of samples.
PER_SAMPLE: dict[str, Method] = {
    "activation": Method(activation),
    "gradient": Method(gradient, "prediction"),
    "gradient_x_input": Method(gradient_x_input),
    "integrated_gradients": Method(integrated_gradients),
    "conductance": Method(conductance, needs_path=True),
    "deeplift": Method(deeplift, needs_path=True),
    "expected_gradients": Method(expected_gradients, needs_path=True),
    "ablation": Method(ablation),
    "central_difference": Method(central_difference, "prediction"),
}


def is_signed(measure: str) -> bool:
    """Say whether a measure is the slope of a prediction: over samples, it is averaged with its sign."""
    return measure in PER_SAMPLE and PER_SAMPLE[measure].scale == "prediction"


def refusal(inquiry: Inquiry, measure: str) -> str | None:
    """Return why a measure is not for a network; None if it is, as far as its kind tells."""
    if measure in PER_SAMPLE:
        between = PER_SAMPLE[measure].needs_path and inquiry.reads_dna
        return "there is nothing between two letters of DNA" if between else None
    if measure == "attention":
        return None if has_attention(inquiry) else "the network pays no attention along interactions"
    if inquiry.model.task == "survival":
        return "the outcome is a time to an event, with which nothing correlates plainly"
    if measure == "rlipp":
        inner = set(inquiry.model.network.term_ids)
        if not inquiry.model.blueprint.edges["target"].isin(inner).any():
            return "no node of the network stands above another"
    return None


def check_measure(inquiry: Inquiry, measure: str, per_sample: bool = False) -> None:
    """Refuse a measure that is none, or is not for this network, or (``per_sample``) has no scores of samples.

    Raises
    ------
    DataError
        Which names those that are.
    """
    why = refusal(inquiry, measure) if measure in MEASURES else "there is no such measure"
    if why is None and per_sample and measure not in PER_SAMPLE:
        why = "it scores a set of samples, not each"
    if why is None:
        return
    others = [name for name in (PER_SAMPLE if per_sample else MEASURES) if refusal(inquiry, name) is None]
    raise DataError(f'The measure "{measure}" does not apply: {why}.', f"Choose among: {', '.join(others)}.")
