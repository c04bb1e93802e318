"""The optimisers that ``[training] optimiser`` names."""

from __future__ import annotations

from typing import Any

import torch

from kgreg.fit.settings import TrainSettings


def make_optimiser(groups: list[dict[str, Any]], settings: TrainSettings) -> Any:
    """Return the optimiser of some groups of parameters, with the schedule of its learning rate if there is one."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay, "fused": True}
    optimiser: torch.optim.Optimizer
    if settings.optimiser == "sgd":
        optimiser = torch.optim.SGD(groups, momentum=settings.momentum, **common)
    elif settings.optimiser == "adagrad":
        optimiser = torch.optim.Adagrad(groups, eps=settings.epsilon, **common)
    elif settings.optimiser == "rmsprop":
        del common["fused"]  # it has no such kernel
        optimiser = torch.optim.RMSprop(groups, alpha=settings.betas[1], eps=settings.epsilon, **common)
    elif settings.optimiser == "adamw":
        optimiser = torch.optim.AdamW(groups, betas=settings.betas, eps=settings.epsilon, **common)
    else:
        amsgrad = settings.optimiser == "amsgrad"
        optimiser = torch.optim.Adam(groups, betas=settings.betas, eps=settings.epsilon, amsgrad=amsgrad, **common)
    if not settings.decay_every or settings.decay == 1:
        return optimiser
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, settings.decay_every, settings.decay)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
