"""A file arrives whole and checked over whatever connection, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kgreg.errors import KgregError, OutputError, SourceError
from kgreg.fetch import Fetched, Patience, download
from kgreg.fetch.web import http_date
from tests.fetch.broken_server import Answer, BrokenServer, chunked, serving, status, whole
from tests.fetch.conftest import Waits

BODY = b"!gaf-version: 2.2\n" + b"".join(b"UniProtKB\tP%05d\n" % i for i in range(20_000))
OTHER = BODY.replace(b"P0", b"Q0")


@pytest.fixture
def get(server: BrokenServer, tmp_path: Path, waits: Waits) -> Callable[..., Fetched]:
    def ask(*answers: Answer, **others: Any) -> Fetched:
        server.answers[:] = answers
        others = {"allow_http": True, "patience": waits.patience(), **others}
        return download(f"{server.url}/goa.gaf", tmp_path / "cache" / "goa.gaf", **others)

    return ask


def files_in(folder: Path) -> set[str]:
    """Names of all files below a folder but for locks."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_sound_file_is_kept_with_its_record(get: Callable[..., Fetched], server: BrokenServer) -> None:
    fetched = get(whole(BODY))
    assert fetched.path.read_bytes() == BODY
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (fetched.etag, fetched.release, fetched.bytes) == ('"one"', "2024-01-17", len(BODY))
    record = json.loads(fetched.path.with_name("goa.gaf.json").read_text())
    assert record == {
        "url": f"{server.url}/goa.gaf",
        "sha256": fetched.sha256,
        "bytes": len(BODY),
        "release": "2024-01-17",
        "etag": '"one"',
        "last_modified": "Wed, 17 Jan 2024 10:00:00 GMT",
        "fetched": fetched.fetched,
    }
    assert files_in(fetched.path.parent) == {"goa.gaf", "goa.gaf.json"}


def test_what_is_there_is_not_fetched_again_unless_forced(get: Callable[..., Fetched], server: BrokenServer) -> None:
    first = get(whole(BODY))
    assert get(whole(OTHER)) == first
    assert len(server.asked) == 1
    assert get(whole(OTHER), force=True).path.read_bytes() == OTHER


def test_an_altered_file_is_refused_by_both_sums(get: Callable[..., Fetched]) -> None:
    fetched = get(whole(BODY))
    fetched.path.write_bytes(OTHER)
    with pytest.raises(SourceError, match="altered") as caught:
        get(whole(BODY))
    assert fetched.sha256 in caught.value.message
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.message
    assert "--force" in caught.value.hint
    assert get(whole(BODY), force=True).path.read_bytes() == BODY


@pytest.mark.parametrize("record", ["", "[]", '{"url": 1}', "{"])
def test_a_file_without_a_sound_record_is_fetched_again(get: Callable[..., Fetched], record: str) -> None:
    fetched = get(whole(OTHER))
    fetched.path.with_name("goa.gaf.json").write_text(record)
    assert get(whole(BODY)).path.read_bytes() == BODY


def test_a_failed_renewal_leaves_the_old_file(get: Callable[..., Fetched]) -> None:
    old = get(whole(BODY))
    with pytest.raises(SourceError, match="503"):
        get(status(503), force=True)
    assert get(status(404)) == old
    assert old.path.read_bytes() == BODY


# --- connections that break ---------------------------------------------------------------------------------------


