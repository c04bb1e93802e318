"""What there is to choose about a graph network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.readout import Link

if TYPE_CHECKING:
    from kgreg.nn.graphs.network import GraphNetwork


#: Numbers that the graph part keeps at a time. More samples than have room are computed in pieces, and where gradients
#: are needed, computed again on the way back.
KEPT = 2**26


class GraphDesign(Design):
    """A network whose samples are graphs of genes.

    Attributes
    ----------
    conv
        "cheb" (Defferrard et al. 2016), "gcn" (Kipf & Welling 2017), "sage" (Hamilton et al. 2017) or "gat" (Velickovic
        et al. 2018).
    widths
        Features of a gene after each layer; of one head for "gat".
    order
        Chebyshev polynomials of "cheb": a gene sees ``order - 1`` steps far.
    heads, last_heads
        Of "gat". Heads stand side by side; those of the last layer are averaged with "mean".
    gene_features
        Every gene first maps its measurements to so many features with weights of its own; 0: the convolution reads the
        measurements. Convolutions know a gene by its neighbours alone.
    pool
        After each layer, genes that the graph joins are merged into clusters of up to so many (1, 2, 4, ...), of which
        the largest values go on (Graclus coarsening and max pooling). Empty: no pooling.
    readout
        "flatten": the layers above read every feature of every gene or cluster. "mean": the mean over genes.
    hidden
        Dense layers before the outputs.
    dense
        Dense layers over all inputs beside the graph, joined to it before ``hidden``. Empty: no such branch.
    activation
        After every layer.
    dropout
        Of what the dense layers above the graph read, of all hidden neurons, and in the dense branch.
    feature_dropout
        Of what every convolution reads.
    attention_dropout
        Of the attention of "gat".
    unit_length
        For "sage": the features of a gene are scaled to length 1 after every layer.
    seeds, fanout
        For "sage" with the mean as readout: a training step computes so many genes from sampled neighbours, ``fanout``
        of each gene and layer, from the seeds outwards. 0: all genes. Outside of training all genes are computed.
    """

    model: Literal["graph"] = "graph"
    conv: Literal["cheb", "gcn", "sage", "gat"] = "gcn"
    widths: tuple[Width, ...] = Field((16, 16), min_length=1)
    order: int = Field(3, ge=1, le=100)
    heads: int = Field(4, ge=1)
    last_heads: Literal["concat", "mean"] = "concat"
    gene_features: int = Field(0, ge=0)
    pool: tuple[Width, ...] = ()
    readout: Literal["flatten", "mean"] = "flatten"
    hidden: tuple[Width, ...] = ()
    dense: tuple[Width, ...] = ()
    activation: Activation = "relu"
    dropout: Share = 0.0
    feature_dropout: Share = 0.0
    attention_dropout: Share = 0.0
    unit_length: bool = False
    seeds: int = Field(0, ge=0)
    fanout: tuple[Width, ...] = (10, 10)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.pool and len(self.pool) != len(self.widths):
            raise ValueError(f"pool has {len(self.pool)} numbers for {len(self.widths)} layers: give one a layer")
        wrong = [size for size in self.pool if size & (size - 1)]
        if wrong:
            raise ValueError(f"pool = {wrong[0]} is no power of 2: genes are merged in pairs")
        if self.attention_dropout and self.conv != "gat":
            raise ValueError(f'attention_dropout is for conv = "gat", not "{self.conv}"')
        if self.unit_length and self.conv != "sage":
            raise ValueError(f'unit_length is for conv = "sage", not "{self.conv}"')
        if self.seeds and (self.conv != "sage" or self.readout != "mean" or any(size > 1 for size in self.pool)):
            raise ValueError('seeds need conv = "sage" and readout = "mean" without pool: a part stands for the whole')
        if self.seeds and len(self.fanout) != len(self.widths):
            raise ValueError(f"fanout has {len(self.fanout)} numbers for {len(self.widths)} layers: give one a layer")
        return self

    def out_widths(self) -> list[int]:
        """Return the features of a gene after each layer, all heads together."""
        if self.conv != "gat":
            return list(self.widths)
        last = 1 if self.last_heads == "mean" else self.heads
        return [width * self.heads for width in self.widths[:-1]] + [self.widths[-1] * last]

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> GraphNetwork:
        """Return the network of a blueprint; see :meth:`kgreg.nn.design.Design.build`.

        Raises
        ------
        FitError
            If no interaction joins two genes.
        """
        from kgreg.nn.graphs.network import GraphNetwork

        return GraphNetwork(blueprint, n_outputs, self, n_covariates=len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """Return about how many parameters there are, and how many activations a sample has in training.

        Those of the graph part are counted up to what a sample in a batch of 64 may keep at a time.
        """
        n, m = int(blueprint.inputs["node"].nunique()), int(blueprint.inputs["modality"].nunique())
        below = [self.gene_features or m, *self.out_widths()[:-1]]
        parameters = n * (m + 1) * self.gene_features
        activations = 0
        copies = {"cheb": self.order, "gcn": 1, "sage": 2, "gat": self.heads}[self.conv]
        nodes, pool = n, self.pool or (1,) * len(self.widths)
        for below_width, width, size in zip(below, self.out_widths(), pool, strict=True):
            parameters += below_width * width * (copies if self.conv in ("cheb", "sage") else 1) + width
            computed = min(nodes, self.seeds * 8) if self.seeds else nodes
            activations += computed * (below_width * copies + 2 * width)
            if self.conv == "gat":
                activations += 3 * self.heads * (2 * len(blueprint.interactions) + nodes)
            nodes = -(-nodes // size)
        read = self.out_widths()[-1] * (nodes if self.readout == "flatten" else 1)
        parameters += count_dense(len(blueprint.inputs), self.dense)
        parameters += count_dense(read + sum(self.dense[-1:]), [*self.hidden, n_outputs])
        activations = min(activations, KEPT // 64) + len(blueprint.inputs) + read
        return parameters, activations + 2 * sum([*self.dense, *self.hidden])
