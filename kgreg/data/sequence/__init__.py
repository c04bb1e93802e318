"""Sequences as samples: FASTA, BED and a genome, bigWig targets, variants, negatives, k-mer counts."""

from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.kmers import gc_content, kmer_counts, kmer_names
from kgreg.data.sequence.negatives import draw_gc_matched
from kgreg.data.sequence.profiles import read_profiles, read_track
from kgreg.data.sequence.reading import read_sequences
from kgreg.data.sequence.rows import SequenceRows
from kgreg.data.sequence.shuffling import dinucleotide_shuffle
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.vcf import read_variants, variant_windows
from kgreg.data.sequence.windows import read_windows

__all__ = [
    "Genome",
    "SequenceRows",
    "Tally",
    "dinucleotide_shuffle",
    "draw_gc_matched",
    "gc_content",
    "kmer_counts",
    "kmer_names",
    "read_profiles",
    "read_sequences",
    "read_track",
    "read_variants",
    "read_windows",
    "variant_windows",
]
