"""A dense encoder to a normal distribution for every latent variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from kgreg.nn.dense import dense_layers

Norm = Literal["batch", "layer", "none"]

_NORMS: dict[Norm, Callable[[int], nn.Module] | None] = {
    "batch": nn.BatchNorm1d,
    "layer": partial(nn.LayerNorm, elementwise_affine=False),
    "none": None,
}


def perceptron(n_inputs: int, widths: Sequence[int], norm: Norm = "none", dropout: float = 0.0) -> nn.Sequential:
    """Return layers of ``widths`` neurons: linear, normalisation, ReLU, dropout.

    Layer normalisation has no scale and shift of its own, as in the published code of expiMap.
    """
    return dense_layers(n_inputs, widths, dropout=dropout, norm=_NORMS[norm])


class GaussianEncoder(nn.Module):
    """Encode samples as means and logarithms of variances.

    Parameters
    ----------
    hidden
        Widths of the hidden layers.
    latent_dropout
        Share of the means and of the logarithms of variances that is set to 0 in training.
    variational
        Without, there are means only.

    Shapes
    ------
    input ``[batch, n_inputs]``, outputs ``[batch, n_latent]``.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_latent: int,
        norm: Norm,
        dropout: float,
        latent_dropout: float,
        variational: bool = True,
    ) -> None:
        super().__init__()
        self.layers = perceptron(n_inputs, hidden, norm, dropout)
        last = [n_inputs, *hidden][-1]
        self.mean = nn.Linear(last, n_latent)
        self.log_variance = nn.Linear(last, n_latent) if variational else None
        self.dropout = nn.Dropout(latent_dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return means and logarithms of variances (None if there are none)."""
        hidden = self.layers(x)
        mean = self.dropout(self.mean(hidden))
        return mean, None if self.log_variance is None else self.dropout(self.log_variance(hidden))

    def draw(self, mean: Tensor, log_variance: Tensor | None) -> Tensor:
        """Return a draw in training, the means in evaluation."""
        if log_variance is None or not self.training:
            return mean
        return mean + torch.randn_like(mean) * torch.exp(log_variance / 2)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from the standard normal distribution, ``[batch]``."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
