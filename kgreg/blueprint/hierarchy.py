"""A hierarchy of terms over genes while it is being cut to size.

:class:`Hierarchy` is the compiler's workbench: plain sets, one pass a rule, everything that is removed written down.
Transitive closure happens here and not in the database, where variable-length matches enumerate walks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kgreg.errors import BlueprintError


@dataclass
class Hierarchy:
    """Terms, their children and the genes they annotate directly.

    Attributes
    ----------
    labels
        Term id -> name, for every term that is (still) part of the hierarchy.
    parents, children
        Term id -> {term id: relation}.
    genes
        Term id -> {gene id: relation (evidence)} annotated to the term itself.
    dropped
        Rows (step, kind, id, label, reason) of what was removed.
    """

    labels: dict[str, str]
    parents: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    children: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    genes: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    dropped: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def link(self, child: str, parent: str, relation: str) -> None:
        """Add ``child -> parent`` unless it is there; the first relation of a pair is the one kept."""
        self.parents[child].setdefault(parent, relation)
        self.children[parent].setdefault(child, relation)

    def unlink(self, child: str, parent: str) -> None:
        """Remove ``child -> parent``."""
        del self.parents[child][parent]
        del self.children[parent][child]

    def drop(self, step: str, kind: str, node: str, reason: str, label: str = "") -> None:
        """Write down that ``node`` was left out."""
        self.dropped.append((step, kind, node, label or self.labels.get(node, ""), reason))

    # ---- order ---------------------------------------------------------------------------------------------------

    def topological(self) -> list[str]:
        """Return the terms so that children come before parents, ties by id.

        Raises
        ------
        BlueprintError
            If there is a cycle; the message names its terms.
        """
        waiting = {term: len(self.children[term]) for term in self.labels}
        ready = sorted(term for term, count in waiting.items() if count == 0)
        order: list[str] = []
        while ready:
            following: list[str] = []
            for term in ready:
                order.append(term)
                for parent in self.parents[term]:
                    waiting[parent] -= 1
                    if waiting[parent] == 0:
                        following.append(parent)
            ready = sorted(following)
        if len(order) < len(self.labels):
            cycle = self.find_cycle()
            raise BlueprintError(
                f"The hierarchy has a cycle: {' -> '.join([*cycle, cycle[0]])} (child -> parent).",
                "Correct the source, or compile with cycles='break' to drop one edge of every cycle (recorded).",
            )
        return order

    def find_cycle(self) -> list[str]:
        """Return the terms of one cycle, child before parent; empty if there is none."""
        state: dict[str, int] = {}
        for start in sorted(self.labels):
            if start in state:
                continue
            path = [start]
            walks = [iter(sorted(self.parents[start]))]
            state[start] = 1
            while walks:
                parent = next(walks[-1], None)
                if parent is None:
                    state[path.pop()] = 2
                    walks.pop()
                elif state.get(parent) == 1:
                    return path[path.index(parent) :]
                elif parent not in state:
                    state[parent] = 1
                    path.append(parent)
                    walks.append(iter(sorted(self.parents[parent])))
        return []

    def break_cycles(self) -> None:
        """Drop edges until no cycle is left; each one dropped is recorded.

        The rule: walk down from the terms without a parent (then from whatever is left, by id), children in order of
        id; an edge to a term that is being walked already is dropped. So the links nearest the roots survive.
        """
        state: dict[str, int] = {}
        tops = sorted(term for term in self.labels if not self.parents[term])
        for start in [*tops, *sorted(self.labels)]:
            if start in state:
                continue
            path = [start]
            walks = [iter(sorted(self.children[start]))]
            state[start] = 1
            while walks:
                child = next(walks[-1], None)
                if child is None:
                    state[path.pop()] = 2
                    walks.pop()
                elif state.get(child) == 1:
                    parent = path[-1]
                    self.unlink(child, parent)
                    self.drop("cycles", "edge", f"{child} -> {parent}", "closes a cycle")
                elif child not in state:
                    state[child] = 1
                    path.append(child)
                    walks.append(iter(sorted(self.children[child])))

    def levels(self) -> dict[str, int]:
        """Return term -> 1 + the highest level of its children (1 where it has genes only)."""
        level: dict[str, int] = {}
        for term in self.topological():
            level[term] = 1 + max((level[child] for child in self.children[term]), default=0)
        return level

    def levels_from_roots(self) -> dict[str, int]:
        """Return term -> its level when every term stands one below the lowest of its parents; the lowest is 1."""
        depth = self.longest_depths()
        lowest = max(depth.values(), default=0)
        return {term: 1 + lowest - below for term, below in depth.items()}

    def longest_depths(self) -> dict[str, int]:
        """Return term -> most links to a root (0 for the roots)."""
        depth: dict[str, int] = {}
        for term in reversed(self.topological()):
            depth[term] = 1 + max((depth[parent] for parent in self.parents[term]), default=-1)
        return depth

    def depths(self) -> dict[str, int]:
        """Return term -> fewest links to a root (0 for the roots)."""
        depth = {term: 0 for term in self.labels if not self.parents[term]}
        ring = list(depth)
        while ring:
            following = []
            for term in ring:
                for child in self.children[term]:
                    if child not in depth:
                        depth[child] = depth[term] + 1
                        following.append(child)
            ring = following
        return depth

    def closure(self) -> dict[str, set[str]]:
        """Return term -> the genes at or below it."""
        below: dict[str, set[str]] = {}
        for term in self.topological():
            genes = set(self.genes[term])
            for child in self.children[term]:
                genes |= below[child]
            below[term] = genes
        return below

    # ---- cutting -------------------------------------------------------------------------------------------------

    def splice(self, term: str, step: str, reason: str) -> None:
        """Remove ``term``; its genes and its children pass to its parents, each with its own relation.

        A gene that would be left without any term (the spliced one was a root) is recorded by the caller's last step.
        """
        self.drop(step, "term", term, reason)
        above, below = dict(self.parents[term]), dict(self.children[term])
        for parent in above:
            for gene, relation in self.genes[term].items():
                self.genes[parent].setdefault(gene, relation)
        for parent in above:
            self.unlink(term, parent)
        for child, relation in below.items():
            self.unlink(child, term)
            for parent in above:
                self.link(child, parent, relation)
        self.genes.pop(term, None)
        self.labels.pop(term)

    def splice_where(self, step: str, reason_of: Callable[[str], str | None]) -> None:
        """Splice, children first, every term for which ``reason_of`` gives a reason."""
        for term in self.topological():
            reason = reason_of(term)
            if reason is not None:
                self.splice(term, step, reason)

    def keep_only(self, terms: Iterable[str], step: str, reason: str) -> None:
        """Remove every other term together with its links and annotations."""
        keep = set(terms)
        for term in sorted(set(self.labels) - keep):
            for parent in list(self.parents[term]):
                self.unlink(term, parent)
            for child in list(self.children[term]):
                self.unlink(child, term)
            self.genes.pop(term, None)
            self.drop(step, "term", term, reason)
            self.labels.pop(term)

    def below(self, root: str) -> set[str]:
        """Return ``root`` and every term under it."""
        found, stack = {root}, [root]
        while stack:
            for child in self.children[stack.pop()]:
                if child not in found:
                    found.add(child)
                    stack.append(child)
        return found

    def collapse(self, redundancy: float) -> None:
        """Splice every term whose only child covers at least ``redundancy`` of its genes (1: the same genes).

        The child, the more specific of the two, stays.
        """
        below: Mapping[str, set[str]] = self.closure()

        def reason_of(term: str) -> str | None:
            if len(self.children[term]) != 1:
                return None
            child = next(iter(self.children[term]))
            if len(below[child]) < redundancy * len(below[term]):
                return None
            return f"its only child {child} holds {len(below[child])} of its {len(below[term])} genes"

        self.splice_where("redundancy", reason_of)
