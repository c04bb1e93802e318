"""Kinds of nodes: what samples are read into, and what is ranked among itself."""

from __future__ import annotations

#: Kinds of the nodes that samples are read into; all others are inner nodes.
INPUT_KINDS = ("gene", "sequence")

#: Kinds that are ranked among themselves, in the order in which they are shown, with what a reader calls several of
#: them; every other kind of inner node counts as "term".
RANKED_KINDS = {
    "term": "subsystems",
    "family": "families of factors",
    "tf": "transcription factors",
    "motif": "motifs",
    "gene": "genes",
}
