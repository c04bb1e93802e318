"""The official files of a source come into the cache: from their addresses, or from a folder."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kgreg.sources
from kgreg.errors import SourceError
from kgreg.fetch import Fetched, cached_files, default_cache_path, download, fetch, fetchable_sources
from kgreg.sources.official import Official, OfficialFile
from tests.fetch.broken_server import BrokenServer, serving, status, whole
from tests.fetch.conftest import Waits

OBO = b"format-version: 1.2\ndata-version: releases/2024-01-17\n\n[Term]\nid: GO:0008150\nname: biological_process\n"
LINKS = gzip.compress(b"protein1 protein2 combined_score\n9606.A 9606.B 900\n")


@pytest.fixture
def files(server: BrokenServer) -> list[OfficialFile]:
    return [
        OfficialFile("ontology", "go.obo", {"*": f"{server.url}/go.obo"}),
        OfficialFile("links", "{taxon}.links.v{release}.txt.gz", {"*": f"{server.url}/v{{release}}/{{taxon}}.gz"}),
        OfficialFile("aliases", "aliases.txt", {"human": f"{server.url}/aliases.txt"}, required=False),
    ]


@pytest.fixture
def bring(files: list[OfficialFile], tmp_path: Path, waits: Waits) -> Any:
    def ask(which: Sequence[OfficialFile] | None = None, **others: Any) -> list[Fetched]:
        others = {"allow_http": True, "cache": tmp_path / "cache", "patience": waits.patience(), **others}
        return fetch(files if which is None else which, name="mixed", **others)

    return ask


def test_files_lie_by_source_species_and_release(server: BrokenServer, bring: Any, tmp_path: Path) -> None:
    server.answers[:] = [whole(OBO), whole(LINKS), whole(b"alias\n")]
    told: list[float] = []
    fetched = bring(species="mouse", release="12.0", progress=lambda _, share: told.append(share))
    place = tmp_path / "cache" / "mixed"
    assert {file.role: file.path for file in fetched} == {
        "ontology": place / "all" / "12.0" / "go.obo",
        "links": place / "mouse" / "12.0" / "10090.links.v12.0.txt.gz",
    }
    assert [path for path, _ in server.asked] == ["/go.obo", "/v12.0/10090.gz"]
    # What the address says is the release; where it says none, the file does.
    assert [file.release for file in fetched] == ["2024-01-17", "12.0"]
    assert told == sorted(told)


def test_nothing_is_asked_for_again(
    server: BrokenServer, bring: Any, files: list[OfficialFile], tmp_path: Path
) -> None:
    server.answers[:] = [whole(OBO), whole(LINKS), whole(b"alias\n")]
    first = bring()
    asked = len(server.asked)
    assert bring() == first
    assert bring(species="9606") == first
    assert cached_files(files, cache=tmp_path / "cache", name="mixed") == first
    assert len(server.asked) == asked == 3


def test_what_is_not_published_is_left_out_if_it_can_be(
    server: BrokenServer, bring: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers[:] = [whole(OBO), whole(LINKS), status(404)]
    assert [file.role for file in bring()] == ["ontology", "links"]
    assert "aliases.txt does not exist" in caplog.text
    server.answers[:] = [status(404)]
    with pytest.raises(SourceError, match=r"go\.obo does not exist"):
        bring(force=True)


def test_roles_choose_among_the_files(server: BrokenServer, bring: Any) -> None:
    server.answers[:] = [whole(b"alias\n")]
    assert [file.role for file in bring(roles=["aliases"])] == ["aliases"]
    with pytest.raises(SourceError, match="no file in the role info") as caught:
        bring(roles=["info"])
    assert "ontology, links, aliases" in caught.value.hint


def test_a_release_that_no_address_knows_is_not_pretended(server: BrokenServer, bring: Any) -> None:
    with pytest.raises(SourceError, match="release '2020' cannot be fetched"):
        bring([OfficialFile("ontology", "go.obo", {"*": f"{server.url}/go.obo"})], release="2020")
    assert server.asked == []


def test_a_species_without_address_is_told_before_anything_is_fetched(
    server: BrokenServer, bring: Any, files: list[OfficialFile]
) -> None:
    with pytest.raises(SourceError, match=r"needed\.txt has no address for the species 'yeast'"):
        bring([*files, OfficialFile("more", "needed.txt", {"human": f"{server.url}/x"})], species="yeast")
    assert server.asked == []


@pytest.mark.parametrize("release", ["../../x", "..", "", "a/b", "a\\b", "a b", "-x", "\N{FULLWIDTH DIGIT ONE}"])
def test_a_release_cannot_leave_the_cache(bring: Any, release: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot name a release"):
        bring(release=release)
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=20))
def test_any_species_is_known_or_refused(species: str) -> None:
    nowhere = [OfficialFile("none", "none.txt")]
    with pytest.raises(SourceError):
        fetch(nowhere, species=species, cache=Path("never-made"))
    assert not Path("never-made").exists()


def test_http_is_refused_unless_allowed(server: BrokenServer, bring: Any) -> None:
    with pytest.raises(SourceError, match="not https"):
        bring(allow_http=False)
    assert server.asked == []


# --- from a folder --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "downloads"
    place.mkdir()
    (place / "go.obo.gz").write_bytes(gzip.compress(OBO))
    (place / "9606.links.v12.0.txt").write_bytes(gzip.decompress(LINKS))
    return place


def test_a_folder_serves_files_with_or_without_gz(
    server: BrokenServer, bring: Any, folder: Path, files: list[OfficialFile], tmp_path: Path
) -> None:
    taken = bring(from_dir=folder, release="12.0")
    assert {file.role: file.path.name for file in taken} == {
        "ontology": "go.obo.gz",
        "links": "9606.links.v12.0.txt",
    }
    assert {file.url for file in taken} == {f"from {folder}"}
    assert taken[0].path.read_bytes() == (folder / "go.obo.gz").read_bytes()
    # What was taken counts as there; only what is missing is asked for.
    server.answers[:] = [whole(b"alias\n")]
    assert bring(release="12.0")[:2] == taken
    assert [path for path, _ in server.asked] == ["/aliases.txt"]
    assert cached_files(files, release="12.0", cache=tmp_path / "cache", name="mixed")[:2] == taken


def test_a_folder_without_release_asks_the_file(bring: Any, folder: Path, files: list[OfficialFile]) -> None:
    assert [file.release for file in bring(files[:1], from_dir=folder)] == ["2024-01-17"]


def test_a_folder_replaces_what_the_cache_holds(server: BrokenServer, bring: Any, folder: Path, files: Any) -> None:
    server.answers[:] = [whole(OBO + b"\n")]
    old = bring(files[:1])[0]
    new = bring(files[:1], from_dir=folder)[0]
    assert not old.path.exists()
    assert bring(files[:1]) == [new]
    forced = bring(files[:1], force=True)[0]
    assert forced.path.read_bytes() == OBO + b"\n"
    assert not new.path.exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (OBO, "not gzip"), (gzip.compress(OBO)[:-9], "cut off"), (b"PK\x03\x04rest", "zip")],
)
def test_a_folder_is_not_trusted(bring: Any, folder: Path, tmp_path: Path, content: bytes, word: str) -> None:
    (folder / "go.obo.gz").write_bytes(content)
    with pytest.raises(SourceError, match=word) as caught:
        bring(from_dir=folder)
    assert str(folder / "go.obo.gz") in caught.value.message
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert (folder / "go.obo.gz").read_bytes() == content


def test_a_record_beside_a_file_is_held_against_it(
    server: BrokenServer, bring: Any, files: Any, tmp_path: Path
) -> None:
    server.answers[:] = [whole(OBO)]
    first = bring(files[:1])[0]
    carried = tmp_path / "carried"
    shutil.copytree(first.path.parent, carried)
    taken = bring(files[:1], cache=tmp_path / "other", from_dir=carried)[0]
    assert (taken.sha256, taken.release, taken.etag) == (first.sha256, first.release, first.etag)
    (carried / "go.obo").write_bytes(OBO + b"more")
    with pytest.raises(SourceError, match=first.sha256):
        bring(files[:1], cache=tmp_path / "third", from_dir=carried)


def test_a_folder_that_lacks_a_file(bring: Any, folder: Path, files: Any) -> None:
    with pytest.raises(SourceError, match=r"neither 9606\.links\.v11\.0\.txt\.gz nor 9606\.links\.v11\.0\.txt"):
        bring(from_dir=folder, release="11.0")
    with pytest.raises(SourceError, match="no folder"):
        bring(from_dir=folder / "none")
    with pytest.raises(SourceError, match="holds none of the files"):
        bring(files[2:], from_dir=folder)


def test_the_cache_is_not_taken_for_its_own_origin(server: BrokenServer, bring: Any, files: Any) -> None:
    server.answers[:] = [whole(OBO)]
    first = bring(files[:1])[0]
    with pytest.raises(SourceError, match="the cache itself"):
        bring(files[:1], from_dir=first.path.parent)
    assert first.path.read_bytes() == OBO


def test_cached_files_tells_what_is_missing_or_altered(
    server: BrokenServer, bring: Any, files: Any, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"go\.obo has not been fetched"):
        cached_files(files, cache=tmp_path / "cache", name="mixed")
    server.answers[:] = [whole(OBO)]
    bring(files[:1])[0].path.write_bytes(b"altered")
    with pytest.raises(SourceError, match="altered"):
        cached_files(files[:1], cache=tmp_path / "cache", name="mixed")


# --- the sources of the package -------------------------------------------------------------------------------------


def test_sources_are_known_by_name(server: BrokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("kgreg.sources.go")
    places = (OfficialFile("ontology", "go.obo", {"*": f"{server.url}/{{release}}/go.obo"}),)
    module.OFFICIAL = Official(places, read=lambda _: None, release="v7")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kgreg.sources.go", module)
    monkeypatch.setattr(kgreg.sources, "go", module)
    server.answers[:] = [whole(OBO)]
    fetched = fetch("go", cache=tmp_path, allow_http=True)
    assert [file.path for file in fetched] == [tmp_path / "go" / "all" / "v7" / "go.obo"]
    assert fetched[0].release == "v7"
    assert server.asked[0][0] == "/v7/go.obo"
    with pytest.raises(SourceError, match="no source 'nothing' with official files") as caught:
        fetch("nothing", cache=tmp_path)
    assert "go" in caught.value.hint


def test_every_address_of_the_package_is_https_and_filled_in() -> None:
    for name, official in fetchable_sources().items():
        for file in official.files:
            for address in file.url.values():
                assert address.startswith("https://"), name
                assert set(re.findall(r"{(\w*)}", address + file.name)) <= {"taxon", "release"}, name


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KGREG_CACHE", str(tmp_path / "here"))
    assert default_cache_path() == tmp_path / "here"
    monkeypatch.delenv("KGREG_CACHE")
    assert default_cache_path().name == "kgreg"


# --- https ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    file = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(file), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        ],
        check=True,
        capture_output=True,
    )
    return file


def test_certificates_are_verified(
    certificate: Path, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    with serving(context) as server:
        server.answers[:] = [whole(OBO)]
        with pytest.raises(SourceError, match=r"certificate of 127\.0\.0\.1 is not trusted"):
            download(f"{server.url}/go.obo", tmp_path / "go.obo", patience=waits.patience())
        assert server.asked == []
        assert waits.seconds == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        fetched = download(f"{server.url}/go.obo", tmp_path / "go.obo", patience=waits.patience())
        assert json.loads((tmp_path / "go.obo.json").read_text())["sha256"] == fetched.sha256
        # From https to http: refused, even though the server would answer.
        server.answers[:] = [status(302, Location=server.url.replace("https", "http") + "/go.obo")]
        with pytest.raises(SourceError, match="not https"):
            download(f"{server.url}/go.obo", tmp_path / "other.obo", patience=waits.patience())
