"""The genes of a network by the names that people use, and what became of those it does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.data.matching import Matching
from kgreg.errors import DataError

_NEAREST = 3  # names that are offered instead of one that nobody knows
_LIKE = 0.6  # the least likeness of a name that is offered, as difflib measures it

_NO_PLACE = "the network has no place for it: no subsystem that was kept is annotated with it"
_OUTCOMES = {
    "symbol": _NO_PLACE,
    "alias": _NO_PLACE,
    "constant": "its values are constant",
    "repeated": "another feature is the same gene",
    "ambiguous": "its name is ambiguous",
    "unknown": "no gene of the knowledge has this name",
    "unmapped": "it is of no gene",
}


@dataclass(frozen=True)
class InputGenes:
    """The genes that a network reads.

    Attributes
    ----------
    nodes, labels, features
        Of every gene its node id, its present symbol and the name of its first feature in the data; G of each.
    positions
        Of every gene the inputs that are it, as positions in ``blueprint.inputs``.
    """

    nodes: list[str]
    labels: list[str]
    features: list[str]
    positions: list[NDArray[np.int64]]
    _place: Mapping[str, int]
    _elsewhere: Mapping[str, str]

    @classmethod
    def of(
        cls, blueprint: Blueprint, matching: Matching | None = None, modalities: Sequence[str] | None = None
    ) -> InputGenes:
        """Return the genes of a blueprint.

        Parameters
        ----------
        matching
            What became of the features, for names that are aliases and to say why a gene is not there.
        modalities
            Only these inputs of a gene; genes that have none of them are left out. Default: all inputs.

        Raises
        ------
        DataError
            If no input is of one of the modalities.
        """
        inputs = blueprint.inputs.reset_index(drop=True)
        if modalities is not None:
            there = list(dict.fromkeys(inputs["modality"]))
            foreign = [name for name in modalities if name not in there]
            if foreign:
                known = ", ".join(name for name in there if name) or "none with a name"
                raise DataError(f"The network reads no modality {', '.join(foreign)}.", f"It reads: {known}.")
            inputs = inputs[inputs["modality"].isin(list(modalities))]
        rows = inputs.groupby("node", sort=False).groups
        nodes = [str(node) for node in rows]
        label = blueprint.nodes.set_index("id")["label"]
        labels = [str(label[node]) for node in nodes]
        number = {node: g for g, node in enumerate(nodes)}
        of_feature = {str(f): number[n] for f, n in zip(inputs["feature"], inputs["node"], strict=True)}
        place = {**number, **dict(zip(labels, range(len(nodes)), strict=True)), **of_feature}
        elsewhere: dict[str, str] = {}
        for row in blueprint.dropped.to_dict("records"):
            said = f"{row['reason']} ({row['step']})"
            elsewhere |= {str(name): f"left out of the network: {said}" for name in (row["id"], row["label"])}
        if matching is not None:
            elsewhere = _became(matching, place) | elsewhere
        features = inputs.groupby("node", sort=False)["feature"].first()
        positions = [np.asarray(rows[node], dtype=np.int64) for node in rows]
        return cls(nodes, labels, [str(f) for f in features], positions, place, elsewhere)

    def __len__(self) -> int:
        return len(self.nodes)

    def find(self, names: Sequence[str]) -> list[int]:
        """Return the numbers of genes named by symbol, by feature of the data or by node id, each once.

        Raises
        ------
        DataError
            If there are no names, or a gene is not an input of the network; the message says what became of it, or
            offers the nearest names.
        """
        if not len(names):
            raise DataError("A knockout names no gene.", "List at least one gene.")
        missing = list(dict.fromkeys(name for name in names if name not in self._place))
        if missing:
            hints = [self._about(name) for name in missing[:5]]
            raise DataError(
                f"Not inputs of the network: {', '.join(missing)}.",
                " ".join([*hints, f"The network reads {len(self)} genes (`inputs.parquet` of the blueprint)."]),
            )
        return list(dict.fromkeys(self._place[name] for name in names))

    def find_each(self, knockouts: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
        """Return the numbers of the genes of every knockout; genes that are not there are all named at once.

        Raises
        ------
        DataError
            As :meth:`find`.
        """
        if all(len(names) for names in knockouts.values()):
            self.find([name for names in knockouts.values() for name in names])
        return {knockout: self.find(names) for knockout, names in knockouts.items()}

    def inputs_of(self, genes: Sequence[int]) -> NDArray[np.int64]:
        """Return the positions of the inputs of genes, together."""
        return np.concatenate([self.positions[g] for g in genes])

    def _about(self, name: str) -> str:
        if name in self._elsewhere:
            return f"{name} is {self._elsewhere[name]}."
        near = nearest(name, [*self._elsewhere, *self._place])
        if not near:
            return f"{name}: neither the data nor the network have a name like it."
        return f"{name}: did you mean {' or '.join(near)}?"


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that are like a name, whatever their case."""
    by_case = {one.casefold(): one for one in known}
    return [by_case[one] for one in difflib.get_close_matches(name.casefold(), by_case, _NEAREST, _LIKE)]


def _became(matching: Matching, place: Mapping[str, int]) -> dict[str, str]:
    """Return name -> what became of it, of features that are no input of the network."""
    found: dict[str, str] = {}
    for row in matching.table.to_dict("records"):
        note = row["note"] if isinstance(row["note"], str) else ""
        said = f"in the data, but {_OUTCOMES.get(row['outcome'], row['outcome'])}" + (f" ({note})" if note else "")
        found |= {str(name): said for name in (row["feature"], row["label"]) if name and name not in place}
    return found
