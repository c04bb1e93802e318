"""How much the genes of a term are altered, as further inputs of the term."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kgreg.nn.layout import Layout
from kgreg.nn.sparse import SparsePattern, multiply

#: Burdens are cut off at this many standard deviations: a few samples with thousands of alterations are extreme.
_FAR = 6.0


class Burdens(nn.Module):
    """``scale * standardised(sign(s) log1p |s|)`` of the sum s of a modality over the genes at or below a term.

    Parameters
    ----------
    layout
        Which features each burden sums.
    n_features, networks, scale
        Features of the blueprint, R, the factor.

    Shapes
    ------
    input ``[R, B, n_features]``, output ``[R, B, n_burdens]``. ``mean`` and ``sd`` are ``[R, n_burdens]``; see
    :meth:`standardise`.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, layout: Layout, n_features: int, networks: int, scale: float) -> None:
        super().__init__()
        self.pattern = SparsePattern(*layout.burdens, layout.n_burdens, n_features)
        self.scale = scale
        self.register_buffer("mean", torch.zeros(networks, layout.n_burdens))
        self.register_buffer("sd", torch.ones(networks, layout.n_burdens))

    def forward(self, x: Tensor) -> Tensor:
        """Return the burdens of samples."""
        standard = (self._raw(x) - self.mean[:, None]) / self.sd[:, None]
        return self.scale * standard.clamp(-_FAR, _FAR)

    def standardise(self, network: int, x: Tensor) -> None:
        """Take mean and standard deviation of one network's burdens from its training samples ``[n, n_features]``."""
        with torch.no_grad():
            raw = self._raw(x[None])[0]
            self.mean[network] = raw.mean(dim=0)
            sd = raw.std(dim=0, correction=0)
            self.sd[network] = torch.where(sd > 0, sd, torch.ones_like(sd))

    def _raw(self, x: Tensor) -> Tensor:
        ones = x.new_ones(len(x), self.pattern.n_edges)
        total = multiply(self.pattern, ones, x.transpose(1, 2)).transpose(1, 2)
        return total.sign() * total.abs().log1p()
