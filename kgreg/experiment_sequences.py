"""``[data.sequences]`` of an experiment file: where DNA sequences and what they teach come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kgreg.data.sequence.bed import is_bed
from kgreg.data.sequence.reading import BACKGROUND


class SequencesSection(BaseModel):
    """``[data.sequences]``: the sequences.

    ``files`` names FASTA or BED files for every class, which is then what is learned; or ``file`` is one such file, and
    ``labels`` a table of what is known of its sequences (``[data] label`` names the column), or ``targets`` a bigWig
    file whose ``statistic`` over each window is regressed. BED files need a ``genome``. ``length`` is that of all
    sequences. ``negatives`` are a class of their own, drawn for every sequence. ``test_chromosomes`` fix the split.
    ``blocks`` are tables of numbers by the names of the sequences, which a layer "join" reads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, str | Annotated[list[str], Field(min_length=1)]] = {}
    file: str | None = None
    labels: str | None = None
    targets: Annotated[dict[str, str], Field(max_length=1)] = {}
    statistic: Literal["mean", "max", "sum"] = "mean"
    transform: Literal["none", "log1p"] = "none"
    genome: str | None = None
    length: Annotated[int, Field(ge=1)] | None = None
    ends: Literal["pad", "drop"] = "pad"
    centre: Literal["middle", "summit"] = "middle"
    negatives: Literal["gc", "dinucleotide"] | None = None
    seed: int = Field(default=0, ge=0)
    test_chromosomes: list[str] = []
    blocks: dict[str, str] = {}

    @property
    def paths(self) -> dict[str, list[str]]:
        """Class -> its files."""
        return {label: [one] if isinstance(one, str) else list(one) for label, one in self.files.items()}

    @model_validator(mode="after")
    def _one_way_to_learn(self) -> SequencesSection:
        if (self.file is None) == (not self.files):
            raise ValueError("give either 'files' of classes, or one 'file' with 'labels' or 'targets'")
        if self.files and (self.labels is not None or self.targets):
            raise ValueError("'labels' and 'targets' are for one 'file'; of 'files' the class is learned")
        if self.file is not None and (self.labels is None) == (not self.targets):
            raise ValueError("one 'file' needs either 'labels' or 'targets'")
        if len(self.files) == 1 and self.negatives is None:
            raise ValueError("there is one class of 'files'; name another, or set 'negatives'")
        if self.negatives is not None and (self.file is not None or BACKGROUND in self.files):
            raise ValueError(f"'negatives' are a class of their own, '{BACKGROUND}', beside other classes of 'files'")
        if not self.targets:
            for key in ("statistic", "transform"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"'{key}' means nothing without 'targets'")
        return self

    @model_validator(mode="after")
    def _genome_where_it_is_needed(self) -> SequencesSection:
        every = [path for paths in self.paths.values() for path in paths] + ([self.file] if self.file else [])
        over_genome = [path for path in every if is_bed(path)]
        if self.genome is None and over_genome:
            raise ValueError(f"{over_genome[0]} is a BED file, which needs a 'genome'")
        if self.genome is None and self.negatives == "gc":
            raise ValueError("negatives = \"gc\" are drawn from a 'genome'")
        return self


def resolve_sequence_paths(section: dict[str, Any], base: Path) -> dict[str, Any]:
    """Return the record of a section with its paths taken relative to ``base``."""

    def resolved(paths: str | list[str]) -> str | list[str]:
        return [str(base / path) for path in paths] if isinstance(paths, list) else str(base / paths)

    resolved_files: dict[str, Any] = {
        key: resolved(section[key]) for key in ("file", "labels", "genome") if section[key] is not None
    }
    for key in ("files", "targets", "blocks"):
        resolved_files |= {key: {name: resolved(paths) for name, paths in section[key].items()}}
    return section | resolved_files
