"""Lightning checkpoints without pickle: tensors in safetensors, everything else in its JSON header."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.fit.settings import MACHINE, TrainSettings

log = logging.getLogger(__name__)

_HEADER = "kgreg"


class SafetensorsIO(CheckpointIO):
    """Write and read what Lightning puts into a checkpoint: weights, optimiser, loops and callbacks."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write aside and rename, so that a kill leaves the former checkpoint."""
        tensors: dict[str, torch.Tensor] = {}
        tree = _pack(checkpoint, tensors)
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".part")
        try:
            save_file(tensors, aside, metadata={_HEADER: json.dumps(tree)})
            os.replace(aside, target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: Any = None) -> dict[str, Any]:
        """Read a checkpoint.

        Raises
        ------
        FitError
            If the file is not one of ours.
        """
        return _read(path, tensors=True)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


def describe_fits(blueprint: Blueprint, settings: TrainSettings, seeds: list[int], steps: int) -> dict[str, Any]:
    """Return what fits must have in common with a checkpoint to continue from it (JSON values)."""
    decisive = {key: value for key, value in settings.to_dict().items() if key not in MACHINE}
    return {"blueprint": blueprint.content_hash(), "settings": decisive, "steps": steps, "seeds": seeds}


def is_own(checkpoint: Path, whose: dict[str, Any]) -> bool:
    """Say whether a checkpoint is that of these fits; False if it is that of some of them with others.

    Raises
    ------
    FitError
        If it is damaged, or belongs to another blueprint, other settings or other fits.
    """
    found = _read(checkpoint, tensors=False).get("fits")
    if not isinstance(found, dict) or found.keys() != whose.keys():
        raise FitError(f"{checkpoint} is not a checkpoint of kgreg.", "Remove it and train again.")
    hint = "Remove it, or train in another folder."
    if found["blueprint"] != whose["blueprint"]:
        raise FitError(f"The checkpoint {checkpoint} belongs to another blueprint.", hint)
    own = whose["settings"]
    other = [key for key in own if key not in found["settings"] or found["settings"][key] != own[key]]
    if other:
        raise FitError(f"The checkpoint {checkpoint} was made with other settings ({', '.join(other)}).", hint)
    if found == whose:
        return True
    if not set(found["seeds"]) & set(whose["seeds"]):
        raise FitError(f"The checkpoint {checkpoint} belongs to other fits.", hint)
    log.warning("%s holds these fits in another grouping; they begin anew, with the same numbers.", checkpoint)
    return False


def _read(path: Any, tensors: bool) -> dict[str, Any]:
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            tree = json.loads(file.metadata()[_HEADER])
            found = {name: file.get_tensor(name) if tensors else None for name in file.keys()}  # noqa: SIM118 (no dict)
        return dict(_unpack(tree, found))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise FitError(f"{path} is not a checkpoint of kgreg: {error}", "Remove it and train again.") from error


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return ``value`` as JSON, its tensors put into ``tensors``."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"items": [[_pack(key, tensors), _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(item, tensors) for item in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FitError(f"A checkpoint cannot hold a {type(value).__name__}.")


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor | None]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "items":
        return {_unpack(key, tensors): _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)
