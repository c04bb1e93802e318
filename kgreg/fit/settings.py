"""How a network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from kgreg.data.scaling import Scale
from kgreg.nn.visible import Order


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one fit.

    Attributes
    ----------
    learning_rate, weight_decay
        Of AdamW.
    batch_size, max_epochs, patience
        Training stops after ``patience`` epochs without a lower loss on the stopping part; the best epoch is kept.
    auxiliary
        Weight of the mean loss of the terms' own heads (0: no heads).
    order, dropout
        See :class:`kgreg.nn.VisibleNetwork`.
    scale
        Of the inputs, see :meth:`kgreg.data.Scaler.fit`; holds for the linear baseline too.
    class_weight
        "balanced": every class counts the same in the loss, and in the linear baseline's.
    accelerator
        "auto", "cpu" or "cuda".
    threads
        Of one fit on the CPU. One is best for small networks: several fits run side by side, and the numbers do not
        depend on how many cores there are.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 8
    auxiliary: float = 0.3
    order: Order = "norm-tanh"
    dropout: float = 0.0
    scale: Scale = "auto"
    class_weight: Literal["balanced", "none"] = "balanced"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)
