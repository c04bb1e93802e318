"""The sections of an experiment file but ``[data]``: keys, defaults, and what must agree."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from kgreg.blueprint.kinds import GENE_SET_FILES, GENE_SETS
from kgreg.errors import FitError
from kgreg.nn.architecture import Architecture
from kgreg.nn.design import Design
from kgreg.nn.designs import DESIGNS

_Tables = Literal["tables", "interactions", "network", "regulators", "motifs"]
Guides = Literal["go", "reactome", "cypher", _Tables, "none", "blueprint"]

#: A share of values that are dropped, say.
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    optimiser: Literal["adamw", "adam", "amsgrad", "adagrad", "rmsprop", "sgd"] = "adamw"
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

    ``replicates`` of rewired graphs and permuted labels, if not as many as ``[training] replicates``.
    """

    rewired: Annotated[int, Field(ge=0)] = 3
    labels: Annotated[int, Field(ge=0)] = 3
    controls: Annotated[int, Field(ge=0)] = 0
    replicates: Annotated[int, Field(ge=1)] | None = None


#: :data:`kgreg.decode.importance.Measure`, without what it takes to compute them.
Measure = Literal[
    "activation", "gradient", "gradient_x_input", "integrated_gradients", "conductance", "deeplift",
    "expected_gradients", "ablation", "central_difference", "rlipp", "correlation", "attention",
]  # fmt: skip


class DecodeSection(Section):
    """``[decode]``: what a node's importance is, and which networks it is read from.

    ``measure``: see :func:`kgreg.decode.node_importance`; ``also``: other measures, compared with it. ``degree``: how
    scores are corrected for connectivity, see :func:`kgreg.decode.degree.correct_degree`. ``accept``: networks with a
    larger error on their test samples are left out. ``jaccard``: from which Jaccard index of their genes on two terms
    are near copies, of which lists show the best. ``enrichment``: collections of gene sets (see
    :mod:`kgreg.decode.enrichment`) that the ranked genes are held against. ``top``: how many nodes of a kind count as
    the best where stability is measured. ``bootstrap``: draws that ranks are made again from (0: none).
    """

    measure: Measure = "activation"
    also: list[Measure] = []
    degree: Literal["none", "pnet", "regression"] = "none"
    accept: Annotated[float, Field(gt=0, le=1)] | None = None
    jaccard: Annotated[float, Field(gt=0, le=1)] = 0.5
    enrichment: list[str] | None = None

    top: Annotated[int, Field(ge=1)] = 20
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 200

    @field_validator("enrichment")
    @classmethod
    def _known_collections(cls, names: list[str] | None) -> list[str] | None:
        for name in names or []:
            if name not in GENE_SETS and not name.endswith(GENE_SET_FILES):
                raise ValueError(f"'{name}' is none of {', '.join(GENE_SETS)}, and no .gmt or .cypher file")
        return names

    @field_validator("also")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))

    @field_validator("accept", mode="before")
    @classmethod
    def _no_limit(cls, value: Any) -> Any:
        return None if value == "none" else value


class KnockoutsSection(Section):
    """``[knockouts]``: single ``genes``, named ``sets``, and the best genes of ``automatic`` outputs.

    ``value`` and ``dose`` say what becomes of a gene's inputs, ``modalities`` of which of them. ``random``: random
    genes expressed alike that an effect is compared with. ``pairs``: all pairs of these genes, against the
    ``epistasis`` models. ``sweep``: every gene, one by one.
    """

    genes: list[str] = []
    sets: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    automatic: Annotated[int, Field(ge=0)] = 0
    value: Literal["auto", "silent", "altered"] | float = "auto"
    dose: list[Annotated[float, Field(ge=0)]] = Field(default=[0.0], min_length=1)
    modalities: Annotated[list[str], Field(min_length=1)] | None = None
    random: Annotated[int, Field(ge=0)] = 100
    pairs: list[str] = []
    epistasis: list[Literal["additive", "bliss"]] = []
    sweep: bool = False

    @field_validator("dose", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, (int, float)) else value

    @model_validator(mode="after")
    def _consistent(self) -> KnockoutsSection:
        if any(self.dose) and self.value not in ("auto", "silent"):
            raise ValueError("a 'dose' scales what was measured and a 'value' replaces it; give one of them")
        if len(set(self.pairs)) == 1:
            raise ValueError(f'pairs = ["{self.pairs[0]}"] has no pair; name two genes or more')
        return self


class OutputSection(Section):
    """``[output]``: the folder of the run, relative to the experiment file."""

    folder: str = "run"
