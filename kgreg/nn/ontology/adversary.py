"""Classifiers that try to tell covariates from the latent variables, and an encoder that learns to defeat them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kgreg.nn.ontology.latent import perceptron


class _Reverse(torch.autograd.Function):
    """Return the input; multiply its gradient by ``-weight``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grads[0], None


def categories(names: Sequence[str]) -> list[list[int]]:
    """Return the columns of every categorical covariate among columns such as ``batch=first``; numbers have none."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if "=" in name:
            found.setdefault(name.split("=", 1)[0], []).append(i)
    return [columns for columns in found.values() if len(columns) > 1]


class Adversary(nn.Module):
    """One classifier a categorical covariate, on latent variables ``[batch, n_latent]`` (Lotfollahi et al. 2023).

    All is done in one step: the gradient of the classifiers' cross-entropy reaches them as it is, and the encoder with
    the factor ``-weight``. With one update of the classifiers for each of the encoder, as in the published code of
    COBRA, these are the gradients of the alternating scheme. A penalty on the squared derivatives of the logits by the
    latent variables holds for the classifiers alone.

    Parameters
    ----------
    columns
        Of every categorical covariate, from :func:`categories`.
    hidden, dropout
        Of the classifiers.
    """

    def __init__(self, n_latent: int, columns: list[list[int]], hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.columns = columns
        self.classifiers = nn.ModuleList(
            nn.Sequential(perceptron(n_latent, hidden, dropout=dropout), nn.Linear([n_latent, *hidden][-1], len(group)))
            for group in columns
        )

    def loss(self, latent: Tensor, covariates: Tensor, weight: float, penalty: float) -> Tensor:
        """Return the sum over covariates of cross-entropy and gradient penalty.

        Samples of a category that training has not seen (zeros in all columns) do not count.
        """
        total = latent.new_zeros(())
        apart = latent.detach().requires_grad_()
        for columns, classifier in zip(self.columns, self.classifiers, strict=True):
            one_hot = covariates[:, columns]
            known = one_hot.sum(dim=1) > 0
            if known.any():
                logits = classifier(_Reverse.apply(latent, weight))  # type: ignore[no-untyped-call]
                total = total + nn.functional.cross_entropy(logits[known], one_hot[known].argmax(dim=1))
            if penalty:
                (slope,) = torch.autograd.grad(classifier(apart).sum(), apart, create_graph=True)
                total = total + penalty * slope.square().mean()
        return total
