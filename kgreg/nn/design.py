"""The options of a kind of network, checked when they are read; what a new kind must bring along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from kgreg.blueprint.model import Blueprint
from kgreg.nn.guided import GuidedNetwork
from kgreg.nn.readout import Link


class Design(BaseModel):
    """The options of one kind of guided network: the keys of ``[network]`` for its ``model``.

    A subclass has a field ``model: Literal["name"] = "name"``, and one field an option, with its default and its
    limits. It is listed in :mod:`kgreg.nn.designs`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> GuidedNetwork:
        """Return the network of a blueprint, with its parameters drawn from torch's generator.

        Parameters
        ----------
        n_outputs
            Classes, labels or regression targets.
        covariates
            Names of the columns of covariates: ``age``, or ``batch=first``, ``batch=second`` for the categories of one.
        link
            How outputs become predictions: "softmax", "sigmoid" or "identity".

        Raises
        ------
        FitError
            If the blueprint lacks what the network needs.
        """
        raise NotImplementedError

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """Return about how many parameters the network has, and how many activations a sample has in training."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, ``model`` among them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Return the design that :meth:`to_dict` wrote."""
        return cls.model_validate(record)
