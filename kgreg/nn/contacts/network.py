"""Gated graph convolutions over the windows of a chromosome (ChromeGCN, Lanchantin & Qi 2020)."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from kgreg.nn.contacts.classifier import WindowClassifier
from kgreg.nn.graphs.genes import Propagation

#: Gain of the weights of a convolution at the start (Xavier, normal).
GAIN = 0.02


def mean_with_itself(adjacency: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return ``D^-1 (A + I)``: the weighted mean over a window and its partners; every row sums to 1.

    Weights are first divided by their mean, at which a window counts itself.
    """
    scale = float(adjacency.data.mean()) if adjacency.nnz else 1.0
    matrix = (adjacency / scale + sparse.identity(adjacency.shape[0], format="csr")).tocsr()
    return sparse.csr_matrix(sparse.diags(1.0 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix)


class GatedGraphConvolution(nn.Module):
    """``z = tanh(M x W + b)``, ``g = sigmoid(z u + c)``, ``x <- (1 - g) x + g z``, with one gate a window.

    ``M = D^-1 (A + I)`` is given with the windows: it is another one for every chromosome.

    Parameters
    ----------
    n_features
        Of a window, before and after.
    gain
        Of the Xavier-normal start of ``W``; ``b`` starts at 0, ``u`` and ``c`` as those of :class:`torch.nn.Linear`.
    """

    def __init__(self, n_features: int, gain: float = GAIN) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_features, n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.gate = nn.Linear(n_features, 1)
        nn.init.xavier_normal_(self.weight, gain)

    def forward(self, x: Tensor, mean: Propagation) -> tuple[Tensor, Tensor]:
        """Map ``x [windows, strands, n_features]``; return it and the gates ``[windows, strands]``."""
        z = torch.tanh(mean(x @ self.weight) + self.bias)
        gate = torch.sigmoid(self.gate(z))
        return (1 - gate) * x + gate * z, gate.squeeze(-1)


class ContactNetwork(nn.Module):
    """Labels of windows from their features and those of their partners.

    Gated graph convolutions with dropout between them, then ReLU, batch normalisation, dropout and a linear map, which
    begin as those of a trained window classifier. Strands go through the network each by itself; their logits are
    averaged.

    It begins as the classifier: ``W`` is small, so that ``z`` is near 0 and every window is multiplied by the same
    ``1 - g``. Batch normalisation does not see that factor where it takes the statistics of the batch; the running ones
    are multiplied by it too, so that the same holds in evaluation mode. The published code starts these at 0 and 1.

    Parameters
    ----------
    classifier
        Whose weights are copied.
    layers
        Graph convolutions: 2 in the paper.
    dropout
        In training: 0.2 in the paper.
    """

    def __init__(self, classifier: WindowClassifier, layers: int = 2, dropout: float = 0.2, gain: float = GAIN) -> None:
        super().__init__()
        n_features, n_labels = classifier.out.in_features, classifier.out.out_features
        self.convolutions = nn.ModuleList(GatedGraphConvolution(n_features, gain) for _ in range(layers))
        self.last = WindowClassifier(n_features, n_labels)
        self.last.load_state_dict(classifier.state_dict())
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            norm = self.last.norm
            assert norm.running_mean is not None
            assert norm.running_var is not None
            for layer in self.convolutions:
                assert isinstance(layer, GatedGraphConvolution)
                left = 1 - torch.sigmoid(layer.gate.bias)
                norm.running_mean *= left
                norm.running_var *= left**2

    def forward(self, features: Tensor, mean: Propagation) -> Tensor:
        """Return logits ``[windows, n_labels]`` of ``features [windows, strands, n_features]``."""
        return self.trace(features, mean)[0]

    def trace(self, features: Tensor, mean: Propagation) -> tuple[Tensor, list[Tensor]]:
        """Return logits, and the gates of every layer, ``[windows]`` each, mean over the strands.

        A gate near 1 says that the window is described by its partners, near 0 by itself.
        """
        x, gates = features, []
        for number, layer in enumerate(self.convolutions):
            x, gate = layer(self.dropout(x) if number else x, mean)
            gates.append(gate.mean(dim=1))
        # A strand is a batch of its own to the normalisation.
        logits = [self.last.out(self.dropout(self.last.norm(strand.relu()))) for strand in x.unbind(dim=1)]
        return torch.stack(logits).mean(dim=0), gates


def propagation_of(adjacency: sparse.csr_matrix) -> Propagation:
    """Return the module that takes the mean over every window and its partners."""
    return Propagation(mean_with_itself(adjacency))
