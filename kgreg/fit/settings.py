"""How a network is built and trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from kgreg.data.scaling import Scale
from kgreg.fit.losses import LossName
from kgreg.nn.architecture import Architecture
from kgreg.nn.design import Design
from kgreg.nn.designs import DESIGNS

#: Settings that change where and how fast a fit runs, not what comes out.
MACHINE = ("accelerator", "threads", "together")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one fit.

    Attributes
    ----------
    architecture
        What happens in the nodes of a visible network and how outputs are read, or the design of another kind of
        network; what is said of heads below is of the former alone.
    learning_rate, weight_decay, optimiser, betas, epsilon, momentum
        "adamw" (decay apart from the gradient), "adam" (decay in it), "amsgrad" (Adam that remembers the largest second
        moment), "adagrad", "rmsprop" (whose smoothing is the second of ``betas``) or "sgd", with their constants;
        ``momentum`` is that of "sgd".
    decay_biases
        Whether the decay takes biases and the scales and shifts of batch normalisation too.
    covariate_rate
        Factor of the learning rate for the weights of covariates at the head, which are not decayed where it is not 1:
        a batch effect should be learned before the biology, and in full.
    interactions
        Covariates at the head that also multiply the neurons that are read, by name.
    decay, decay_every
        The learning rate is multiplied by ``decay`` after every ``decay_every`` epochs (0: never).
    batch_size, max_epochs, patience
        An epoch has as many steps as batches of this size need, and deals its samples to them evenly. Training stops
        after ``patience`` epochs without a lower loss on the stopping part; the best epoch is kept.
    stopping
        "early": as said. "none": ``max_epochs`` are trained, on the stopping part too, and the last one is kept: for a
        number of epochs that was chosen by cross-validation within the training part.
    auxiliary, auxiliary_sum
        Weight of the loss of the heads (0: no heads), of which the mean is taken, or the sum as in the published code.
    layer_weights
        Weights of the losses of layer heads, from the genes up; with ``readout = "heads"`` they are the whole loss.
    class_weight
        "balanced": every class, and both values of a label, count the same in the loss and in the linear baseline's.
    loss
        "auto": the task's own; for regression also "mse", "ccc" or "huber" (see :mod:`kgreg.fit.losses`).
    scale
        Of the inputs, see :meth:`kgreg.data.Scaler.fit`; holds for the linear baseline too.
    accelerator
        "auto", "cpu" or "cuda".
    threads
        Of one fit on the CPU. One is best for small networks: several fits run side by side, and the numbers do not
        depend on how many cores there are.
    together
        At most so many fits of one graph (folds, replicates, permuted labels) are trained as one wider network; 0: as
        many as there are on a GPU, ten on the CPU, shared out over the cores. The numbers are the same for any.
    """

    architecture: Architecture | Design = field(default_factory=Architecture)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    optimiser: Literal["adamw", "adam", "amsgrad", "adagrad", "rmsprop", "sgd"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    momentum: float = 0.9
    decay_biases: bool = True
    covariate_rate: float = 1.0
    interactions: tuple[str, ...] = ()
    decay: float = 1.0
    decay_every: int = 0
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 8
    stopping: Literal["early", "none"] = "early"
    auxiliary: float = 0.3
    auxiliary_sum: bool = False
    layer_weights: tuple[float, ...] | None = None
    class_weight: Literal["balanced", "none"] = "balanced"
    loss: LossName = "auto"
    scale: Scale = "auto"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1
    together: int = 0

    @property
    def visible(self) -> Architecture:
        """The architecture, of a visible network."""
        assert isinstance(self.architecture, Architecture)
        return self.architecture

    @property
    def used_architecture(self) -> Architecture:
        """The architecture of a visible network, without heads where nothing is asked of them."""
        architecture = self.visible
        if self.auxiliary or architecture.readout == "heads":
            return architecture
        if architecture.readout in ("head", "joined"):  # the form of the heads is that of the readout
            return architecture
        return replace(architecture, heads="none")

    @property
    def shares_rows(self) -> bool:
        """Whether samples with the same inputs may be computed once: not where each is dropped for itself."""
        a = self.architecture
        if isinstance(a, Design):
            return False
        dropped = a.dropout or a.gene_dropout or a.term_dropout or a.edge_dropout
        return not dropped and a.covariates_at == "head"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        weights = None if self.layer_weights is None else list(self.layer_weights)
        record = {**asdict(self), "architecture": self.architecture.to_dict()}
        lists = {"betas": list(self.betas), "interactions": list(self.interactions), "layer_weights": weights}
        return record | lists

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> TrainSettings:
        """Return the settings that :meth:`to_dict` wrote."""
        weights = record["layer_weights"]
        return cls(
            **record
            | {
                "architecture": _architecture(record["architecture"]),
                "betas": tuple(record["betas"]),
                "interactions": tuple(record["interactions"]),
                "layer_weights": None if weights is None else tuple(weights),
            }
        )


def _architecture(record: dict[str, Any]) -> Architecture | Design:
    return DESIGNS[record["model"]].from_dict(record) if "model" in record else Architecture(**record)
