"""``[data]`` of an experiment file: where samples come from, and what is learned of them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from kgreg.experiment_sequences import SequencesSection


class ModalitySection(BaseModel):
    """``[data.modalities.NAME]``: a table of numbers, or how to read a modality of MuData.

    ``map`` is a table ``feature, gene[, weight]`` that says which genes its features stand for, and ``how`` in which
    way those of a gene become one number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    orient: Literal["samples", "features"] = "samples"
    layer: str = "X"
    map: str | None = None
    how: Literal["mean", "weighted", "sum", "max"] = "mean"


class DataSection(BaseModel):
    """``[data]``: the samples.

    ``file`` is an ``.h5ad`` or ``.h5mu`` path, relative to the experiment file, or ``scanpy:pbmc68k_reduced``; in place
    of it, ``modalities`` names tables, and ``obs`` that of the samples; or ``sequences`` says where DNA sequences come
    from. What is learned is one ``label``, a list of
    them, or ``time`` and ``event``. ``layers`` names several layers, of which every gene has one input each.
    ``samples`` says what to do with those that lack a modality. ``split`` names a column of ``obs`` that fixes which
    samples train and which test. ``covariates`` are columns of ``obs``, and ``blocks`` matrices of ``obsm``, that are
    inputs beside the genes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    obs: str | None = None
    modalities: dict[str, ModalitySection] = {}
    samples: Literal["all", "complete"] | None = None
    sequences: SequencesSection | None = None
    label: str | list[str] | None = None
    time: str | None = None
    event: str | None = None
    layer: str = "X"
    layers: Annotated[list[str], Field(min_length=1)] | None = None
    scale: Literal["auto", "standard", "max", "none"] = "auto"
    group: str | None = None
    split: str | None = None
    covariates: list[str] = []
    blocks: list[str] = []
    task: Literal["classification", "regression", "multilabel", "survival"] | None = None
    constant_genes: Literal["error", "drop"] = "error"

    @field_validator("label", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        several = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
        if value is not None and not isinstance(value, str) and not several:
            raise ValueError(f"{json.dumps(value, default=str)} is neither the name of a column nor a list of names")
        if several and len(set(value)) < len(value):
            raise ValueError("a column is named more than once")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> DataSection:
        if self.sequences is not None:
            return self._only_sequences()
        of_tables = self.file is None and bool(self.modalities)
        if self.file is None and not of_tables:
            raise PydanticCustomError("missing_key", "file")
        if of_tables and self.obs is None:
            raise PydanticCustomError("missing_key", "obs")
        if not of_tables and self.obs is not None:
            raise ValueError("'obs' is for tables of modalities; a file has its own table of samples")
        for name, modality in self.modalities.items():
            if of_tables and modality.file is None:
                raise ValueError(f"the modality '{name}' has no file")
            if not of_tables and modality.file is not None:
                raise ValueError(f"the modality '{name}' is read from {self.file}; remove its file")
            if modality.map is None and modality.how != "mean":
                raise ValueError(f"'how' of the modality '{name}' means nothing without a map")
        several = of_tables or str(self.file).endswith(".h5mu")
        if self.modalities and not several:
            raise ValueError("'modalities' are for tables and .h5mu files; of an .h5ad file name 'layers'")
        fields = type(self).model_fields
        for key in ("layer", "layers", *(["blocks"] if of_tables else [])):
            if several and getattr(self, key) != fields[key].default:
                raise ValueError(f"'{key}' is for .h5ad files; every modality has its own 'layer'")
        if self.samples is not None and not several and self.layers is None:
            raise ValueError("'samples' is for data of several modalities or layers")
        return self

    def _only_sequences(self) -> DataSection:
        of_table = ("time", "event", "split", "covariates", "label", "task")
        apart = ("file", "obs", "modalities", "samples", "layer", "layers", "scale", "blocks", "constant_genes")
        for key in apart if self.sequences and self.sequences.labels else (*apart, *of_table):
            if getattr(self, key) != type(self).model_fields[key].default:
                known = "" if key in apart else " unless they have a table of 'labels'"
                raise ValueError(f"'{key}' means nothing with [data.sequences]{known}; remove it")
        if self.fixes_split and self.split is not None:
            raise ValueError("'test_chromosomes' and 'split' both fix the split; give one of them")
        return self

    @property
    def fixes_split(self) -> bool:
        """Whether the data say which samples train and which test."""
        return self.split is not None or bool(self.sequences and self.sequences.test_chromosomes)

    @model_validator(mode="after")
    def _one_target(self) -> DataSection:
        if self.sequences is not None and self.sequences.labels is None:
            return self  # the class of a file, or a track
        survival = self.time is not None or self.event is not None
        if survival and self.label is not None:
            raise ValueError("label and time, event exclude each other; survival has a time and an event")
        if not survival and self.label is None:
            raise PydanticCustomError("missing_key", "label")
        for key in ("time", "event"):
            if survival and getattr(self, key) is None:
                raise PydanticCustomError("missing_key", key)
        learned = {
            "classification": "one label",
            "regression": "one label",
            "multilabel": "a list of labels",
            "survival": "time and event",
        }
        given = "time and event" if survival else "a list of labels" if isinstance(self.label, list) else "one label"
        if self.task is not None and learned[self.task] != given:
            raise ValueError(
                f'task = "{self.task}" learns {learned[self.task]}, but {given} is given; leave the task out, or name '
                "other columns"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_name_layers(self) -> DataSection:
        if self.layers is not None:
            if self.layer != type(self).model_fields["layer"].default:
                raise ValueError("give 'layer' or 'layers', not both")
            if len(set(self.layers)) < len(self.layers):
                raise ValueError("'layers' names a layer twice")
        return self

    @model_validator(mode="after")
    def _inputs_once(self) -> DataSection:
        for key, names in (("covariates", self.covariates), ("blocks", self.blocks)):
            if len(set(names)) < len(names):
                raise ValueError(f"'{key}' has a name twice")
        learned = [self.time, self.event, *(self.label if isinstance(self.label, list) else [self.label])]
        for name in self.covariates:
            if name in learned:
                raise ValueError(f"'{name}' is what is to be predicted, and no covariate")
        return self
