"""Sequences as samples: FASTA, BED and a genome, bigWig targets, variants, negatives, k-mer counts."""
