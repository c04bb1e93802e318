"""The kinds of guided networks there are, by the name that ``[network] model`` gives them."""

from __future__ import annotations

from kgreg.nn.dense import DenseDesign
from kgreg.nn.design import Design
from kgreg.nn.factorization import LaplacianAutoencoder, Multiview
from kgreg.nn.graphs.design import GraphDesign
from kgreg.nn.integration import BottleneckDesign, LateDesign, MoliDesign
from kgreg.nn.motif.design import MotifDesign
from kgreg.nn.ontology import OntologyAutoencoderDesign, TermAutoencoderDesign
from kgreg.nn.regulators.design import RegulatorDesign
from kgreg.nn.sequence.design import SequenceDesign

#: Every kind but the visible network, which has an :class:`kgreg.nn.Architecture`.
KINDS: tuple[type[Design], ...] = (
    DenseDesign,
    OntologyAutoencoderDesign,
    TermAutoencoderDesign,
    MoliDesign,
    BottleneckDesign,
    LateDesign,
    LaplacianAutoencoder,
    Multiview,
    GraphDesign,
    RegulatorDesign,
    MotifDesign,
    SequenceDesign,
)

#: ``[network] model`` -> design.
DESIGNS: dict[str, type[Design]] = {str(kind.model_fields["model"].default): kind for kind in KINDS}
