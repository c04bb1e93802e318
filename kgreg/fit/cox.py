"""Linear Cox regression with a ridge penalty."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from kgreg.fit.losses import Ties, cox


def fit_cox(
    x: NDArray[np.float32], target: NDArray[np.float32], penalty: float, ties: Ties = "efron"
) -> NDArray[np.float64]:
    """Return the coefficients ``[n_features]`` that minimise ``cox loss + penalty / 2 * |coefficients|^2``.

    Parameters
    ----------
    x
        ``[n, n_features]``, scaled.
    target
        ``[n, 2]`` time and event. The loss is the mean over events (see :func:`kgreg.fit.losses.cox`).
    penalty
        Positive, so that there is one minimum even with more features than samples.
    """
    inputs = torch.from_numpy(x).double()
    truth = torch.from_numpy(target).double()

    def objective(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        beta = torch.from_numpy(coefficients).requires_grad_(True)
        value = cox((inputs @ beta)[None], truth, ties) + penalty / 2 * beta.square().sum()
        (gradient,) = torch.autograd.grad(value, beta)
        return float(value.detach()), gradient.numpy()

    start = np.zeros(x.shape[1])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-6})
    result: NDArray[np.float64] = found.x
    return result
