"""The hub over real HTTP: huggingface_hub's own client against a hub that misbehaves in every known way."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackgen.domain.header import GgufHeader
from stackgen.domain.lock import LockedFile, Pin
from stackgen.formats.gguf import parse_header
from stackgen.io.client import FetchError, Patience
from stackgen.io.headers import CHUNK, MAX_HEADER
from stackgen.io.hub import Hub, safe
from tests.support.fake_hub import FakeHub, Fault, serving
from tests.support.hub_files import header, put, with_tokenizer

QUICK = Patience(attempts=4, first_wait=0.01, longest_wait=0.5, silence=0.5, total=3)
REPO = "owner/Coder-GGUF"
FILE = "Coder-Q4_K_M.gguf"
TOKENS = 60_000


def parse(data: memoryview, file_size: int | None) -> GgufHeader:
    return parse_header(data, file_size=file_size)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    put(
        tmp_path,
        REPO,
        {FILE: with_tokenizer(TOKENS) + bytes(4096), "README.md": b"hello", "small.gguf": header("phi-4")},
    )
    with serving(tmp_path, gated=("owner/gated",), token="hf_" + "x" * 20) as hub:
        hub.big[f"{REPO}/small.gguf"] = 9_000_000_000
        yield hub


@pytest.fixture
def hub(fake: FakeHub) -> Hub:
    return Hub(fake.url, QUICK)


def listed(hub: Hub, path: str = FILE) -> tuple[Pin, LockedFile]:
    found = hub.repository(REPO)
    return found, next(f for f in found.files if f.path == path)


def fails(hub: Hub, fake: FakeHub, *faults: Fault) -> FetchError:
    """The error of reading a header when these things happen; within the agreed time."""
    pin, file = listed(hub)
    fake.faults = [replace(fault) for fault in faults]
    start = time.monotonic()
    with pytest.raises(FetchError) as caught:
        hub.header(pin, file, parse)
    assert time.monotonic() - start < QUICK.total + QUICK.silence + 0.5
    return caught.value


def works(hub: Hub, fake: FakeHub, *faults: Fault) -> None:
    pin, file = listed(hub)
    fake.faults = [replace(fault) for fault in faults]
    found = hub.header(pin, file, parse)
    assert found.header.metadata["general.architecture"] == "llama"
    assert all(fault.times == 0 for fault in fake.faults), "a fault was not met"


# Repositories


def test_a_repository_is_listed_by_one_request(hub: Hub, fake: FakeHub) -> None:
    found = hub.repository(REPO)
    assert found.commit == fake.commit(REPO)
    assert (found.licence, found.gated) == ("apache-2.0", False)
    assert {f.path: (f.size, f.sha256 is None, f.oid is None) for f in found.files} == {
        FILE: ((fake.root / REPO / FILE).stat().st_size, False, True),
        "README.md": (5, True, False),
        "small.gguf": (9_000_000_000, False, True),
    }
    assert len(fake.asked) == 1


def test_a_commit_can_be_asked_for_and_a_wrong_one_is_named(hub: Hub, fake: FakeHub) -> None:
    assert hub.repository(REPO, fake.commit(REPO)).commit == fake.commit(REPO)
    with pytest.raises(FetchError, match=r"at v2: there is no such revision") as caught:
        hub.repository(REPO, "v2")
    assert caught.value.kind == "lock/no-such-revision"


def test_a_missing_repository_and_a_gated_one_say_what_to_do(hub: Hub, fake: FakeHub) -> None:
    with pytest.raises(FetchError, match="there is no repository owner/none") as caught:
        hub.repository("owner/none")
    assert "HF_TOKEN" in (caught.value.hint or "")
    put(fake.root, "owner/gated", {"a.gguf": header("phi-4")})
    with pytest.raises(FetchError, match="owner/gated is gated") as caught:
        hub.repository("owner/gated")
    assert caught.value.kind == "lock/gated"


def test_the_token_goes_to_the_hub_and_to_nobody_else(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", fake.token)
    hub = Hub(fake.url, QUICK)
    put(fake.root, "owner/gated", {"a.gguf": header("phi-4")})
    found = hub.repository("owner/gated")
    assert found.gated
    hub.header(found, found.files[0], parse)
    by_host = {a.host: a.authorization for a in fake.asked}
    assert by_host == {"127.0.0.1": f"Bearer {fake.token}", "localhost": None}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Please log in</html>", "did not answer with JSON"),
        (b"[" * 100_000, "did not answer with JSON"),
        (b'{"sha": 1' + b"0" * 5000, "did not answer with JSON"),
        (b"[]", "something else than a model"),
        (b"{}", "names no commit or no files"),
        (b'{"sha": "../../etc", "siblings": []}', "names no commit or no files"),
        (b"\xff\xfe", "did not answer with JSON"),
    ],
)
def test_what_is_no_listing_is_refused(hub: Hub, fake: FakeHub, body: bytes, message: str) -> None:
    fake.faults = [Fault(on="/api/", body=body)]
    with pytest.raises(FetchError, match=message):
        hub.repository(REPO)


def test_a_listing_without_end_is_refused(hub: Hub, fake: FakeHub) -> None:
    fake.faults = [Fault(on="/api/", body=b" " * 40_000_000)]
    with pytest.raises(FetchError, match="larger than 8 MiB"):
        hub.repository(REPO)


def test_a_listing_that_would_take_twenty_times_its_bytes_is_refused(hub: Hub, fake: FakeHub) -> None:
    fake.faults = [Fault(on="/api/", body=b'{"siblings": [' + b"[]," * 1_000_000 + b"0]}")]
    with pytest.raises(FetchError, match="more than 600000 values"):
        hub.repository(REPO)


@pytest.mark.parametrize(
    "path", ["../a", "a/../b", "/etc/passwd", "a\\b", "", "a//b", "a\nb", "./a", "x" * 2000]
)
def test_paths_that_leave_their_folder_are_not_safe(path: str) -> None:
    assert not safe(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"rfilename": "../a.gguf", "size": 1, "blobId": "0" * 40},
        {"rfilename": "a.gguf", "size": -1, "blobId": "0" * 40},
        {"rfilename": "a.gguf", "size": "1", "blobId": "0" * 40},
        {"rfilename": "a.gguf", "size": 1, "blobId": "$(reboot)"},
        {"rfilename": "a.gguf", "size": 1, "lfs": {"sha256": "no"}, "blobId": "0" * 40},
        {"rfilename": 1, "size": 1, "blobId": "0" * 40},
        "a.gguf",
    ],
)
def test_files_that_cannot_be_pinned_are_not_there(hub: Hub, fake: FakeHub, entry: Any) -> None:
    answer = {"sha": "0" * 40, "siblings": [entry]}
    fake.faults = [Fault(on="/api/", body=json.dumps(answer).encode())]
    assert hub.repository(REPO).files == ()


# Trouble that passes


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="/resolve/", status=429, headers={"Retry-After": "0"}, times=2),
        Fault(on="/resolve/", status=500, times=2),
        Fault(on="/cdn/", status=503, times=3),
        Fault(on="/cdn/", cut_after=0, times=2),
        Fault(on="/cdn/", cut_after=100_000, times=3),
        Fault(on="/cdn/", cut_after=100_001),
    ],
    ids=lambda fault: f"{fault.on}{fault.status or fault.cut_after}",
)
def test_trouble_that_passes_is_waited_out(hub: Hub, fake: FakeHub, fault: Fault) -> None:
    works(hub, fake, fault)


def test_a_broken_connection_is_taken_up_where_it_broke(hub: Hub, fake: FakeHub) -> None:
    works(hub, fake, Fault(on="/cdn/", cut_after=300_000), Fault(on="/cdn/", cut_after=200_000))
    starts = [int((a.range or "")[6:].partition("-")[0]) for a in fake.asked if "/cdn/" in a.path]
    assert starts == [0, 300_000, 500_000]


def test_a_hub_without_ranges_is_read_from_the_start(hub: Hub, fake: FakeHub) -> None:
    works(hub, fake, Fault(on="/cdn/", cut_after=200_000), Fault(on="/cdn/", ignore_range=True))


def test_slow_bytes_arrive(hub: Hub, fake: FakeHub) -> None:
    works(hub, fake, Fault(on="/cdn/", pause=0.01))


# Trouble that stays


def test_a_hub_that_always_fails_is_given_up(hub: Hub, fake: FakeHub) -> None:
    exc = fails(hub, fake, Fault(on="/resolve/", status=502, times=99))
    assert "tried 4 times; at last: the hub answers 502 Bad Gateway" in str(exc)


def test_a_hub_that_asks_for_an_hour_is_not_waited_for(hub: Hub, fake: FakeHub) -> None:
    exc = fails(hub, fake, Fault(on="/resolve/", status=429, headers={"Retry-After": "3600"}))
    assert "429 Too Many Requests; it asks to wait 3600 s" in str(exc)


def test_a_hub_that_falls_silent_is_given_up(hub: Hub, fake: FakeHub) -> None:
    exc = fails(hub, fake, Fault(on="/cdn/", pause=0.8, times=99))
    assert "tried 4 times" in str(exc) or "too slowly" in str(exc)


def test_a_hub_that_drips_is_given_up(fake: FakeHub) -> None:
    hub = Hub(fake.url, Patience(silence=0.5, total=0.5))
    exc = fails(hub, fake, Fault(on="/cdn/", pause=0.1, times=99))
    assert "come too slowly" in str(exc)


def test_a_file_that_changes_between_two_reads_is_noticed(hub: Hub, fake: FakeHub) -> None:
    broken = Fault(on="/cdn/", cut_after=100_000)
    exc = fails(hub, fake, broken, Fault(on="/cdn/", headers={"ETag": '"other"'}))
    assert exc.kind == "lock/changed"


def test_a_file_with_another_hash_than_listed_is_noticed(hub: Hub, fake: FakeHub) -> None:
    exc = fails(hub, fake, Fault(on="/resolve/", headers={"X-Linked-ETag": '"' + "0" * 64 + '"'}))
    assert exc.kind == "lock/changed"


def test_a_file_of_another_size_than_listed_is_noticed(hub: Hub, fake: FakeHub) -> None:
    pin, file = listed(hub)
    with (fake.root / REPO / FILE).open("ab") as opened:
        opened.write(b"more")
    with pytest.raises(FetchError) as caught:
        hub.header(pin, file, parse)
    assert caught.value.kind in {"lock/changed", "lock/no-such-revision"}


def test_another_part_than_asked_for_is_refused(hub: Hub, fake: FakeHub) -> None:
    wrong = Fault(on="/cdn/", headers={"Content-Range": "bytes 7-99/100"})
    assert fails(hub, fake, Fault(on="/cdn/", cut_after=100_000), wrong).kind in {"lock/changed", "lock/hub"}


@pytest.mark.parametrize("claim", [-100_000, 100_000])
def test_a_wrong_content_length_is_no_endless_loop(hub: Hub, fake: FakeHub, claim: int) -> None:
    pin, file = listed(hub)
    fake.faults = [Fault(on="/cdn/", claim=claim, ignore_range=True, times=99)]
    start = time.monotonic()
    with pytest.raises(FetchError):
        hub.header(pin, file, parse)
    assert time.monotonic() - start < QUICK.total


def test_a_page_instead_of_a_file_is_called_one(hub: Hub, fake: FakeHub) -> None:
    page = b"<!DOCTYPE html><html>Log in to the hotel's network</html>"
    size = (fake.root / REPO / FILE).stat().st_size
    exc = fails(hub, fake, Fault(on="/resolve/", body=page.ljust(size)))
    assert "not a GGUF file but an HTML page" in str(exc)


def test_a_redirect_in_a_circle_is_left(hub: Hub, fake: FakeHub) -> None:
    circle = Fault(
        on="/resolve/", status=302, headers={"Location": f"{fake.url}/{REPO}/resolve/main/x"}, times=99
    )
    assert "redirects in a circle" in str(fails(hub, fake, circle))


def test_nobody_at_the_other_end_is_said_soon() -> None:
    start = time.monotonic()
    with pytest.raises(FetchError, match="tried 4 times"):
        Hub("http://127.0.0.1:9", QUICK).repository(REPO)
    assert time.monotonic() - start < 1


# Bytes


@pytest.mark.parametrize("path", [FILE, "small.gguf"])
def test_no_more_is_read_than_the_header_and_one_chunk(hub: Hub, fake: FakeHub, path: str) -> None:
    pin, file = listed(hub, path)
    fake.in_step = True
    found = hub.header(pin, file, parse)
    deadline = time.monotonic() + 5
    while not any("/cdn/" in a.path for a in fake.asked) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found.header.header_bytes <= fake.sent <= found.header.header_bytes + CHUNK
    assert len([a for a in fake.asked if "/resolve/" in a.path]) == 1
    assert len([a for a in fake.asked if "/cdn/" in a.path]) == 1


def test_a_proxy_that_fetches_all_that_is_asked_for_is_not_asked_for_the_weights(
    hub: Hub, fake: FakeHub
) -> None:
    pin, file = listed(hub, "small.gguf")
    assert file.size > MAX_HEADER
    hub.header(pin, file, parse)
    assert [a.range for a in fake.asked if "/cdn/" in a.path] == [f"bytes=0-{MAX_HEADER - 1}"]


def test_a_header_that_ends_where_no_more_is_asked_for_is_read(
    hub: Hub, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, file = listed(hub, "small.gguf")
    monkeypatch.setattr("stackgen.io.headers.MAX_HEADER", hub.header(pin, file, parse).header.header_bytes)
    assert hub.header(pin, file, parse).header.tensors
