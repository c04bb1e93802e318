"""Reading ontologies in OBO 1.2 and 1.4 (https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html).

Readers at hand take a dangling parent, a cycle, an id given twice or a stanza cut in two without a word, so every line
is read here with its number, and what was read is checked before anything is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.sources.files import name_of, read_lines

_AGAIN = "Download the file again; if it is so at its origin, correct the line."
# Possessive, so that a quote that is never closed costs no memory.
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}
# The relations along which a term may not come back to itself.
_ACYCLIC = ("is_a", "part_of")


@dataclass
class OboTerm:
    """One ``[Term]`` stanza; ``line`` is where it begins."""

    line: int
    id: str = ""
    name: str = ""
    namespace: str = ""
    definition: str | None = None
    alt_ids: list[str] = field(default_factory=list)
    obsolete: bool = False
    replaced_by: list[str] = field(default_factory=list)
    subsets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """Something odd that was left out: its kind (to count by), the line, and what it is."""

    kind: str
    line: int
    text: str


@dataclass(frozen=True)
class Ontology:
    """What an OBO file says.

    Attributes
    ----------
    terms
        Id -> term, obsolete ones too, in the order of the file.
    relations
        (child, parent, relation) between terms that are not obsolete, each once; ``is_a`` or a name of a Typedef.
    subsets
        Name -> description, as declared in the header.
    data_version
        As the header gives it, such as ``releases/2025-10-10``; empty if it does not.
    findings
        What was left out of ``relations`` or is odd about a term.
    """

    terms: dict[str, OboTerm]
    relations: list[tuple[str, str, str]]
    subsets: dict[str, str]
    data_version: str
    findings: list[Finding]


def read_obo(location: Path | str) -> Ontology:
    """Read an OBO file, plain or gzip, from a path or an https address.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.read_lines`, and, with the line: for a line that is no ``tag: value``, a stanza
        without an id, an id given twice, an ``is_a`` to a term that the file lacks, a cycle of ``is_a`` and
        ``part_of``, a last line without an end, or a file without terms.
    """
    reader = _Reader(name_of(location))
    for number, line in read_lines(location, whole=True):
        reader.take(number, line)
    return reader.finish()


class _Reader:
    """Takes the lines of one file in order; the checks that need all of them wait for the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.header: dict[str, str] = {}
        self.subsets: dict[str, str] = {}
        self.terms: dict[str, OboTerm] = {}
        self.links: list[tuple[str, str, str, int]] = []
        self.findings: list[Finding] = []
        self.stanza = "header"
        self.term: OboTerm | None = None
        self.parents: list[tuple[str, str, int]] = []

    def take(self, number: int, line: str) -> None:
        if not line or line[0] == "!" or line.isspace():
            return
        if line[0] == "[":
            self._close()
            self.stanza = line.partition("!")[0].strip()
            if self.stanza[-1] != "]":
                raise self._error(number, f"the stanza '{self.stanza[:40]}' has no closing bracket")
            if self.stanza == "[Term]":
                self.term = OboTerm(number)
            return
        tag, colon, value = line.partition(":")
        if not colon:
            raise self._error(number, f"expected 'tag: value', found '{line[:60]}'")
        if self.term is not None:
            self._take_term(number, self.term, tag, value.strip())
        elif self.stanza == "header":
            self._take_header(tag, value.strip())

    def finish(self) -> Ontology:
        self._close()
        if not self.terms:
            raise SourceError(f"{self.name} holds no [Term].", "Check that this is an ontology in OBO format.")
        relations = self._checked_relations()
        self._check_cycles(relations)
        namespace = self.header.get("default-namespace") or self.header.get("ontology", "")
        for term in self.terms.values():
            term.namespace = term.namespace or namespace
            if not term.name:
                self._find("terms without a name", term.line, f"{term.id} has no name; its id stands for it")
                term.name = term.id
        return Ontology(self.terms, relations, self.subsets, self.header.get("data-version", ""), self.findings)

    def _take_header(self, tag: str, value: str) -> None:
        if tag == "subsetdef":
            name, _, rest = value.partition(" ")
            self.subsets[name] = _quoted(rest) or name
        else:
            self.header.setdefault(tag, _plain(value))

    def _take_term(self, number: int, term: OboTerm, tag: str, value: str) -> None:
        if tag == "id":
            if term.id:
                raise self._error(number, f"a second id in the stanza of {term.id}")
            term.id = self._word(number, tag, value)
        elif tag == "name":
            term.name = _plain(value)
        elif tag == "namespace":
            term.namespace = _plain(value)
        elif tag == "def":
            term.definition = _quoted(value)
            if term.definition is None:
                raise self._error(number, "the definition is not in quotes, or they are not closed")
        elif tag == "is_a":
            self.parents.append((self._word(number, tag, value), "is_a", number))
        elif tag == "relationship":
            relation, _, rest = value.partition(" ")
            self.parents.append((self._word(number, tag, rest), relation, number))
        elif tag == "alt_id":
            term.alt_ids.append(self._word(number, tag, value))
        elif tag == "subset":
            term.subsets.append(self._word(number, tag, value))
        elif tag == "replaced_by":
            term.replaced_by.append(self._word(number, tag, value))
        elif tag == "is_obsolete":
            term.obsolete = _plain(value) == "true"

    def _close(self) -> None:
        """End the stanza of a term."""
        term, self.term = self.term, None
        if term is None:
            return
        if not term.id:
            raise self._error(term.line, "a [Term] without an id")
        before = self.terms.get(term.id)
        if before is not None:
            raise self._error(term.line, f"the id {term.id} was given before, at line {before.line}")
        self.terms[term.id] = term
        if not term.obsolete:
            self.links += ((term.id, parent, relation, line) for parent, relation, line in self.parents)
        self.parents.clear()

    def _checked_relations(self) -> list[tuple[str, str, str]]:
        kept: dict[tuple[str, str, str], None] = {}
        for child, parent, relation, line in self.links:
            target = self.terms.get(parent)
            link = f"{child} {relation} {parent}"
            if target is None and relation == "is_a":
                raise self._error(line, f"{child} is_a {parent}, but the file has no term {parent}")
            if target is None:
                self._find("relations to terms that the file lacks", line, link)
            elif target.obsolete:
                self._find("relations to obsolete terms", line, link)
            elif (child, parent, relation) in kept:
                self._find("relations given twice", line, link)
            else:
                kept[child, parent, relation] = None
        return list(kept)

    def _check_cycles(self, relations: Iterable[tuple[str, str, str]]) -> None:
        parents: dict[str, list[str]] = {}
        for child, parent, relation in relations:
            if relation in _ACYCLIC:
                parents.setdefault(child, []).append(parent)
        try:
            TopologicalSorter(parents).prepare()
        except CycleError as error:
            cycle = error.args[1]  # from parent to child, the first again at the end
            raise self._error(
                self.terms[cycle[-1]].line, f"a cycle of {' and '.join(_ACYCLIC)}: {' -> '.join(reversed(cycle))}"
            ) from None

    def _word(self, number: int, tag: str, value: str) -> str:
        """Return the id that a value begins with; modifiers and comments may follow."""
        words = value.split(None, 1)
        if not words or words[0][0] in "!{":
            raise self._error(number, f"'{tag}' names no id")
        return words[0]

    def _find(self, kind: str, line: int, text: str) -> None:
        self.findings.append(Finding(kind, line, text))

    def _error(self, line: int, text: str) -> SourceError:
        return SourceError(f"{self.name}, line {line}: {text}.", _AGAIN)


def _plain(value: str) -> str:
    """Return unquoted text without its trailing modifier and comment."""
    if " !" in value:
        value = re.split(r"(?<!\\) !", value, maxsplit=1)[0].rstrip()
    if value.endswith("}") and " {" in value:
        value = value[: value.rindex(" {")].rstrip()
    return _unescaped(value)


def _quoted(value: str) -> str | None:
    match = _QUOTED.match(value)
    return _unescaped(match[1]) if match else None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text
