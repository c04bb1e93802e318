"""From the neurons that are read to the outputs, and from the heads' neurons to the auxiliary outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.architecture import Architecture
from kgreg.nn.hierarchy import Backend, Hierarchy, Node

Link = Literal["softmax", "sigmoid", "identity"]


class Readout(nn.Module):
    """The forms of :class:`Architecture.readout` and ``heads`` (see there), for R networks side by side.

    Parameters
    ----------
    n_read
        Neurons that are read.
    n_covariates, interacting
        Columns of covariates that are read beside them, and those of them that also multiply the neurons, so that what
        a neuron means may differ between two laboratories, say.
    n_heads
        Heads of terms and of branches.
    """

    def __init__(
        self,
        architecture: Architecture,
        n_read: int,
        n_outputs: int,
        n_heads: int,
        networks: int,
        link: Link,
        n_covariates: int = 0,
        interacting: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.kind, self.heads, self.link = architecture.readout, architecture.heads, link
        self.n_heads, self.n_outputs, self.n_read = n_heads, n_outputs, n_read
        self.joined: Hierarchy | None = None
        self._one_of_two = False
        n_last = n_read
        if self.kind == "joined":
            n_last = architecture.joined_width
            n_joined = n_read + n_covariates
            node = Node("joined", n_last, 0, list(range(n_joined)), [], architecture.activation, architecture.norm)
            self.joined = Hierarchy([node], n_joined, networks)
        self._n_last = n_last
        shapes: dict[str, tuple[int, ...] | None] = dict.fromkeys(
            ("weight", "bias", "covariate_weight", "interaction_weight", "gain", "offset", "head_gain", "head_offset")
        )
        if self.kind == "nodes":
            if n_covariates:
                raise FitError(
                    'readout = "nodes" has no place for covariates.', 'Set covariates_at = "genes", or another readout.'
                )
            # Of two classes one node is enough: that of the first is taken as 0.
            self._one_of_two = n_outputs == 2 and n_read == 1 and link == "softmax"
            if n_read != n_outputs and not self._one_of_two:
                raise FitError(
                    f"The network reads out {n_read} nodes, what is to be predicted has {n_outputs} outputs.",
                    "Name an output node for each; of two classes one node is enough.",
                )
        elif self.kind != "heads":
            shapes |= {"weight": (n_outputs, n_last), "bias": (n_outputs,)}
        elif n_covariates:
            raise FitError(
                'readout = "heads" has no place for covariates.', 'Set covariates_at = "genes", or another readout.'
            )
        if n_covariates and self.joined is None:
            shapes |= {"covariate_weight": (n_outputs, n_covariates)}
        self.register_buffer("_interacting", torch.tensor(list(interacting), dtype=torch.int64), persistent=False)
        if len(interacting) and self.joined is None:
            shapes |= {"interaction_weight": (n_outputs, len(interacting) * n_read)}
        if self.heads == "tanh-linear":
            if self.kind in ("head", "joined"):
                shapes |= {"gain": (n_outputs,), "offset": (n_outputs,)}
            shapes |= {"head_gain": (n_heads, n_outputs), "head_offset": (n_heads, n_outputs)}
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else nn.Parameter(torch.empty(networks, *shape)))

    def reset_parameters(self, network: int, scale: float, norm_scale: float) -> None:
        """Draw one network's parameters anew, as those of :class:`torch.nn.Linear`; those of covariates start at 0."""
        with torch.no_grad():
            for name, parameter in self.named_parameters(recurse=False):
                if name in ("covariate_weight", "interaction_weight"):
                    parameter[network] = 0
                    continue
                bound = scale / max(self._n_last, 1) ** 0.5 if name in ("weight", "bias") else scale
                parameter[network] = (torch.rand(parameter.shape[1:]) * 2 - 1) * bound
        if self.joined is not None:
            self.joined.reset_parameters(network, scale, norm_scale)

    def forward(
        self,
        parts: list[Tensor],
        covariates: Tensor | None,
        heads: list[Tensor],
        counts: Tensor | None,
        backend: Backend,
    ) -> tuple[Tensor, Tensor | None]:
        """Return outputs ``[R, B, n_outputs]`` and auxiliary outputs ``[R, n_heads, n_outputs, B]``.

        ``parts`` and ``heads`` hold rows ``[R, n, B]``, as does ``covariates``.
        """
        auxiliary = self._auxiliary(heads) if self.n_heads else None
        if self.kind == "heads":
            assert auxiliary is not None  # the architecture says so
            return average(auxiliary, self.link).transpose(1, 2), auxiliary
        return self._read(parts, covariates, counts, backend), auxiliary

    def outputs(self, parts: list[Tensor], covariates: Tensor | None, heads: list[Tensor], backend: Backend) -> Tensor:
        """Return the outputs alone; ``heads`` are needed where they are what is read, ``parts`` elsewhere."""
        if self.kind == "heads":
            return average(self._auxiliary(heads), self.link).transpose(1, 2)
        return self._read(parts, covariates, None, backend)

    def _auxiliary(self, heads: list[Tensor]) -> Tensor:
        flat = heads[0] if len(heads) == 1 else torch.cat(heads, dim=1)
        auxiliary = flat.reshape(len(flat), self.n_heads, self.n_outputs, flat.shape[2])
        if self.heads == "tanh-linear":
            auxiliary = auxiliary * self.head_gain[..., None] + self.head_offset[..., None]  # type: ignore[index]
        return auxiliary

    def _read(self, parts: list[Tensor], covariates: Tensor | None, counts: Tensor | None, backend: Backend) -> Tensor:
        read = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if self.joined is not None:
            read = read if covariates is None else torch.cat([read, covariates], dim=1)
            read = self.joined(read.transpose(1, 2), counts, None, backend)
        if self.kind == "nodes":
            outputs = torch.cat([torch.zeros_like(read), read], dim=1) if self._one_of_two else read
            return outputs.transpose(1, 2)
        outputs = torch.baddbmm(self.bias[:, :, None], self.weight, read)  # type: ignore[index,arg-type]
        if covariates is not None and self.joined is None:
            outputs = torch.baddbmm(outputs, self.covariate_weight, covariates)  # type: ignore[arg-type]
            if self.interaction_weight is not None:
                chosen = covariates.index_select(1, self._interacting)  # type: ignore[arg-type]
                products = (chosen[:, :, None] * read[:, None]).flatten(1, 2)
                outputs = torch.baddbmm(outputs, self.interaction_weight, products)  # type: ignore[arg-type]
        if self.kind in ("head", "joined") and self.heads != "linear":
            outputs = torch.tanh(outputs)
            if self.heads == "tanh-linear":
                outputs = outputs * self.gain[:, :, None] + self.offset[:, :, None]  # type: ignore[index]
        return outputs.transpose(1, 2)


def average(heads: Tensor, link: Link) -> Tensor:
    """Return outputs ``[R, n_outputs, B]`` whose prediction is the mean of the heads' (``[R, n_heads, ...]``)."""
    if link == "softmax":
        return torch.logsumexp(torch.log_softmax(heads, dim=2), dim=1)
    if link == "sigmoid":
        some, none = nn.functional.logsigmoid(heads), nn.functional.logsigmoid(-heads)
        return torch.logsumexp(some, dim=1) - torch.logsumexp(none, dim=1)
    return heads.mean(dim=1)
