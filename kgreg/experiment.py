"""The experiment file: what ``kgreg run`` is asked to do, checked before anything starts."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from kgreg.blueprint.kinds import GENE_SET_FILES
from kgreg.errors import ExperimentError
from kgreg.experiment_data import DataSection
from kgreg.experiment_errors import explain
from kgreg.experiment_sections import (
    NETWORKS,
    AnyNetwork,
    DecodeSection,
    KnockoutsSection,
    KnowledgeSection,
    NetworkSection,
    NullsSection,
    OutputSection,
    Section,
    TrainingSection,
)
from kgreg.experiment_sequences import resolve_sequence_paths

#: Folds of a cross-validation when ``[training]`` gives none.
DEFAULT_FOLDS = 5


class Experiment(Section):
    """A whole experiment."""

    title: str = "kgreg experiment"
    recipe: str | None = None
    data: DataSection
    knowledge: KnowledgeSection = KnowledgeSection()
    network: AnyNetwork = NetworkSection()
    training: TrainingSection = TrainingSection()
    nulls: NullsSection = NullsSection()
    decode: DecodeSection = DecodeSection()
    knockouts: KnockoutsSection = KnockoutsSection(automatic=3)
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _nothing_to_permute(self) -> Experiment:
        if self.knowledge.guide == "none" and self.nulls.rewired:
            if "rewired" in self.nulls.model_fields_set:
                raise PydanticCustomError(
                    "sections",
                    "guide = \"none\" has no knowledge that could be permuted; remove 'rewired', or set it to 0",
                    {"place": ("nulls", "rewired")},
                )
            object.__setattr__(self, "nulls", self.nulls.model_copy(update={"rewired": 0}))
        return self

    @model_validator(mode="after")
    def _folds_or_split(self) -> Experiment:
        fixed = self.data.fixes_split
        if not fixed and self.training.folds is None:
            object.__setattr__(self, "training", self.training.model_copy(update={"folds": DEFAULT_FOLDS}))
        elif fixed and self.training.folds is not None:
            by = "the column of [data] split" if self.data.split is not None else "'test_chromosomes'"
            raise PydanticCustomError(
                "sections",
                f"{by} fixes one split; remove 'folds'",
                {"place": ("training", "folds")},
            )
        return self

    @field_validator("title")
    @classmethod
    def _titled(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("give the experiment a title, or leave the key out")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return sections, keys and values, defaults included (JSON values)."""
        return self.model_dump(mode="json")

    def replace(self, section: str, **values: Any) -> Experiment:
        """Return the experiment with values of one section changed (None: left alone), checked again."""
        record = self.to_dict()
        record[section] |= {key: value for key, value in values.items() if value is not None}
        return make_experiment(record, "the options of the command line")


def read_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment file (TOML, or the ``experiment.json`` of a run).

    Paths in it become absolute, taken relative to the file.

    Raises
    ------
    ExperimentError
        If the file cannot be read, is not TOML, has an unknown key or a wrong value; the message names the file, the
        line, the key and the allowed values.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path} cannot be read: {error}", "Give the path of an experiment file.") from error
    try:
        record = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of both parsers; the message has line and column
        raise ExperimentError(f"{path} is not valid {path.suffix[1:].upper() or 'TOML'}: {error}.") from error
    experiment = make_experiment(record, str(path), text)
    return _resolve_paths(experiment, path.resolve().parent)


def make_experiment(record: dict[str, Any], origin: str = "the experiment", text: str = "") -> Experiment:
    """Check sections, keys and values.

    Parameters
    ----------
    record
        Section -> key -> value.
    origin, text
        Name and text of the file, for the line numbers of errors.

    Raises
    ------
    ExperimentError
        See :func:`read_experiment`.
    """
    try:
        return Experiment.model_validate(_with_recipe(record, origin))
    except ValidationError as error:
        problems = [explain(Experiment, NETWORKS, problem, origin, text) for problem in error.errors(include_url=False)]
        _, messages, hints = zip(*sorted(problems, key=lambda found: found[0]), strict=True)
        raise ExperimentError("\n".join(messages), "\n".join(dict.fromkeys(h for h in hints if h))) from None


def recipe_names() -> list[str]:
    """Return the recipes that ship with kgreg: published systems, for ``recipe = "..."``."""
    folder = resources.files("kgreg.recipes")
    files = {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir() if entry.name.endswith(".toml")}
    # A file that names its data is a whole experiment.
    return sorted(
        name
        for name, file in files.items()
        if not {"file", "modalities", "sequences"} & tomllib.loads(file.read_text("utf-8")).get("data", {}).keys()
    )


def read_recipe(name: str) -> dict[str, Any]:
    """Return the sections of a recipe: the keys of a published system, for ``recipe = "..."``.

    Raises
    ------
    ExperimentError
        If there is none of that name.
    """
    if name not in recipe_names():
        raise ExperimentError(f"There is no recipe '{name}'.", f"Choose one of: {', '.join(recipe_names())}.")
    text = (resources.files("kgreg.recipes") / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _with_recipe(record: dict[str, Any], origin: str) -> dict[str, Any]:
    """Return the record with the keys of its recipe where it has none of its own."""
    name = record.get("recipe")
    if not isinstance(name, str):
        return record
    try:
        recipe = read_recipe(name)
    except ExperimentError as error:
        raise ExperimentError(f"{origin}: {error}", error.hint) from None
    merged = dict(record)
    for section, keys in recipe.items():
        if isinstance(keys, dict):
            own = record.get(section, {})
            merged[section] = {**keys, **own} if isinstance(own, dict) else own
    return merged


def _resolve_paths(experiment: Experiment, base: Path) -> Experiment:
    record = experiment.to_dict()
    files = [(record["data"], key) for key in ("file", "obs")]
    files += [(modality, key) for modality in record["data"]["modalities"].values() for key in ("file", "map")]
    for section, key in files:
        if section[key] is not None and not section[key].startswith("scanpy:"):
            section[key] = str(base / section[key])
    if record["data"]["sequences"] is not None:
        record["data"]["sequences"] = resolve_sequence_paths(record["data"]["sequences"], base)
    if record["knowledge"]["store"] is not None and "://" not in record["knowledge"]["store"]:
        record["knowledge"]["store"] = str(base / record["knowledge"]["store"])
    if record["knowledge"]["blueprint"] is not None:
        record["knowledge"]["blueprint"] = str(base / record["knowledge"]["blueprint"])
    for role in ("terms", "hierarchy", "annotations", "interactions", "network", "motifs", "expressed"):
        query = record["knowledge"][role]
        if query is not None and (query.endswith(".cypher") or Path(query).suffix):
            record["knowledge"][role] = str(base / query)
    if record["decode"]["enrichment"] is not None:
        record["decode"]["enrichment"] = [
            str(base / name) if name.endswith(GENE_SET_FILES) else name for name in record["decode"]["enrichment"]
        ]
    record["output"]["folder"] = str(base / record["output"]["folder"])
    return Experiment.model_validate(record)
