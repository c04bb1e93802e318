"""Files of contacts, windows, and the graphs over them."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.data.contacts import (
    ContactGraph,
    Windows,
    joined_contacts,
    neighbour_graph,
    random_graph,
    read_contacts,
    rewired_contacts,
    shifted_contacts,
)
from kgreg.errors import DataError, KgregError


def windows_of(n: int = 20, chromosomes: tuple[str, ...] = ("chr1", "chr2", "chrX"), width: int = 1000) -> Windows:
    rows = [(name, i * width, (i + 1) * width) for name in chromosomes for i in range(n)]
    return Windows(pd.DataFrame(rows, columns=["chrom", "start", "end"]))


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def triples(graph: ContactGraph) -> list[tuple[int, int, float]]:
    return list(zip(graph.one.tolist(), graph.two.tolist(), graph.weight.tolist(), strict=True))


def common_name(chromosome: str) -> str:
    return chromosome.removeprefix("chr")


Line = tuple[str, int, int, str, int, int, float]
ends = st.tuples(st.sampled_from(["1", "chr1", "2", "X", "7"]), st.integers(0, 6000), st.integers(1, 2500))
lines_of_contacts = st.lists(st.tuples(ends, ends, st.integers(0, 9)), min_size=1, max_size=12)


def slow(lines: list[Line], windows: Windows, between: bool) -> tuple[dict[tuple[int, int], float], Counter[str]]:
    """Every line against every pair of windows."""
    table, found, counts = list(windows.table.itertuples()), Counter[tuple[int, int]](), Counter[str]()
    for chrom1, start1, end1, chrom2, start2, end2, score in lines:
        if common_name(chrom1) != common_name(chrom2) and not between:
            counts["between"] += 1
            continue

        def hit(chrom: str, start: int, end: int) -> list[int]:
            return [
                i
                for i, w in enumerate(table)
                if common_name(w.chrom) == common_name(chrom) and w.start < end and start < w.end
            ]

        one, two = hit(chrom1, start1, end1), hit(chrom2, start2, end2)
        if not one or not two:
            counts["outside"] += 1
            continue
        pairs = [(min(a, b), max(a, b)) for a in one for b in two if a != b]
        counts["itself"] += not pairs
        for pair in pairs:
            found[pair] += score
    return {pair: score for pair, score in found.items() if score}, counts


@given(contacts=lines_of_contacts, between=st.booleans(), seed=st.integers(0, 5))
def test_reading_equals_a_loop_over_lines_and_windows(
    tmp_path_factory: pytest.TempPathFactory, contacts: list[tuple[tuple[str, int, int], ...]], between: bool, seed: int
) -> None:
    table = windows_of(5, ("chr1", "chr2", "X")).table
    # Windows overlap (flanks), and stand in any order.
    windows = Windows(table.assign(end=table["end"] + 300).sample(frac=1, random_state=seed))
    lines: list[Line] = [(a, s, s + w, b, t, t + v, float(score)) for (a, s, w), (b, t, v), score in contacts]
    path = write(
        tmp_path_factory.mktemp("contacts") / "x.bedpe",
        "".join("\t".join(str(v) for v in (*line[:6], "name", line[6])) + "\n" for line in lines),
    )
    expected, counts = slow(lines, windows, between)
    if not expected:
        with pytest.raises(DataError, match="No contact"):
            read_contacts(path, windows, between=between, weighted=True)
        return
    graph = read_contacts(path, windows, between=between, weighted=True)
    assert {(a, b): w for a, b, w in triples(graph)} == expected
    assert graph.counts["lines"] == len(lines)
    assert graph.counts["between chromosomes"] == counts["between"]
    assert graph.counts["an end outside the windows"] == counts["outside"]
    assert graph.counts["within one window"] == counts["itself"]
    dense = graph.adjacency().toarray()
    np.testing.assert_array_equal(dense, dense.T)
    assert set(np.unique(read_contacts(path, windows, between=between).weight)) == {1.0}


def test_pairs_count_from_one_and_add_up(tmp_path: Path) -> None:
    text = (
        "## pairs format v1.0\n#chromsize: chr1 20000\n#columns: readID chr2 pos2 chr1 pos1 strand1 strand2\n"
        "a\t1\t3000\t1\t1000\t+\t-\n"  # 1-based 1000 is the last base of the first window, 3000 that of the third
        "b\tchr1\t1\tchr1\t2001\t+\t-\n"
        "c\t!\t0\t1\t5\t+\t-\n"
        "d\tchr1\t1\tchr2\t1\t+\t-\n"
    )
    graph = read_contacts(write(tmp_path / "x.pairs.gz", text), windows_of(), weighted=True)
    assert triples(graph) == [(0, 2, 2.0)]
    assert graph.counts["an end without a place"] == 1
    assert graph.counts["between chromosomes"] == 1
    assert graph.summary()["isolated_windows"] == 58


def test_headers_of_juicer_are_known_and_a_column_can_be_chosen(tmp_path: Path) -> None:
    header = "chr1\tx1\tx2\tchr2\ty1\ty2\tname\tscore\tobserved\n"
    path = write(tmp_path / "x.bedpe", f"track a\n{header}# comment\n1\t0\t1000\t1\t5000\t6000\t.\t.\t17\n")
    assert triples(read_contacts(path, windows_of(), weighted=True)) == [(0, 5, 1.0)]
    assert triples(read_contacts(path, windows_of(), weighted=True, score="observed")) == [(0, 5, 17.0)]
    with pytest.raises(DataError, match=r"x.bedpe, line 4: there is no column 'expected'"):
        read_contacts(path, windows_of(), score="expected")


def test_the_strongest_of_every_chromosome_stay(tmp_path: Path) -> None:
    rows = [("1", 0, 3, 5), ("1", 0, 4, 9), ("1", 1, 4, 9), ("2", 0, 1, 1), ("2", 2, 3, 2)]
    text = "".join(f"{c}\t{a * 1000}\t{a * 1000 + 9}\t{c}\t{b * 1000}\t{b * 1000 + 9}\t.\t{s}\n" for c, a, b, s in rows)
    path = write(tmp_path / "x.bedpe", text)
    graph = read_contacts(path, windows_of(), strongest=2)
    assert triples(graph) == [(0, 4, 1.0), (1, 4, 1.0), (20, 21, 1.0), (22, 23, 1.0)]
    assert graph.counts["weaker than the strongest of the chromosome"] == 1
    one = read_contacts(path, windows_of(), strongest=1)
    assert triples(one) == [(0, 4, 1.0), (22, 23, 1.0)]  # ties by the order of the windows


def test_square_root_normalisation(tmp_path: Path) -> None:
    text = "".join(
        f"1\t{a * 1000}\t{a * 1000 + 9}\t1\t{b * 1000}\t{b * 1000 + 9}\t.\t{s}\n"
        for a, b, s in [(0, 0, 4), (0, 1, 2), (1, 2, 6)]
    )
    graph = read_contacts(write(tmp_path / "x.bedpe", text), windows_of(), weighted=True, normalise="sqrt_vc")
    total = {0: 6, 1: 8, 2: 6}
    expected = [2 / np.sqrt(total[0] * total[1]), 6 / np.sqrt(total[1] * total[2])]
    assert [(a, b) for a, b, _ in triples(graph)] == [(0, 1), (1, 2)]
    np.testing.assert_allclose(graph.weight, expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.bedpe", "1\t0\t10\t1\t50\n", "line 1: expected 6 columns or more, found 5"),
        ("x.bedpe", "1\t0\t10\t1\t50\t60\n1\t0\tten\t1\t50\t60\n", "line 2: 'ten' is no end"),
        ("x.bedpe", "1\t20\t10\t1\t50\t60\n", "line 1: 1:20-10 is no interval"),
        ("x.bedpe", f"1\t20\t{10**30}\t1\t50\t60\n", "line 1: .* is no end"),
        ("x.bedpe", "1\t0\t10\t1\t50\t60\t.\t-3\n", "line 1: the score -3 is negative"),
        ("x.bedpe", "1\t0\t10\t1\t50\t60\t.\tnan\n", "line 1: the score nan is negative or not finite"),
        ("x.bedpe", "1\t0\t10\t1\t50\t60\t.\tmany\n", "line 1: 'many' is no score"),
        ("x.bedpe", "1\t0\t9\t1\t50\t60\t.\t1\n1\t0\t9\t1\t50\t60\n", "line 2: this line has no score"),
        ("x.pairs", "#columns: readID chr1 pos1 chr2\n", "line 1: the columns lack pos2"),
        ("x.pairs", "a\t1\t5\n", "line 1: expected 5 columns or more, found 3"),
        ("x.pairs", "a\t1\t5\t1\tx\n", "line 1: 'x' is no position"),
        ("x.pairs", "a\t1\t-5\t1\t6\n", "line 1: the position -5 is negative"),
        ("x.bedpe", "9\t0\t10\t9\t50\t60\n", "No contact of .*: of 1 lines 1 an end outside the windows"),
        ("x.txt", "", "neither .bedpe nor .pairs"),
        ("x.bedpe", "", "empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(KgregError, match=message):
        read_contacts(write(tmp_path / name, text), windows_of())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", 0, 10), ("chr1", 10, 20)], "two names"),
        ([("1", 0, 10), ("1", 2, 8)], "lie within each other"),
        ([("1", 0, 10), ("1", 0, 10)], "lie within each other"),
        ([("1", 10, 10)], "Row 1 of the windows is no interval"),
        ([("1", 0, 10), (None, 3, 9)], "Row 2 of the windows is no interval"),
        ([("1", "a", 10)], "Row 1 of the windows is no interval"),
    ],
)
def test_windows_without_an_order_are_refused(rows: list[tuple[object, ...]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Windows(pd.DataFrame(rows, columns=["chrom", "start", "end"]))
    with pytest.raises(DataError, match="lacks the columns end"):
        Windows(pd.DataFrame(rows, columns=["chrom", "start", "stop"]))


# ---- graphs to compare with ----------------------------------------------------------------------------------------


def some_contacts(seed: int = 0, pairs: int = 60) -> ContactGraph:
    windows, rng = windows_of(40), np.random.default_rng(seed)
    found = {tuple(sorted(rng.choice(40, 2, replace=False) + 40 * rng.integers(3))) for _ in range(pairs)}
    found |= {(3, 50), (7, 90), (45, 100)}  # some between chromosomes
    one, two = np.array(sorted(found)).T
    return ContactGraph(windows, one, two, np.ones(len(one)))


def test_neighbours_are_the_next_windows_of_the_chromosome() -> None:
    shuffled = windows_of(10).table.sample(frac=1, random_state=1)
    windows = Windows(shuffled)
    graph = neighbour_graph(windows, 3)
    place = {(w.chrom, w.start // 1000): i for i, w in enumerate(windows.table.itertuples())}
    expected = {
        tuple(sorted((place[chrom, i], place[chrom, j])))
        for chrom in windows.chromosomes
        for i in range(10)
        for j in range(i + 1, min(i + 4, 10))
    }
    assert {(a, b) for a, b, _ in triples(graph)} == expected


@pytest.mark.parametrize("seed", range(3))
def test_null_graphs_keep_what_they_promise(seed: int) -> None:
    contacts = some_contacts(seed)
    codes = contacts.windows.codes
    within = codes[contacts.one] == codes[contacts.two]
    drawn, rewired, shifted = (make(contacts, seed) for make in (random_graph, rewired_contacts, shifted_contacts))
    for graph in (drawn, rewired, shifted):
        assert (graph.one < graph.two).all()
        assert len({*zip(graph.one.tolist(), graph.two.tolist(), strict=True)}) == len(graph)
        assert graph.adjacency().toarray().tolist() != contacts.adjacency().toarray().tolist()
    np.testing.assert_array_equal(rewired.degrees(), contacts.degrees())
    for graph in (rewired, shifted):
        assert Counter(zip(codes[graph.one], codes[graph.two], strict=True)) == Counter(
            zip(codes[contacts.one], codes[contacts.two], strict=True)
        )
    per_chromosome = np.bincount(codes[contacts.one][within], minlength=3)
    np.testing.assert_array_equal(np.bincount(codes[drawn.one], minlength=3), per_chromosome)
    assert (codes[drawn.one] == codes[drawn.two]).all()
    assert Counter(shifted.degrees()[:40].tolist()) == Counter(contacts.degrees()[:40].tolist())
    around = [np.minimum((g.two - g.one) % 40, (g.one - g.two) % 40) for g in (contacts, shifted)]
    inside = [codes[g.one] == codes[g.two] for g in (contacts, shifted)]
    assert Counter(around[0][inside[0]].tolist()) == Counter(around[1][inside[1]].tolist())


def test_graphs_are_joined() -> None:
    contacts = some_contacts()
    both = joined_contacts(contacts, neighbour_graph(contacts.windows, 2))
    expected = {*zip(contacts.one.tolist(), contacts.two.tolist(), strict=True)} | {
        (a, b) for a, b, _ in triples(neighbour_graph(contacts.windows, 2))
    }
    assert {(a, b) for a, b, _ in triples(both)} == expected
    with pytest.raises(DataError, match="different windows"):
        joined_contacts(contacts, neighbour_graph(windows_of(3)))
