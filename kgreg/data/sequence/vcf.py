"""Variants from VCF files (VCF 4.x), checked against a genome, and the sequences around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.codes import UNKNOWN, encode
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError
from kgreg.sources.files import read_lines

#: What becomes of variants whose REF is not what the genome has.
Mismatches = Literal["error", "skip"]

#: What is counted as left out.
SYMBOLIC = "alleles that are not written out (<DEL>, *, breakends)"
NO_ALTERNATIVE = "sites without an alternative allele"
NO_CHROMOSOME = "variants on chromosomes that the genome lacks"
MISMATCH = "variants whose REF is not what the genome has"
#: What is counted as mended.
RENAMED = "variants on chromosomes that are named otherwise (1 and chr1)"

_COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT"]
_ALLELE = re.compile(r"[ACGTNacgtn]+")


def read_variants(
    path: Path | str, genome: Genome, mismatches: Mismatches = "error", tally: Tally | None = None
) -> pd.DataFrame:
    """Read the variants of a VCF file, plain or gzip, in any order; each alternative of a site is a row.

    Parameters
    ----------
    genome
        An open genome, with which every REF is compared. An N on either side agrees with everything.
    mismatches
        Variants whose REF is not what the genome has are an error, or skipped and counted.
    tally
        Gets what is left out, and how many chromosomes are named otherwise.

    Returns
    -------
    ``chrom, pos, id, ref, alt, line``: ``chrom`` as the genome calls it, ``pos`` from 1 as in the file, alleles in
    upper case, ``line`` of the file.

    Raises
    ------
    DataError
        If the header is missing, a line has fewer than five columns, a position or an allele is none, a REF does not
        agree with the genome, or no variant is left; the message has file and line.
    SourceError
        If the file cannot be read.
    """
    tally = Tally() if tally is None else tally
    rows: list[tuple[str, int, str, str, str, int]] = []
    wrong: list[str] = []
    sites = 0
    for number, fields in _sites(path):
        sites += 1
        where = f"{path}, line {number}"
        named, pos, ident, ref, alternatives = fields[0], _position(fields[1], where), *fields[2:5]
        if _ALLELE.fullmatch(ref) is None:
            raise DataError(f"{where}: the REF allele is '{ref[:40]}'.", "It consists of the letters A, C, G, T and N.")
        chrom = genome.resolve(named)
        alleles = _alleles(alternatives, where, tally)
        if chrom is None:
            tally.left_out[NO_CHROMOSOME] += len(alleles)
            continue
        if chrom != named:
            tally.repairs[RENAMED] += len(alleles)
        said = encode(ref.encode())
        found = genome.read(chrom, pos - 1, pos - 1 + len(ref))
        if pos < 1 or pos - 1 + len(ref) > genome.lengths[chrom]:
            wrong.append(
                f"{where}: {chrom}:{pos} lies beyond the chromosome, which has {genome.lengths[chrom]} letters"
            )
        elif ((said != found) & (said != UNKNOWN) & (found != UNKNOWN)).any():
            has = "".join("ACGTN"[code] for code in found[:40])
            wrong.append(f"{where}: REF of {chrom}:{pos} is {ref[:40]}, and the genome has {has}")
        else:
            rows += [(chrom, pos, ident, ref.upper(), allele, number) for allele in alleles]
            continue
        tally.left_out[MISMATCH] += len(alleles)
    if wrong and mismatches == "error":
        more = f" ({len(wrong)} of {sites} sites do not agree)" if len(wrong) > 1 else ""
        raise DataError(
            f"{wrong[0]}{more}.",
            f"Check that the file and {genome.path} are of the same genome assembly, or skip such variants.",
        )
    if not rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in tally.left_out.items() if count)
        raise DataError(f"{path} holds no variant that can be used{': ' + reasons if reasons else ''}.")
    return pd.DataFrame(rows, columns=["chrom", "pos", "id", "ref", "alt", "line"])


def variant_windows(variants: pd.DataFrame, genome: Genome, length: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the sequences with the reference and with the alternative alleles, two ``[n, length]`` uint8.

    The middle letter of the allele stands at position ``length // 2`` of its sequence, and the genome follows on both
    sides. So of an insertion or a deletion both flanks move by half of its length; of a substitution nothing moves.

    Parameters
    ----------
    variants
        As :func:`read_variants` returns them, or some of their rows: take them in blocks where there are many.

    Raises
    ------
    DataError
        If an allele is longer than ``length``; the message has the line of its file.
    """
    both = (np.empty((len(variants), length), dtype=np.uint8), np.empty((len(variants), length), dtype=np.uint8))
    rows = zip(*(variants[name] for name in ("chrom", "pos", "ref", "alt", "line")), strict=True)
    for row, (chrom, pos, ref, alt, line) in enumerate(rows):
        for codes, allele in zip(both, (ref, alt), strict=True):
            if len(allele) > length:
                raise DataError(
                    f"Line {line}: an allele of {chrom}:{pos} has {len(allele)} letters, more than the {length} of a "
                    "sequence.",
                    "Leave such variants out.",
                )
            left = length // 2 - len(allele) // 2
            behind = pos - 1 + len(ref)
            codes[row, :left] = genome.read(chrom, pos - 1 - left, pos - 1)
            codes[row, left : left + len(allele)] = encode(allele.encode())
            codes[row, left + len(allele) :] = genome.read(chrom, behind, behind + length - left - len(allele))
    return both


def _sites(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    header = False
    for number, line in read_lines(path):
        if line.startswith("##") or not line.strip():
            continue
        fields = line.split("\t", 5)
        if line.startswith("#"):
            if fields[:5] != _COLUMNS:
                raise DataError(
                    f"{path}, line {number}: the header does not begin with {', '.join(_COLUMNS)}.",
                    "The columns of a VCF file are separated by tabs.",
                )
            header = True
            continue
        if not header:
            raise DataError(
                f"{path}, line {number}: there is no header line (#CHROM ...) before this one.",
                "Give a VCF file, whole.",
            )
        if len(fields) < 5:
            raise DataError(
                f"{path}, line {number}: {len(fields)} columns, where at least five are needed.",
                "The columns of a VCF file are separated by tabs.",
            )
        yield number, fields
    if not header:
        raise DataError(f"{path} has no header line (#CHROM ...).", "Give a VCF file, whole.")


def _position(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise DataError(f"{where}: the position is '{text[:40]}'.", "Positions are whole numbers.")
    return int(text)


def _alleles(text: str, where: str, tally: Tally) -> list[str]:
    """Return the alternatives that are written out, in upper case."""
    alleles = []
    for allele in text.split(","):
        if allele == ".":
            tally.left_out[NO_ALTERNATIVE] += 1
        elif allele in ("*", "<*>") or (allele[:1] == "<" and allele[-1:] == ">") or set("[].") & set(allele):
            tally.left_out[SYMBOLIC] += 1
        elif _ALLELE.fullmatch(allele):
            alleles.append(allele.upper())
        else:
            raise DataError(
                f"{where}: the ALT allele is '{allele[:40]}'.", "It consists of the letters A, C, G, T and N."
            )
    return alleles