def test_a_broken_connection_is_resumed(get: Callable[..., Fetched], server: BrokenServer, waits: Waits) -> None:
    fetched = get(whole(BODY, cut=100_000), whole(BODY, cut=150_000), whole(BODY))
    assert fetched.path.read_bytes() == BODY
    assert [headers.get("range") for _, headers in server.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert server.asked[1][1]["if-range"] == '"one"'
    assert waits.seconds == [1.0, 2.0]


def test_another_process_goes_on_with_what_one_left(get: Callable[..., Fetched], server: BrokenServer) -> None:
    with pytest.raises(SourceError, match="status 500") as caught:
        get(whole(BODY, cut=100_000), status(500))
    assert "100,000 bytes are kept" in caught.value.hint
    server.asked.clear()
    assert get(whole(BODY)).path.read_bytes() == BODY
    assert server.asked[0][1]["range"] == "bytes=100000-"


def test_all_is_asked_for_when_the_file_has_changed(get: Callable[..., Fetched]) -> None:
    fetched = get(whole(BODY, cut=100_000), whole(OTHER, etag='"two"'))
    assert (fetched.path.read_bytes(), fetched.etag) == (OTHER, '"two"')


def test_a_changed_file_sent_as_the_rest_is_not_mixed(get: Callable[..., Fetched]) -> None:
    def wrong(handler: Any) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 100000-{len(OTHER) - 1}/{len(OTHER)}")
        handler.send_header("Content-Length", str(len(OTHER) - 100_000))
        handler.send_header("ETag", '"two"')
        handler.end_headers()
        handler.wfile.write(OTHER[100_000:])

    assert get(whole(BODY, cut=100_000), wrong, whole(OTHER, etag='"two"')).path.read_bytes() == OTHER


@pytest.mark.parametrize(
    "second",
    [
        whole(BODY, ranges=False),  # ignores Range
        whole(BODY, shift=7),  # sends another range, then is asked for all
        status(416),  # refuses the range, then is asked for all
    ],
)
def test_servers_that_cannot_resume(get: Callable[..., Fetched], second: Answer) -> None:
    assert get(whole(BODY, cut=100_000), second, whole(BODY)).path.read_bytes() == BODY


@pytest.mark.parametrize(("etag", "modified"), [("", ""), ('W/"one"', "")])
def test_without_a_strong_validator_all_is_asked_for(
    get: Callable[..., Fetched], server: BrokenServer, etag: str, modified: str
) -> None:
    fetched = get(whole(BODY, cut=9, etag=etag, modified=modified), whole(BODY, etag=etag, modified=modified))
    assert fetched.path.read_bytes() == BODY
    assert fetched.release == "unknown"
    assert "range" not in server.asked[1][1]


def test_last_modified_serves_where_the_etag_is_weak(get: Callable[..., Fetched], server: BrokenServer) -> None:
    assert get(whole(BODY, cut=9, etag='W/"1"'), whole(BODY, etag='W/"1"')).path.read_bytes() == BODY
    assert server.asked[1][1]["if-range"] == "Wed, 17 Jan 2024 10:00:00 GMT"


def test_a_wrong_content_length_is_never_believed(get: Callable[..., Fetched], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ended after 340,018 of 340,028 bytes|refused to send the rest"):
        get(whole(BODY, length=len(BODY) + 10))
    assert not (tmp_path / "cache" / "goa.gaf").exists()


def test_chunks_arrive_and_broken_chunks_do_not(get: Callable[..., Fetched]) -> None:
    with pytest.raises(SourceError, match="connection"):
        get(chunked(BODY, finished=False))
    assert get(chunked(BODY)).path.read_bytes() == BODY


def test_a_large_file_arrives_over_a_line_that_breaks_often(get: Callable[..., Fetched], waits: Waits) -> None:
    cuts = [whole(BODY, cut=n) for n in range(30_000, len(BODY), 30_000)]
    patience = waits.patience(worthwhile=30_000, attempts=2)
    assert get(*cuts, whole(BODY), patience=patience).path.read_bytes() == BODY
    with pytest.raises(SourceError, match="last of 2 attempts"):
        get(*cuts, whole(BODY), patience=waits.patience(worthwhile=30_001, attempts=2), force=True)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_breaks_the_file_is_whole_or_refused(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    body = BODY[:5_000]
    cut = st.integers(0, len(body)).map(lambda n: whole(body, cut=n, ranges=n % 3 != 0, shift=n % 2))
    broken = st.one_of(cut, st.sampled_from([status(503), status(416), status(429, Retry_After="x")]))
    with serving() as server:
        server.answers[:] = [*data.draw(st.lists(broken, max_size=6)), whole(body)]
        target = tmp_path_factory.mktemp("any") / "file"
        patience = Patience(attempts=4, sleep=lambda _: None)
        try:
            assert download(f"{server.url}/x", target, allow_http=True, patience=patience).path.read_bytes() == body
        except SourceError:
            assert not target.exists()


# --- waiting ------------------------------------------------------------------------------------------------------


def test_a_busy_server_is_asked_again(get: Callable[..., Fetched], waits: Waits) -> None:
    assert get(status(503), status(500), whole(BODY)).bytes == len(BODY)
    assert waits.seconds == [1.0, 2.0]


def test_a_server_that_stays_busy_is_given_up(
    get: Callable[..., Fetched], server: BrokenServer, waits: Waits, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"status 503, the last of 4 attempts"):
        get(status(503))
    assert len(server.asked) == 4
    assert waits.seconds == [1.0, 2.0, 4.0]
    assert files_in(tmp_path) == set()


def test_retry_after_is_honoured(get: Callable[..., Fetched], waits: Waits) -> None:
    get(status(429, Retry_After="17"), status(503, Retry_After="Wed, 17 Jan 2024 10:00:00 GMT"), whole(BODY))
    assert waits.seconds == [17.0, 2.0]


_ODD_DATES = st.tuples(
    st.sampled_from(["Wed", "x", ""]),
    st.integers(-1, 10**20),
    st.sampled_from(["Jan", "Xyz"]),
    st.integers(-10, 10**12),
    st.sampled_from(["10:00:00", "99:99:99", "-1:0:0", "10:00:" + "9" * 20]),
    st.sampled_from(["GMT", "+0100", "+" + "9" * 14, "-9999"]),
).map(lambda parts: "{}, {} {} {} {} {}".format(*parts))


@given(st.one_of(st.text(max_size=40), _ODD_DATES))
@example("Wed, 0 Jan 0 10:00:99999999999999999999 GMT")
@example("Mon, 1 Jan 1 00:00:00 +2300")
def test_dates_of_servers_are_read_or_ignored(text: str) -> None:
    time = http_date(text)
    assert time is None or time.tzinfo is UTC


@pytest.mark.parametrize("odd", ["soon", "-3", "1e9", "Wed, 0 Jan 0 10:00:99999999999999999999 GMT"])
def test_headers_that_make_no_sense_do_no_harm(get: Callable[..., Fetched], waits: Waits, odd: str) -> None:
    fetched = get(status(429, Retry_After=odd), whole(BODY, modified=odd, length="9" * 5000), whole(BODY, modified=odd))
    assert (waits.seconds[0], fetched.release, fetched.path.read_bytes()) == (1.0, "unknown", BODY)


def test_too_long_a_retry_after_is_told(get: Callable[..., Fetched], waits: Waits) -> None:
    with pytest.raises(SourceError, match="come again in 7,200 s"):
        get(status(429, Retry_After="7200"))
    assert waits.seconds == []


@given(st.integers(1, 400), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_limit_and_are_jittered(attempt: int, draw: float) -> None:
    wait = Patience(jitter=lambda: draw).wait_before(attempt, None)
    full = Patience(jitter=lambda: 0.0).wait_before(attempt, None)
    assert full / 2 <= wait <= full <= 60.0
    assert Patience().wait_before(attempt, 90.0) == 90.0


@pytest.mark.parametrize(
    ("code", "word"), [(404, "does not exist"), (403, "not open"), (401, "not open"), (400, "400")]
)
def test_a_no_is_not_asked_again(get: Callable[..., Fetched], server: BrokenServer, code: int, word: str) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        get(status(code))
    assert len(server.asked) == 1
    assert "--from-dir" in caught.value.hint


def test_a_trickle_is_ended(get: Callable[..., Fetched], waits: Waits) -> None:
    ticks = itertools.count(0.0, 10.0)
    done = threading.Event()

    def trickles(handler: Any) -> None:
        whole(BODY, most=100)(handler)
        done.wait(5)

    try:
        with pytest.raises(SourceError, match="fewer than 1,024 bytes a second") as caught:
            get(trickles, patience=waits.patience(clock=lambda: next(ticks), window=10.0))
    finally:
        done.set()
    assert "bytes are kept" in caught.value.hint


def test_silence_is_ended(get: Callable[..., Fetched], waits: Waits) -> None:
    done = threading.Event()

    def silent(handler: Any) -> None:
        done.wait(5)

    try:
        with pytest.raises(SourceError, match="silent for too long"):
            get(silent, patience=waits.patience(timeout=0.1, attempts=2))
    finally:
        done.set()


def test_a_server_that_is_not_there(tmp_path: Path, waits: Waits) -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(SourceError, match="connection failed"):
        download(f"{url}/x", tmp_path / "x", allow_http=True, patience=waits.patience())
    assert waits.seconds == [1.0, 2.0, 4.0]


# --- files that are not what they should be -------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("name", "answer", "word"),
    [
        ("go.obo", whole(PAGE, kind="text/html; charset=utf-8"), "HTML page"),
        ("go.obo", whole(b"\n  <html lang='en'>" + PAGE), "HTML page"),
        ("go.obo", whole(b"x", kind="TEXT/HTML"), "HTML page"),
        ("go.obo", whole(b""), "empty"),
        ("go.gz", whole(gzip.compress(BODY)[:-20]), "cut off"),
        ("go.gz", whole(gzip.compress(BODY)[:-8] + b"wrongsum"), "damaged"),
        ("go.gz", whole(BODY), "not gzip"),
        ("go.gz", whole(gzip.compress(PAGE)), "HTML page"),
        ("go.txt", whole(b"PK\x03\x04" + BODY), "zip"),
    ],
)
def test_a_file_that_is_no_data_is_refused_without_trace(
    server: BrokenServer, tmp_path: Path, waits: Waits, name: str, answer: Answer, word: str
) -> None:
    server.answers[:] = [answer]
    with pytest.raises(SourceError, match=word) as caught:
        download(f"{server.url}/{name}", tmp_path / name, allow_http=True, patience=waits.patience())
    assert f"{server.url}/{name}" in caught.value.message
    assert ".part" not in caught.value.message
    assert files_in(tmp_path) == set()
    assert len(server.asked) == 1


def test_a_bomb_is_refused(server: BrokenServer, tmp_path: Path) -> None:
    server.answers[:] = [whole(gzip.compress(b"\0" * 100 * 2**20, 9))]
    with pytest.raises(SourceError, match="200-fold"):
        download(f"{server.url}/bomb.gz", tmp_path / "bomb.gz", allow_http=True)
    assert files_in(tmp_path) == set()


def test_gzip_of_several_members_is_sound(server: BrokenServer, tmp_path: Path) -> None:
    body = gzip.compress(b"!date-generated: 2023-05-10T07:56\n") + gzip.compress(BODY)
    server.answers[:] = [whole(body)]
    fetched = download(f"{server.url}/goa.gaf.gz", tmp_path / "goa.gaf.gz", allow_http=True)
    assert (fetched.path.read_bytes(), fetched.release) == (body, "2023-05-10")


def test_another_file_than_expected_is_refused(get: Callable[..., Fetched], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=hashlib.sha256(BODY).hexdigest()):
        get(whole(BODY), expected_sha256="0" * 64)
    with pytest.raises(SourceError, match="340,018 bytes, not 7"):
        get(whole(BODY), expected_size=7)
    with pytest.raises(SourceError, match="340,018 bytes, not 7"):
        get(chunked(BODY), expected_size=7)
    assert files_in(tmp_path) == set()
    sha256 = hashlib.sha256(BODY).hexdigest().upper()
    assert get(whole(BODY), expected_sha256=sha256, expected_size=len(BODY)).bytes == len(BODY)


@pytest.mark.parametrize("answer", [whole(BODY), chunked(BODY)])
def test_a_file_over_the_limit_is_refused(get: Callable[..., Fetched], tmp_path: Path, answer: Answer) -> None:
    with pytest.raises(SourceError, match="larger than the 1,000 bytes"):
        get(answer, max_bytes=1_000)
    assert files_in(tmp_path) == set()


def test_a_disk_without_room_is_told_before_the_first_byte(
    get: Callable[..., Fetched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgreg.fetch.transfer.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OutputError, match=r"needs 340,018 bytes more.* has 10"):
        get(whole(BODY))


def test_a_cache_that_is_no_folder(server: BrokenServer, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        download(f"{server.url}/x", tmp_path / "cache" / "x", allow_http=True)
    assert "KGREG_CACHE" in caught.value.hint
    assert server.asked == []


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1/x", "not https"),
        ("ftp://127.0.0.1/x", "not an https"),
        ("file:///etc/passwd", "not an https"),
        ("go.obo", "not an https"),
        ("https://", "not an https"),
        ("https://[::1/x", "not an address"),
        ("https://127.0.0.1/a b", "not an address"),
        ("https://127.0.0.1:port/x", "not an address"),
        ("https://127.0.0.1/\N{GREEK SMALL LETTER ALPHA}", "cannot be fetched"),
        ("https://me:secret@127.0.0.1/x", "user name or password"),
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, url: str, word: str) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        download(url, tmp_path / "x")
    assert "secret" not in str(caught.value)
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("location", "word"),
    [
        ("/goa.gaf", "redirects in a circle"),
        ("ftp://127.0.0.1/x", "redirects elsewhere"),
        ("file:///etc/passwd", "redirects elsewhere|not https"),
        ("http://me:secret@127.0.0.1/x", "redirects elsewhere"),
    ],
)
def test_redirects_that_are_refused(get: Callable[..., Fetched], tmp_path: Path, location: str, word: str) -> None:
    with pytest.raises(SourceError, match=word) as caught:
        get(status(302, Location=location))
    assert "secret" not in str(caught.value)
    assert files_in(tmp_path) == set()


def test_a_redirect_is_followed_and_the_address_asked_for_recorded(
    get: Callable[..., Fetched], server: BrokenServer
) -> None:
    fetched = get(status(307, Location="/mirror/goa.gaf?token=secret"), whole(BODY))
    assert [path for path, _ in server.asked] == ["/goa.gaf", "/mirror/goa.gaf?token=secret"]
    assert fetched.url == f"{server.url}/goa.gaf"


def test_messages_keep_the_query_of_an_address_to_themselves(
    server: BrokenServer, tmp_path: Path, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.answers[:] = [status(503)]
    with pytest.raises(SourceError) as caught:
        download(f"{server.url}/x?key=secret", tmp_path / "x", allow_http=True, patience=waits.patience())
    assert "secret" not in str(caught.value) + caplog.text
    assert "trying again in 1 s" in caplog.text


def test_the_proxy_of_the_environment_is_used(
    server: BrokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.answers[:] = [whole(BODY)]
    assert download("http://data.invalid/go.obo", tmp_path / "go.obo", allow_http=True).bytes == len(BODY)
    assert server.asked[0][0] == "http://data.invalid/go.obo"


# --- several at once, and stopped ---------------------------------------------------------------------------------


def _fetch_in_child(url: str, target: str, results: Any) -> None:
    fetched = download(url, Path(target), allow_http=True)
    results.put((fetched.sha256, fetched.fetched))


def test_processes_that_fetch_the_same_file_share_it(server: BrokenServer, tmp_path: Path) -> None:
    def slow(handler: Any) -> None:
        time.sleep(0.3)
        whole(BODY)(handler)

    server.answers[:] = [slow]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [
        context.Process(target=_fetch_in_child, args=(f"{server.url}/x", str(tmp_path / "x"), results))
        for _ in range(3)
    ]
    for child in children:
        child.start()
    told = {results.get(timeout=30) for _ in children}
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(told) == len(server.asked) == 1
    assert (tmp_path / "x").read_bytes() == BODY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_download_is_gone_on_with(server: BrokenServer, tmp_path: Path, number: signal.Signals) -> None:
    stopped = threading.Event()

    def hangs(handler: Any) -> None:
        whole(BODY, cut=200_000)(handler)
        stopped.wait(20)

    server.answers[:] = [hangs]
    target = tmp_path / "x"
    code = (
        "import sys; from pathlib import Path; from kgreg.fetch import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), allow_http=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, f"{server.url}/x", str(target)], stderr=subprocess.PIPE)
    part = tmp_path / "x.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, number)
    child.communicate(timeout=20)
    stopped.set()
    assert not target.exists()
    kept = part.stat().st_size
    assert 0 < kept <= 200_000
    server.answers[:] = [whole(BODY)]
    assert download(f"{server.url}/x", target, allow_http=True).path.read_bytes() == BODY
    assert server.asked[-1][1]["range"] == f"bytes={kept}-"


def test_a_process_stopped_while_checking_does_not_fetch_anew(
    get: Callable[..., Fetched], server: BrokenServer, tmp_path: Path
) -> None:
    def stop(text: str, share: float) -> None:
        if text.startswith("checking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(whole(BODY), progress=stop)
    assert (tmp_path / "cache" / "goa.gaf.part").stat().st_size == len(BODY)
    assert get(whole(BODY)).path.read_bytes() == BODY
    assert server.asked[-1][1]["range"] == f"bytes={len(BODY)}-"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_cache_that_others_keep_can_be_read(get: Callable[..., Fetched]) -> None:
    fetched = get(whole(BODY))
    fetched.path.with_name(".goa.gaf.lock").unlink()
    fetched.path.parent.chmod(0o555)
    try:
        assert get(whole(OTHER)) == fetched
        with pytest.raises(OutputError, match="cannot be written"):
            get(whole(OTHER), force=True)
    finally:
        fetched.path.parent.chmod(0o755)


def test_a_file_from_another_address_or_of_another_sum_is_not_taken_for_it(
    get: Callable[..., Fetched], server: BrokenServer
) -> None:
    first = get(whole(BODY))
    assert get(whole(OTHER), expected_sha256=first.sha256.upper()) == first
    assert get(whole(OTHER), expected_sha256=hashlib.sha256(OTHER).hexdigest()).path.read_bytes() == OTHER
    server.answers[:] = [whole(BODY)]
    assert download(f"{server.url}/elsewhere", first.path, allow_http=True).path.read_bytes() == BODY


def test_progress_grows_to_one(get: Callable[..., Fetched]) -> None:
    told: list[tuple[str, float]] = []
    get(whole(BODY, cut=100_000), whole(BODY), progress=lambda text, share: told.append((text, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("of 0.3 MB" in text for text, _ in told)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_as_an_address_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(KgregError):
        download(text, tmp_path / "x")
