"""Where every neuron and every weight of a hierarchy lies, as flat integer arrays that any executor can follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import FitError

Index = NDArray[np.int64]

Activation = Literal["tanh", "relu", "sigmoid", "identity"]
Norm = Literal["none", "before", "after"]

#: Codes that the kernels branch on.
ACTIVATIONS: dict[Activation, int] = {"tanh": 0, "relu": 1, "sigmoid": 2, "identity": 3}
NORMS: dict[Norm, int] = {"none": 0, "before": 1, "after": 2}


@dataclass(frozen=True)
class Node:
    """One node to compute: ``width`` neurons that all read the same inputs and the same nodes.

    Attributes
    ----------
    inputs
        Columns of the input tensor.
    children
        Positions of nodes that stand before it, in lower levels.
    activation, norm
        ``norm`` "before" or "after" the activation, or "none" (batch normalisation over the samples).
    edge_dropout
        Probability with which each value that the node reads is 0 for a sample in training, drawn for this node alone.
    pre_dropout, dropout
        The same for its own neurons, before and after the activation.
    """

    id: str
    width: int
    level: int
    inputs: Sequence[int] | Index
    children: Sequence[int] | Index
    activation: Activation = "tanh"
    norm: Norm = "none"
    edge_dropout: float = 0.0
    pre_dropout: float = 0.0
    dropout: float = 0.0


class Program(NamedTuple):
    """A hierarchy in flat arrays; T nodes, N neurons, L levels, I inputs.

    A node's weights are two dense blocks, one over its inputs and one over the neurons of its children, each stored
    row by row (a row a neuron of the node). ``*_ptr`` arrays are ``[T + 1]`` (``[L + 1]`` for ``level``,
    ``[I + 1]`` for ``column_ptr``).

    Attributes
    ----------
    level
        First node of every level. Nodes of one level of the blueprint that differ in activation, normalisation or
        dropout form levels of their own here, so that a level is computed alike.
    start, width, activation, norm, norm_start
        Of every node: first neuron, neurons, codes, first of its neurons among those that are normalised.
    edge_dropout, pre_dropout, dropout
        See :class:`Node`.
    input_ptr, input_column, input_offset
        The inputs a node reads, and where its block of input weights begins.
    source_ptr, source, link_offset, fan
        The neurons a node reads (those of its children), where its block of link weights begins, its columns.
    reader_ptr, reader, reader_weight
        The same links by child, for the way back: the neurons that read it, and which weight of theirs the child's
        first neuron has (its k-th has the k-th after that).
    parent_ptr, parent, parent_position
        The same, a node at a time: the nodes that read a node, and the first column it has in their blocks.
    column_ptr, column_node, column_position
        The input links by input column.
    key
        First of the numbers by which the values that a node reads are told apart when they are dropped.
    """

    level: Index
    start: Index
    width: Index
    activation: Index
    norm: Index
    norm_start: Index
    edge_dropout: NDArray[np.float64]
    pre_dropout: NDArray[np.float64]
    dropout: NDArray[np.float64]
    input_ptr: Index
    input_column: Index
    input_offset: Index
    source_ptr: Index
    source: Index
    link_offset: Index
    fan: Index
    reader_ptr: Index
    reader: Index
    reader_weight: Index
    parent_ptr: Index
    parent: Index
    parent_position: Index
    column_ptr: Index
    column_node: Index
    column_position: Index
    key: Index

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.start)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.width.sum())

    @property
    def n_normed(self) -> int:
        """Number of neurons that are normalised."""
        return int(self.width[self.norm > 0].sum())

    @property
    def n_inputs(self) -> int:
        """Number of input columns."""
        return len(self.column_ptr) - 1

    @property
    def n_input_weights(self) -> int:
        """Number of weights between inputs and neurons."""
        return int(self.input_offset[-1])

    @property
    def n_link_weights(self) -> int:
        """Number of weights between neurons."""
        return int(self.link_offset[-1])

    def fan_in(self) -> Index:
        """Return how many values every neuron reads, ``[N]``."""
        fan: Index = np.repeat(self.fan + np.diff(self.input_ptr), self.width)
        return fan


def make_program(nodes: Sequence[Node], n_inputs: int) -> Program:
    """Lay out nodes that are ordered by level.

    Raises
    ------
    FitError
        If nodes are not ordered by level, or one reads a node that does not stand below it, or a column that is not
        there.
    """
    levels = np.array([node.level for node in nodes], dtype=np.int64)
    if len(levels) and (np.diff(levels) < 0).any():
        raise FitError("The nodes of a network are not ordered by level.")
    alike = [(n.level, n.activation, n.norm, n.edge_dropout, n.pre_dropout, n.dropout) for n in nodes]
    first = [i for i, kind in enumerate(alike) if i == 0 or kind != alike[i - 1]]
    width = np.array([node.width for node in nodes], dtype=np.int64)
    inputs = [np.asarray(node.inputs, dtype=np.int64) for node in nodes]
    children = [np.asarray(node.children, dtype=np.int64) for node in nodes]
    for node, reads, columns in zip(nodes, children, inputs, strict=True):
        if node.norm == "after" and node.pre_dropout:
            raise FitError(f"{node.id} is normalised after its activation: it has no dropout in between.")
        if (levels[reads] >= node.level).any():
            raise FitError(f"{node.id} reads a node that does not stand below it.")
        if len(columns) and (columns.min() < 0 or columns.max() >= n_inputs):
            raise FitError(f"{node.id} reads an input that is not among the {n_inputs}.")
    input_ptr, link_ptr = _pointer([len(c) for c in inputs]), _pointer([len(c) for c in children])
    input_column, link_child = _join(inputs), _join(children)
    parent = np.repeat(np.arange(len(nodes)), np.diff(link_ptr))
    child_width = width[link_child]
    before = np.cumsum(child_width) - child_width
    position = before - before[link_ptr[parent]] if len(parent) else before
    fan = np.bincount(parent, weights=child_width, minlength=len(nodes)).astype(np.int64)
    start = np.cumsum(width) - width
    link_offset = _pointer(width * fan)
    by_child = np.lexsort((parent, link_child))
    above, below, at = parent[by_child], link_child[by_child], position[by_child]
    link, row, _ = spans(np.zeros(len(above), dtype=np.int64), width[above])
    reader = np.repeat(np.arange(len(nodes)), np.diff(input_ptr))
    place = np.arange(len(reader)) - input_ptr[reader]
    by_column = np.lexsort((reader, input_column))
    norm = np.array([NORMS[node.norm] for node in nodes], dtype=np.int64)
    normed = np.where(norm > 0, width, 0)
    return Program(
        level=np.array([*first, len(nodes)], dtype=np.int64),
        start=start,
        width=width,
        activation=np.array([ACTIVATIONS[node.activation] for node in nodes], dtype=np.int64),
        norm=norm,
        norm_start=np.cumsum(normed) - normed,
        edge_dropout=np.array([node.edge_dropout for node in nodes], dtype=float),
        pre_dropout=np.array([node.pre_dropout for node in nodes], dtype=float),
        dropout=np.array([node.dropout for node in nodes], dtype=float),
        input_ptr=input_ptr,
        input_column=input_column,
        input_offset=_pointer(width * np.diff(input_ptr)),
        source_ptr=_pointer(fan),
        source=spans(start[link_child], child_width)[1],
        link_offset=link_offset,
        fan=fan,
        reader_ptr=_pointer(np.bincount(below, weights=width[above], minlength=len(nodes)).astype(np.int64)),
        reader=start[above][link] + row,
        reader_weight=link_offset[above][link] + row * fan[above][link] + at[link],
        parent_ptr=_pointer(np.bincount(below, minlength=len(nodes))),
        parent=above,
        parent_position=at,
        column_ptr=_pointer(np.bincount(input_column, minlength=n_inputs)),
        column_node=reader[by_column],
        column_position=place[by_column],
        key=_pointer(fan + np.diff(input_ptr)),
    )


def spans(first: Index, count: Index) -> tuple[Index, Index, Index]:
    """Return ``first[i], ..., first[i] + count[i] - 1`` for every i in one array, as (i, value, offset)."""
    span = np.repeat(np.arange(len(count)), count)
    offset = np.arange(len(span)) - np.repeat(np.cumsum(count) - count, count)
    return span, first[span] + offset, offset


def _pointer(counts: Sequence[int] | Index) -> Index:
    """Return ``[0, c_0, c_0 + c_1, ...]``."""
    pointer = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=pointer[1:])
    return pointer


def _join(parts: list[Index]) -> Index:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
