"""From the features of a window to its labels."""

from __future__ import annotations

from torch import Tensor, nn


class WindowClassifier(nn.Module):
    """ReLU, batch normalisation, one linear map: the last layers of a window network (Lanchantin & Qi 2020).

    Shapes
    ------
    ``[windows, n_features]`` to logits ``[windows, n_labels]``.
    """

    def __init__(self, n_features: int, n_labels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_features)
        self.out = nn.Linear(n_features, n_labels)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.out(self.norm(features.relu()))
        return logits
