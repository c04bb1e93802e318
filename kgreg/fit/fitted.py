"""A trained network with everything needed to use it, in memory and on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from kgreg.blueprint.model import Blueprint
from kgreg.data.covariates import CovariateEncoder
from kgreg.data.scaling import Scaler
from kgreg.data.targets import Task
from kgreg.disk import replace_text
from kgreg.errors import FitError
from kgreg.fit.readings import Preprocessing, Readings, as_readings
from kgreg.fit.settings import MACHINE, TrainSettings
from kgreg.nn.design import Design
from kgreg.nn.guided import GuidedNetwork
from kgreg.nn.inputs import Inputs, NetworkOutput
from kgreg.nn.readout import Link
from kgreg.nn.visible import VisibleNetwork

#: How outputs become predictions.
LINKS: dict[Task, Link] = {
    "classification": "softmax",
    "multilabel": "sigmoid",
    "regression": "identity",
    "survival": "identity",
}


@dataclass(frozen=True)
class FittedModel:
    """A trained network with everything needed to use it on new samples.

    Attributes
    ----------
    network
        In evaluation mode, on the CPU.
    preprocessing
        Fitted on the training part. For regression ``target_scale`` holds the mean and sd of its target; for survival
        the first number is what makes the mean risk of the training part 0.
    history
        One row an epoch: ``epoch``, ``train_loss``, ``stop_loss``.
    """

    network: VisibleNetwork | GuidedNetwork
    blueprint: Blueprint
    preprocessing: Preprocessing
    task: Task
    target_scale: tuple[float, float]
    seed: int
    best_epoch: int
    history: list[dict[str, float]]

    def predict(self, x: NDArray[np.float32] | Readings) -> NDArray[np.float32]:
        """Return predictions for unscaled samples, ``[n, n_inputs]`` or readings.

        Probabilities ``[n, n_classes]`` or ``[n, n_labels]``, values ``[n, 1]``, or for survival ``[n, 1]`` log partial
        hazards, relative to the mean of the training samples.
        """
        return self.predicted(self._passed(x).outputs)

    def respond(self, x: NDArray[np.float32] | Readings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return, from one pass, the prediction (see :meth:`predict`) and the activations ``[n_neurons, n]``."""
        passed = self._passed(x)
        return self.predicted(passed.outputs), passed.hidden.numpy()

    def inputs_of(self, readings: Readings) -> Inputs:
        """Return samples as the network takes them, the inputs of the genes as a dense tensor ``[1, n, n_inputs]``."""
        given = self.preprocessing.apply(readings).everything()
        genes = given.genes if isinstance(given.genes, Tensor) else given.genes.dense()
        return replace(given, genes=genes)

    def _passed(self, x: NDArray[np.float32] | Readings) -> NetworkOutput:
        with torch.inference_mode():
            passed: NetworkOutput = self.network(self.preprocessing.apply(as_readings(x)).everything())
        return passed

    def predicted(self, outputs: Tensor) -> NDArray[np.float32]:
        """Return what outputs of the network ``[n, n_outputs]`` predict; see :meth:`predict`."""
        if self.task == "classification":
            outputs = torch.softmax(outputs, dim=1)
        elif self.task == "multilabel":
            outputs = torch.sigmoid(outputs)
        else:
            outputs = outputs * self.target_scale[1] + self.target_scale[0]
        result: NDArray[np.float32] = outputs.numpy()
        return result


def centred(model: FittedModel, readings: Readings, train: NDArray[np.int64]) -> FittedModel:
    """Return a model of survival with the mean risk of its training samples at 0: the loss ignores a shift of all."""
    if model.task != "survival":
        return model
    return replace(model, target_scale=(-float(model.predict(readings.rows(train)).mean()), 1.0))


def build_guided(
    blueprint: Blueprint, design: Design, task: Task, n_outputs: int, encoder: CovariateEncoder | None
) -> GuidedNetwork:
    """Return the untrained network of a task, of another kind than the visible one."""
    covariates = [] if encoder is None else encoder.names
    return design.build(blueprint, n_outputs, covariates=covariates, link=LINKS[task])


def build_network(
    blueprint: Blueprint,
    settings: TrainSettings,
    task: Task,
    n_outputs: int,
    encoder: CovariateEncoder | None,
    block_sizes: Mapping[str, int],
    networks: int = 1,
) -> VisibleNetwork:
    """Return the untrained network of a task.

    Raises
    ------
    FitError
        If ``layer_weights`` does not fit the layers, or ``interactions`` names what is no covariate.
    """
    names = [] if encoder is None else encoder.names
    unknown = [name for name in settings.interactions if encoder is None or name not in encoder.order]
    if unknown:
        raise FitError(f"The interactions name {', '.join(unknown)}, no covariate.", "Name it in [data] covariates.")
    interacting = [i for i, name in enumerate(names) if name.partition("=")[0] in settings.interactions]
    network = VisibleNetwork(
        blueprint,
        n_outputs,
        settings.used_architecture,
        n_covariates=len(names),
        block_sizes=block_sizes,
        interacting=interacting,
        link=LINKS[task],
        networks=networks,
    )
    weights = settings.layer_weights
    if weights is not None and len(weights) != network.readout.n_heads:
        raise FitError(
            f"layer_weights has {len(weights)} numbers for {network.readout.n_heads} layers.",
            "Give one a layer, from the genes up, or leave the key out.",
        )
    return network


