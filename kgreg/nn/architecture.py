"""What happens in the nodes of a visible network, and how its outputs are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kgreg.errors import FitError
from kgreg.nn.hierarchy import Activation, Norm

Heads = Literal["none", "linear", "tanh", "tanh-linear", "layer"]
Readout = Literal["linear", "terms", "head", "joined", "heads", "nodes"]
Initial = Literal["uniform", "normal"]
CovariatesAt = Literal["head", "genes", "terms"]


@dataclass(frozen=True)
class Architecture:
    """The options of :class:`kgreg.nn.VisibleNetwork`. The defaults are kgreg's; recipes hold published systems'.

    Attributes
    ----------
    activation, norm
        Of terms and genes; batch normalisation "before" or "after" the activation, or "none".
    heads
        What a term predicts by itself, for the auxiliary loss: "linear"; "tanh" (of a linear map, DCell);
        "tanh-linear" (an affine map of that, DrugCell and NeST-VNN); "layer": one linear head a level, over all its
        nodes (P-NET); or "none".
    readout
        "linear": in the neurons of the output nodes; "terms": in the neurons of all terms; "head": the form of
        ``heads`` at the output nodes; "joined": output nodes, blocks and covariates join in a node of their own
        (``joined_width`` neurons), then as "head" (DrugCell); "heads": the mean over the layer heads' predictions;
        "nodes": the outputs are the output nodes themselves, without activation, one an output (KPNN). Of two classes a
        single node is the logit of the second.
    gene_layer
        Whether every gene has a neuron that reads its features (None: if a gene has several).
    gene_scaling
        Whether a term reads its genes through a weight and a bias of each link, as the published code does.
    dropout
        Share of the input features set to 0 for a sample in training.
    gene_dropout, term_dropout
        The same for the neurons of the gene layer and of terms; ``dropout_before_activation`` moves it there.
    sibling_dropout
        Whether few siblings spare a term the dropout: with s nodes that its readers read, itself among them, at most 0
        for s = 1, 0.1 for s = 2 and 0.3 for s = 3 (Fortelny & Bock 2020).
    edge_dropout, edge_dropout_from
        Share of the values that a term reads set to 0, for terms of this level and above (genes are level 0).
    initial
        Weights and biases start "uniform" in +-1 / sqrt(fan in), or "normal" with mean 0 and standard deviation 1.
    initial_scale
        Factor of all weights and biases at the start.
    initial_norm_scale
        Scale of the normalisations at the start (DrugCell and NeST-VNN start all parameters at a tenth, this one too).
    blocks
        Name -> neurons of the layers of a dense branch over a block of further inputs, such as a drug's fingerprint.
    covariates_at
        Whether covariates join at the readout ("head"), at the gene layer ("genes"), or at the readout and at every
        term ("terms").
    input_scale
        Factor of the inputs: with weights that start small, larger inputs make the first steps larger.
    burden
        Not 0: every term also reads how much its genes are altered, ``log1p`` of the sum over the genes at or below it,
        one a modality, standardised over the training samples and multiplied by this.
    laplacian
        Weight in the loss of the differences between a term's weights of genes that interact, see
        :class:`kgreg.nn.gene_weights.GeneWeightPenalty`; the blueprint then needs interactions.
    """

    activation: Activation = "tanh"
    norm: Norm = "before"
    heads: Heads = "linear"
    readout: Readout = "linear"
    joined_width: int = 6
    gene_layer: bool | None = None
    gene_scaling: bool = False
    dropout: float = 0.0
    gene_dropout: float = 0.0
    term_dropout: float = 0.0
    sibling_dropout: bool = False
    dropout_before_activation: bool = False
    edge_dropout: float = 0.0
    edge_dropout_from: int = 1
    initial: Initial = "uniform"
    initial_scale: float = 1.0
    initial_norm_scale: float = 1.0
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    covariates_at: CovariatesAt = "head"
    input_scale: float = 1.0
    burden: float = 0.0
    laplacian: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", {name: tuple(widths) for name, widths in self.blocks.items()})
        for name in ("dropout", "gene_dropout", "term_dropout", "edge_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise FitError(f"{name} = {getattr(self, name)} is not a share between 0 and 1.")
        if self.laplacian < 0:
            raise FitError(f"laplacian = {self.laplacian} is negative.", "Give a weight of 0 or more.")
        if self.readout in ("head", "joined") and self.heads not in ("linear", "tanh", "tanh-linear"):
            raise FitError(f'readout = "{self.readout}" takes the form of the heads, but heads = "{self.heads}".')
        if (self.readout == "heads") != (self.heads == "layer"):
            raise FitError('readout = "heads" and heads = "layer" belong together.', "Set both or neither.")
        if self.readout == "heads" and self.blocks:
            raise FitError('readout = "heads" has no place for further blocks.', 'Choose readout = "joined".')
        if self.readout == "nodes" and self.blocks:
            raise FitError('readout = "nodes" has no place for further blocks.', 'Choose readout = "joined".')
        for name, widths in self.blocks.items():
            if not widths or min(widths) < 1:
                raise FitError(f"The block {name} has layers of {list(widths)} neurons.", "Give it at least one layer.")
        if self.dropout_before_activation and self.norm == "after":
            raise FitError('dropout_before_activation needs norm = "before" or "none".')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "blocks": {name: list(widths) for name, widths in self.blocks.items()}}
