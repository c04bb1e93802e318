"""A hierarchy with its parameters, and the choice of what executes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.hierarchy.derivatives import Kept
from kgreg.nn.hierarchy.fused import Parameters, Pass, Take, run_fused
from kgreg.nn.hierarchy.inputs import SparseRows
from kgreg.nn.hierarchy.knockouts import Sweep, sweep
from kgreg.nn.hierarchy.layers import Change, Level, run_layers
from kgreg.nn.hierarchy.program import Index, Node, make_program

#: "fused": one kernel for the whole pass (CPU). The others go level by level: "csr" (CPU), "triton" (CUDA), "reference"
#: (dense matrices). "auto": "fused" on the CPU, "triton" on CUDA.
Backend = Literal["auto", "fused", "csr", "triton", "reference"]

#: How weights and biases are drawn.
Initial = Literal["uniform", "normal"]


class Hierarchy(nn.Module):
    """Nodes that read inputs and the nodes below them; R networks of one shape side by side.

    Every node computes ``W [inputs it reads; neurons of its children] + b``, then batch normalisation and activation in
    the order that it asks for. Parameters exist only for what is read.

    Parameters
    ----------
    nodes
        Ordered by level.
    n_inputs
        Columns of the input.
    networks
        R; each has weights and batch statistics of its own.
    momentum, epsilon
        Of the batch normalisation.

    Shapes
    ------
    input ``[R, B, n_inputs]``, output ``[R, n_neurons, B]``. ``input_weight [R, n]`` and ``link_weight [R, n]`` hold
    the weights node by node, a node's as a block with a row a neuron (see :meth:`block`); ``bias [R, n_neurons]``.
    """

    running: Tensor

    def __init__(
        self, nodes: Sequence[Node], n_inputs: int, networks: int = 1, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.program = make_program(nodes, n_inputs)
        self.networks, self.momentum, self.epsilon = networks, momentum, epsilon
        self.position = {node.id: i for i, node in enumerate(nodes)}
        self.input_weight = nn.Parameter(torch.empty(networks, self.program.n_input_weights))
        self.link_weight = nn.Parameter(torch.empty(networks, self.program.n_link_weights))
        self.bias = nn.Parameter(torch.empty(networks, self.program.n_neurons))
        self.scale = nn.Parameter(torch.ones(networks, self.program.n_normed))
        self.shift = nn.Parameter(torch.zeros(networks, self.program.n_normed))
        running = torch.stack(
            [torch.zeros(networks, self.program.n_normed), torch.ones(networks, self.program.n_normed)]
        )
        self.register_buffer("running", running)
        self._levels: nn.ModuleList | None = None
        bound = 1.0 / np.sqrt(np.maximum(self.program.fan_in(), 1.0))
        self._bounds = [torch.from_numpy(bound[rows]) for rows in (self._rows(False), self._rows(True))]
        self._bounds.append(torch.from_numpy(bound))
        for r in range(networks):
            self.reset_parameters(r)

    def _rows(self, links: bool) -> NDArray[np.int64]:
        """Return the neuron that every weight belongs to."""
        program = self.program
        columns = program.fan if links else np.diff(program.input_ptr)
        rows: NDArray[np.int64] = np.repeat(np.arange(program.n_neurons), np.repeat(columns, program.width))
        return rows

    def reset_parameters(
        self, network: int, scale: float = 1.0, norm_scale: float = 1.0, initial: Initial = "uniform"
    ) -> None:
        """Draw weights and biases of one network anew (torch's generator).

        "uniform" in ``+-scale / sqrt(fan in)``, or "normal" with mean 0 and standard deviation ``scale``.
        Normalisations start with ``norm_scale``, a shift of 0 and without statistics.
        """
        with torch.no_grad():
            for parameter, bound in zip((self.input_weight, self.link_weight, self.bias), self._bounds, strict=True):
                if initial == "normal":
                    drawn = torch.randn(parameter.shape[1])
                else:
                    drawn = torch.rand(parameter.shape[1]) * 2 - 1
                    drawn = drawn * bound.to(drawn.dtype)
                parameter[network] = (drawn * scale).to(parameter)
            self.scale[network], self.shift[network] = norm_scale, 0.0
            self.running[0, network], self.running[1, network] = 0.0, 1.0

    def forward(
        self,
        x: Tensor | SparseRows,
        counts: Tensor | None = None,
        seeds: NDArray[np.int64] | None = None,
        backend: Backend = "auto",
        parameters: Parameters | None = None,
    ) -> Tensor:
        """Return the activations of all neurons.

        Parameters
        ----------
        x
            ``[R, B, n_inputs]``.
        counts
            ``[R, B]``: how often each sample stands in the batch; batch statistics weigh by it. Default: once.
        seeds
            ``[R]`` positive seeds of the dropout in training. Default: none is dropped.
        parameters
            Other values than the module's own.
        """
        return self.take(x, (), counts, seeds, backend, parameters)[0]

    def take(
        self,
        x: Tensor | SparseRows,
        rows: Take,
        counts: Tensor | None = None,
        seeds: NDArray[np.int64] | None = None,
        backend: Backend = "auto",
        parameters: Parameters | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the activations of all neurons, then those of each of ``rows`` (neurons without repeats) once more.

        To read a few rows this way is cheaper, backward, than to cut them from the whole.
        """
        parameters = parameters or self.parameters_of()
        device, dtype = self.bias.device, self.bias.dtype
        step = self._step(x.shape, counts, seeds)
        backend = choose(backend, device)
        if isinstance(x, Tensor):
            x = x.to(dtype)
        if backend != "fused":
            x = x.dense(dtype, device) if isinstance(x, SparseRows) else x
            hidden = torch.cat(self._run_layers(x, parameters, step, backend), dim=1)
            return (hidden, *(hidden[:, index] for index in rows))
        with torch.autocast("cpu", enabled=False):  # the kernels compute in the precision of the parameters
            return run_fused(self.program, x, parameters, step, self._twin, rows)

    def knockouts(
        self,
        x: Tensor | SparseRows,
        columns: Sequence[Sequence[int] | Index],
        values: Tensor | float = 0.0,
        factors: Tensor | float = 0.0,
        among: NDArray[np.bool_] | None = None,
        backend: Backend = "auto",
        parameters: Parameters | None = None,
    ) -> Sweep:
        """Compute what changes when inputs are set to other values, many times over, in evaluation mode.

        On the CPU ("fused") only the nodes that read what changes are computed again, and only in samples where an
        input does change; elsewhere every knockout is a pass of its own.

        Parameters
        ----------
        columns
            For each knockout, columns of ``x [R, B, n_inputs]``.
        values
            What they are set to: one number, ``[n_inputs]`` or ``[R, n_inputs]``.
        factors
            As ``values``: a column x becomes ``factors * x + values``, so that 0 sets it and 0.5 halves what is there.
        among
            ``[T]``: nodes to compute. What reads a node that is left out must be left out too. Default: all.

        Returns
        -------
        Sweep
            Its blocks are computed as they are asked for.

        Raises
        ------
        FitError
            In training, or if a column is not there.
        """
        if among is None:
            among = np.ones(self.program.n_nodes, dtype=np.bool_)
        backend = choose(backend, self.bias.device)
        return sweep(self, x, columns, values, factors, among, parameters or self.parameters_of(), backend)

    def levels_of(
        self,
        x: Tensor,
        backend: Backend = "auto",
        parameters: Parameters | None = None,
        change: Change | None = None,
    ) -> list[Tensor]:
        """Return the activations level by level, each ``[R, rows, B]``, so that autograd sees what reads which.

        ``change`` may put others in their place, which the levels above then read.
        """
        backend = choose(backend, x.device)
        if backend == "fused":
            backend = "csr"
        step = self._step(x.shape, None, None)
        return self._run_layers(x, parameters or self.parameters_of(), step, backend, change)

    def keep(self, x: Tensor, parameters: Parameters | None = None) -> Kept:
        """Compute ``x [R, B, n_inputs]`` by the kernel (CPU) in evaluation mode, for derivatives by every neuron."""
        return Kept.of(self.program, x, parameters or self.parameters_of(), self._step(x.shape, None, None))

    def parameters_of(self) -> Parameters:
        """Return the module's own parameters."""
        return Parameters(self.input_weight, self.link_weight, self.bias, self.scale, self.shift)

    def _step(
        self, shape: torch.Size | tuple[int, ...], counts: Tensor | None, seeds: NDArray[np.int64] | None
    ) -> Pass:
        if counts is None:
            counts = self.bias.new_ones(shape[:2])
        counts = counts.to(self.bias.dtype)
        if seeds is None or not self.training:
            seeds = np.zeros(self.networks, dtype=np.int64)
        return Pass(counts, self.running, self.training, self.momentum, self.epsilon, seeds)

    def _twin(self, x: Tensor, parameters: Parameters, step: Pass) -> Tensor:
        return torch.cat(self._run_layers(x, parameters, step, "csr"), dim=1)

    def _run_layers(
        self, x: Tensor, parameters: Parameters, step: Pass, backend: str, change: Change | None = None
    ) -> list[Tensor]:
        if self._levels is None:
            # Made when first needed: the kernel does without.
            self._levels = nn.ModuleList(Level(self.program, i) for i in range(len(self.program.level) - 1))
        self._levels.to(x.device)
        return run_layers(self._levels, x, parameters, step, backend, change)

    def rows(self, node: str) -> slice:
        """Return the neurons of a node."""
        t = self.position[node]
        return slice(int(self.program.start[t]), int(self.program.start[t] + self.program.width[t]))

    def block(self, weight: Tensor, node: str, links: bool) -> Tensor:
        """Return a node's part of ``weight [R, n]`` as ``[R, width, columns]``: over its inputs or its children."""
        program, t = self.program, self.position[node]
        offset = program.link_offset if links else program.input_offset
        columns = program.fan[t] if links else program.input_ptr[t + 1] - program.input_ptr[t]
        part = weight[:, int(offset[t]) : int(offset[t + 1])]
        return part.view(len(weight), int(program.width[t]), int(columns))

    def extra_repr(self) -> str:
        """Say the size."""
        p = self.program
        return f"{p.n_inputs} inputs -> {p.n_neurons} neurons in {p.n_nodes} nodes, {len(p.level) - 1} levels"


def choose(backend: Backend, device: Any) -> Backend:
    """Return the backend that "auto" stands for on a device.

    Raises
    ------
    FitError
        If a named backend does not run there.
    """
    on_cpu = torch.device(device).type == "cpu"
    if backend == "auto":
        return "fused" if on_cpu else "triton"
    if backend == "fused" and not on_cpu:
        raise FitError("The fused kernels run on the CPU only.", 'Choose backend = "auto".')
    return backend
