"""Kinds of nodes: what samples are read into, and what is ranked among itself; names of collections of gene sets."""

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

#: Collections of gene sets that are called by name: all but the last are asked of a store; ``network`` are the
#: subsystems of the run itself.
GENE_SETS = (
    "go", "go_molecular_function", "go_cellular_component", "reactome", "tf_targets", "gene_sets", "network",
)  # fmt: skip

#: Ends of the names of files that hold gene sets, or a query for them.
GENE_SET_FILES = (".gmt", ".gmt.gz", ".cypher")
