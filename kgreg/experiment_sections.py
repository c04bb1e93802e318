"""The sections of an experiment file: keys, defaults, and what must agree."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from kgreg.errors import FitError
from kgreg.experiment_sequences import SequencesSection
from kgreg.nn.architecture import Architecture
from kgreg.nn.design import Design
from kgreg.nn.designs import DESIGNS

_Tables = Literal["tables", "interactions", "network", "regulators", "motifs"]
Guides = Literal["go", "reactome", "cypher", _Tables, "none", "blueprint"]

#: A share of values that are dropped, say.
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModalitySection(Section):
    """``[data.modalities.NAME]``: a table of numbers, or how to read a modality of MuData.

    ``map`` is a table ``feature, gene[, weight]`` that says which genes its features stand for, and ``how`` in which
    way those of a gene become one number.
    """

    file: str | None = None
    orient: Literal["samples", "features"] = "samples"
    layer: str = "X"
    map: str | None = None
    how: Literal["mean", "weighted", "sum", "max"] = "mean"


class DataSection(Section):
    """``[data]``: the samples.

    ``file`` is an ``.h5ad`` or ``.h5mu`` path, relative to the experiment file, or ``scanpy:pbmc68k_reduced``; in place
    of it, ``modalities`` names tables, and ``obs`` that of the samples; or ``sequences`` says where DNA sequences come
    from. What is learned is one ``label``, a list of
    them, or ``time`` and ``event``. ``layers`` names several layers, of which every gene has one input each.
    ``samples`` says what to do with those that lack a modality. ``split`` names a column of ``obs`` that fixes which
    samples train and which test. ``covariates`` are columns of ``obs``, and ``blocks`` matrices of ``obsm``, that are
    inputs beside the genes.
    """

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


class KnowledgeSection(Section):
    """``[knowledge]``: which part of the graph guides the network, and how it is cut to size.

    With ``guide = "cypher"``, ``terms``, ``hierarchy`` and ``annotations`` are paths of ``.cypher`` files (or names of
    queries), and ``parameters`` their values. With ``guide = "tables"``, ``hierarchy`` and ``annotations`` are tables
    in files, and no store is opened. With ``guide = "interactions"`` there are no terms, only genes and what joins
    them; ``interactions`` may also stand beside another guide. With ``guide = "network"``, ``network`` is a table of
    directed links between proteins, or a query that returns one, and ``outputs`` names the nodes that are read. With
    ``guide = "regulators"`` the features of the data are transcription factors, with two layers. With ``guide =
    "motifs"``, which reads DNA, ``motifs`` is the name of a query (or a ``.cypher`` file) that returns binding motifs,
    or a file of them; ``without_families`` leaves families out, and ``expressed`` keeps the factors that are expressed
    in an ``.h5ad`` file, in at least the share ``expressed_in`` of its samples. With ``guide = "none"``, networks that
    read DNA have no knowledge. With ``guide = "blueprint"``, ``blueprint`` is the path of a folder that holds a
    compiled network; no store is opened, and nothing is pruned but what is asked for.
    """

    guide: Guides = "go"
    blueprint: str | None = None
    network: str | None = None
    outputs: Annotated[list[str], Field(min_length=1)] | None = None
    direction: Literal["along", "against"] | None = None
    signs: bool = False
    motifs: str = "motifs"
    without_families: list[str] = []
    expressed: str | None = None
    expressed_in: Annotated[float, Field(gt=0, le=1)] = 0.05
    interactions: str | None = None
    min_weight: Annotated[float, Field(ge=0)] = 0.0
    max_shared: Annotated[int, Field(ge=2)] = 50
    isolated: bool = True
    namespace: Literal["biological_process", "molecular_function", "cellular_component"] = "biological_process"
    relations: list[Literal["is_a", "part_of", "regulates", "positively_regulates", "negatively_regulates"]] = Field(
        default=["is_a", "part_of"], min_length=1
    )
    evidence_excluded: list[str] = ["ND"]
    terms: str | None = None
    hierarchy: str | None = None
    annotations: str | None = None
    parameters: dict[str, Any] = {}
    store: str | None = None
    min_genes: Annotated[int, Field(ge=1)] = 10
    max_genes: Annotated[int, Field(ge=1)] | None = 300
    redundancy: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    max_depth: Annotated[int, Field(ge=0)] | None = None
    root: str | None = None
    levels: Literal["leaves", "roots"] = "leaves"
    cycles: Literal["error", "break"] = "error"

    @field_validator("max_genes", "redundancy", "max_depth", mode="before")
    @classmethod
    def _no_limit(cls, value: Any) -> Any:
        return None if value == "none" else value  # TOML has no word for it

    @model_validator(mode="before")
    @classmethod
    def _a_blueprint_is_taken_as_it_is(cls, record: Any) -> Any:
        if isinstance(record, dict) and record.get("guide") == "blueprint":
            return {"min_genes": 1, "max_genes": None, "redundancy": None, **record}
        return record

    @model_validator(mode="after")
    def _consistent(self) -> KnowledgeSection:
        for key in ("namespace", "relations"):
            if self.guide != "go" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"'{key}' selects a part of GO and means nothing with guide = \"{self.guide}\"; remove it"
                )
        if (self.guide == "blueprint") != (self.blueprint is not None):
            raise ValueError('guide = "blueprint" and blueprint = "<folder>" go together')
        for key in ("store", "evidence_excluded"):
            if self.guide == "blueprint" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"'{key}' means nothing with guide = \"blueprint\"; remove it")
        if self.guide == "interactions" and self.interactions is None:
            raise ValueError(
                'guide = "interactions" needs interactions = "reactome", "string", or the path of a table or a query'
            )
        self._consistent_network()
        queries = [key for key in ("terms", "hierarchy", "annotations") if getattr(self, key) is not None]
        if self.guide == "cypher" and len(queries) < 3:
            raise ValueError('guide = "cypher" needs three queries: terms, hierarchy and annotations (.cypher files)')
        if self.guide == "tables" and ("annotations" not in queries or "terms" in queries):
            raise ValueError(
                'guide = "tables" needs annotations (gene, term) and takes hierarchy (child, parent), both files'
            )
        if self.guide not in ("cypher", "tables") and queries:
            raise ValueError(f'{", ".join(queries)} mean nothing unless guide = "cypher" or "tables"')
        asked = any(str(query).endswith(".cypher") for query in (self.interactions, self.network))
        if self.guide not in ("cypher", "motifs") and self.parameters and not asked:
            raise ValueError(
                'parameters mean nothing unless guide = "cypher" or "motifs", or interactions or network is a .cypher '
                "file"
            )
        for key in ("motifs", "without_families", "expressed", "expressed_in"):
            if self.guide != "motifs" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"'{key}' is for guide = \"motifs\"; remove it")
        if self.max_genes is not None and self.max_genes < self.min_genes:
            raise ValueError(f"max_genes = {self.max_genes} is below min_genes = {self.min_genes}")
        return self

    def _consistent_network(self) -> None:
        if (self.guide == "network") != (self.network is not None):
            raise ValueError('guide = "network" and network = "<table, .cypher file or name of a query>" go together')
        of_networks = ("outputs", "direction", "signs")
        of_hierarchies = ("min_genes", "max_genes", "redundancy", "max_depth", "root", "levels")
        for key in of_hierarchies if self.guide == "network" else of_networks:
            if getattr(self, key) != type(self).model_fields[key].default:
                other = "means nothing with" if self.guide == "network" else "is for"
                raise ValueError(f"'{key}' {other} guide = \"network\"; remove it")


class NetworkSection(Section):
    """``[network]`` of a visible network: neurons a term, and what happens in them.

    ``covariates_at`` says where covariates enter: beside the neurons that are read, at the genes, or also at
    every term.
    """

    model: Literal["visible"] = "visible"
    width: Annotated[int, Field(ge=1)] = 4
    width_fraction: Annotated[float, Field(ge=0)] = 0.0
    activation: Literal["tanh", "relu", "sigmoid", "identity"] = "tanh"
    norm: Literal["before", "after", "none"] = "before"
    heads: Literal["none", "linear", "tanh", "tanh-linear", "layer"] = "linear"
    readout: Literal["linear", "terms", "head", "joined", "heads", "nodes"] = "linear"
    joined_width: Annotated[int, Field(ge=1)] = 6
    auxiliary: Annotated[float, Field(ge=0)] = 0.3
    auxiliary_sum: bool = False
    layer_weights: list[float] | None = None
    gene_layer: bool | None = None
    gene_scaling: bool = False
    dropout: Share = 0.0
    gene_dropout: Share = 0.0
    term_dropout: Share = 0.0
    sibling_dropout: bool = False
    dropout_before_activation: bool = False
    edge_dropout: Share = 0.0
    edge_dropout_from: Annotated[int, Field(ge=1)] = 1
    initial: Literal["uniform", "normal"] = "uniform"
    initial_scale: Annotated[float, Field(gt=0)] = 1.0
    initial_norm_scale: Annotated[float, Field(gt=0)] = 1.0
    blocks: dict[str, Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]] = {}
    covariates_at: Literal["head", "genes", "terms"] = "head"
    interactions: list[str] = []
    input_scale: Annotated[float, Field(gt=0)] = 1.0
    burden: Annotated[float, Field(ge=0)] = 0.0
    laplacian: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> NetworkSection:
        try:
            self.architecture()
        except FitError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self

    def architecture(self) -> Architecture:
        """Return what the keys of this section describe."""
        keys = {f.name for f in fields(Architecture)}
        return Architecture(**{key: value for key, value in self.model_dump().items() if key in keys})


def network_model(value: Any) -> str:
    """Return the ``model`` of a ``[network]``, which decides about its other keys."""
    model = value.get("model", "visible") if isinstance(value, dict) else getattr(value, "model", "visible")
    return model if isinstance(model, str) else json.dumps(model, default=str)


#: ``[network] model`` -> what its section looks like.
NETWORKS: dict[str, type[BaseModel]] = {"visible": NetworkSection, **DESIGNS}

#: A ``[network]`` of any model.
if TYPE_CHECKING:
    AnyNetwork = NetworkSection | Design
else:
    AnyNetwork = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in NETWORKS.items())],  # noqa: UP007
        Discriminator(network_model),
    ]


class TrainingSection(Section):
    """``[training]``: cross-validation and the fits in it.

    ``folds`` is 5 when it is left out, and has no value when the data fix the split.
    """

    folds: Annotated[int, Field(ge=2)] | None = None
    replicates: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0
    stop_fraction: Annotated[float, Field(gt=0, lt=0.6)] = 0.15
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    optimiser: Literal["adamw", "adam", "amsgrad", "adagrad", "sgd"] = "adamw"
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    momentum: Share = 0.9
    decay_biases: bool = True
    covariate_rate: Annotated[float, Field(gt=0)] = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    decay_every: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 64
    max_epochs: Annotated[int, Field(ge=1)] = 100
    patience: Annotated[int, Field(ge=1)] = 8
    stopping: Literal["early", "none"] = "early"
    class_weight: Literal["balanced", "none"] = "balanced"
    loss: Literal["auto", "mse", "ccc", "huber"] = "auto"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    together: Annotated[int, Field(ge=0)] = 0


class NullsSection(Section):
    """``[nulls]``: how many rewired graphs and permutations of the labels are trained beside the graph, and on how many
    draws of inputs that are all equally predictive.
    """

    rewired: Annotated[int, Field(ge=0)] = 3
    labels: Annotated[int, Field(ge=0)] = 3
    controls: Annotated[int, Field(ge=0)] = 0


class DecodeSection(Section):
    """``[decode]``: what a node's importance is, and which networks it is read from.

    ``measure`` "activation": gradient x activation; "gradient": the derivative of the prediction with respect to the
    node. ``accept``: networks with a larger error on their test samples are left out.
    """

    measure: Literal["activation", "gradient"] = "activation"
    accept: Annotated[float, Field(gt=0, le=1)] | None = None

    @field_validator("accept", mode="before")
    @classmethod
    def _no_limit(cls, value: Any) -> Any:
        return None if value == "none" else value


class KnockoutsSection(Section):
    """``[knockouts]``: single ``genes``, named ``sets``, and the best genes of ``automatic`` outputs."""

    genes: list[str] = []
    sets: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    automatic: Annotated[int, Field(ge=0)] = 0


class OutputSection(Section):
    """``[output]``: the folder of the run, relative to the experiment file."""

    folder: str = "run"