def member_state(network: VisibleNetwork | GuidedNetwork, r: int) -> dict[str, Tensor]:
    """Return the state of one of the networks that are computed side by side, as that of a single network."""
    state = {}
    if isinstance(network, GuidedNetwork):
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}
    for name, tensor in network.state_dict().items():
        # The running statistics hold mean and variance first, then the networks.
        own = tensor[:, r : r + 1] if name.endswith("running") else tensor[r : r + 1]
        state[name] = own.detach().to("cpu", copy=True)
    return state


# ---- on disk ---------------------------------------------------------------------------------------------------------


def is_finished(folder: Path) -> bool:
    """Say whether ``folder`` holds a finished model; ``model.json`` is written last."""
    return (folder / "model.json").is_file()


def save_fitted(model: FittedModel, settings: TrainSettings, folder: Path) -> None:
    """Write ``model.safetensors`` (weights, scaler) and ``model.json`` into ``folder``; the latter says it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    scaler, encoder = model.preprocessing.scaler, model.preprocessing.encoder
    tensors["scaler.mean"] = torch.from_numpy(scaler.mean)
    tensors["scaler.sd"] = torch.from_numpy(scaler.sd)
    data = save(tensors)
    (folder / "model.safetensors").write_bytes(data)
    blocks = {}
    if isinstance(model.network, VisibleNetwork):
        blocks = {name: hierarchy.program.n_inputs for name, hierarchy in model.network.block_hierarchies().items()}
    record = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "blueprint": model.blueprint.content_hash(),
        "n_outputs": model.network.n_outputs,
        "covariates": None if encoder is None else encoder.to_dict(),
        "blocks": blocks,
        "task": model.task,
        "target_scale": list(model.target_scale),
        "seed": model.seed,
        "best_epoch": model.best_epoch,
        "history": model.history,
        "settings": settings.to_dict(),
    }
    replace_text(folder / "model.json", json.dumps(record, indent=1) + "\n")


def reuse_fitted(folder: Path, blueprint: Blueprint, settings: TrainSettings, seed: int) -> FittedModel:
    """Read a finished model, if it is the one that is asked for.

    Raises
    ------
    FitError
        As :func:`load_fitted`, and if it was trained with other settings or another seed.
    """
    record = _read_record(folder)
    model = _load(folder, record, blueprint)
    trained = record["settings"]
    other = [key for key, value in settings.to_dict().items() if key not in MACHINE and trained.get(key) != value]
    if model.seed != seed:
        other.append("seed")
    if other:
        raise FitError(
            f"The model in {folder} was trained with other settings ({', '.join(other)}).",
            "Train in another folder, or remove it.",
        )
    return model


def load_fitted(folder: Path, blueprint: Blueprint) -> FittedModel:
    """Read a model that :func:`save_fitted` wrote.

    Raises
    ------
    FitError
        If a file is missing or altered, or the model was trained on another blueprint.
    """
    return _load(folder, _read_record(folder), blueprint)


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "model.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FitError(f"{folder} holds no readable model: {error}", "Train again.") from error


def _load(folder: Path, record: dict[str, Any], blueprint: Blueprint) -> FittedModel:
    try:
        data = (folder / "model.safetensors").read_bytes()
        if record["blueprint"] != blueprint.content_hash():
            raise FitError(f"The model in {folder} was trained on another blueprint.", "Train again with --force.")
        if record["sha256"] != hashlib.sha256(data).hexdigest():
            raise FitError(f"{folder / 'model.safetensors'} is not the file that was saved.", "Train again.")
        tensors = load(data)
        settings = TrainSettings.from_dict(record["settings"])
        covariates = record["covariates"]
        encoder = None if covariates is None else CovariateEncoder.from_dict(covariates)
        network: VisibleNetwork | GuidedNetwork
        task, n_outputs = record["task"], record["n_outputs"]
        if isinstance(settings.architecture, Design):
            network = build_guided(blueprint, settings.architecture, task, n_outputs, encoder)
        else:
            network = build_network(blueprint, settings, task, n_outputs, encoder, record["blocks"])
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        network.load_state_dict(weights)
        centre, spread = record["target_scale"]
        return FittedModel(
            network=network.eval(),
            blueprint=blueprint,
            preprocessing=Preprocessing(Scaler(tensors["scaler.mean"].numpy(), tensors["scaler.sd"].numpy()), encoder),
            task=record["task"],
            target_scale=(centre, spread),
            seed=record["seed"],
            best_epoch=record["best_epoch"],
            history=record["history"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise FitError(f"{folder} holds no readable model: {error}", "Train again.") from error
