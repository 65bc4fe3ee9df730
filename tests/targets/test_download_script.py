"""The download script, run by real shells and a real curl against a hub on loopback."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from stackgen.domain.document import Document, Format
from stackgen.domain.downloads import script
from stackgen.domain.workload import Download, DownloadFile
from stackgen.emit import to_text
from tests.support.fake_hub import FakeHub, Fault, serving
from tests.support.hub_files import put
from tests.support.programs import require

REPO = "owner/Coder-GGUF"
WEIGHTS = bytes(range(256)) * 4000
FILES = {"Q4 K/it's $HOME.gguf": WEIGHTS, "config.json": b'{"a": 1}', "empty.txt": b""}
TOKEN = "hf_" + "a" * 20
pytestmark = pytest.mark.tool


@dataclass
class Place:
    """A hub, a volume, and the script between them."""

    hub: FakeHub
    root: Path
    shell: str = "sh"

    @property
    def volume(self) -> Path:
        return self.root / "my volume"

    @property
    def download(self) -> Download:
        listed = self.hub.repository(REPO)
        files = tuple(
            DownloadFile(
                path=path,
                target=PurePosixPath(REPO, path),
                size=entry["size"],
                sha256=entry["lfs"]["sha256"] if "lfs" in entry else None,
                oid=None if "lfs" in entry else entry["blobId"],
            )
            for path, entry in listed.items()
        )
        return Download(
            model="coder",
            volume="models",
            repo=REPO,
            commit=self.hub.commit(REPO),
            files=files,
            hosts=("rig",),
            services=("llama",),
        )

    def text(self, *downloads: Download) -> str:
        body = script(downloads or (self.download,))
        return to_text(Document(path=PurePosixPath("download.sh"), format=Format.SHELL, body=body))

    def run(
        self, *arguments: str | Path, text: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        self.volume.mkdir(exist_ok=True)
        file = self.root / "download.sh"
        file.write_text(text or self.text())
        self.hub.asked.clear()
        return subprocess.run(
            [*self.shell.split(), str(file), *map(str, arguments or (self.volume,))],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HF_ENDPOINT": self.hub.url,
                "DOWNLOAD_PAUSE": "0",
                "DOWNLOAD_ATTEMPTS": "3",
                **env,
            },
        )

    @property
    def there(self) -> dict[str, bytes]:
        """What lies on the volume, less the script's own notes."""
        return {
            f.relative_to(self.volume / REPO).as_posix(): f.read_bytes()
            for f in self.volume.rglob("*")
            if f.is_file() and ".stackgen" not in f.parts
        }

    @property
    def complete(self) -> bool:
        return bool(list(self.volume.glob(".stackgen/complete-*")))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    require("curl")
    put(tmp_path / "hub", REPO, FILES)
    with serving(tmp_path / "hub", token=TOKEN) as hub:
        yield Place(hub, tmp_path)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_shellcheck_has_nothing_to_say(place: Place, shell: str) -> None:
    done = subprocess.run(
        [require("shellcheck"), "-s", shell, "-"],
        input=place.text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", ["sh", "bash --posix", "busybox sh"])
def test_exactly_the_listed_files_arrive_and_a_second_run_does_nothing(place: Place, shell: str) -> None:
    require(shell.partition(" ")[0])
    place.shell = shell
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert place.there == FILES
    assert place.complete
    stamps = {f: f.stat().st_mtime_ns for f in place.volume.rglob("*.gguf")}
    again = place.run()
    assert (again.returncode, again.stdout) == (0, "all 3 files are there\n")
    assert place.hub.asked == []
    assert stamps == {f: f.stat().st_mtime_ns for f in stamps}


def test_a_broken_transfer_is_resumed(place: Place) -> None:
    place.hub.faults = [Fault(on="/cdn/", cut_after=400_000), Fault(on="/cdn/", cut_after=300_000)]
    assert place.run().returncode == 0
    assert place.there == FILES
    ranges = [a.range for a in place.hub.asked if "/cdn/" in a.path]
    assert ranges == [None, "bytes=400000-", "bytes=700000-"]


def test_a_run_that_was_given_up_is_resumed_by_the_next(place: Place) -> None:
    # Each of three attempts ends at the same place.
    place.hub.faults = [Fault(on="/cdn/", cut_after=500_000), Fault(on="/cdn/", cut_after=0, times=9)]
    done = place.run()
    assert done.returncode == 1
    assert "gave up on" in done.stderr
    assert not place.complete
    place.hub.faults = []
    assert place.run().returncode == 0
    assert [a.range for a in place.hub.asked if "/cdn/" in a.path] == ["bytes=500000-"]
    assert place.there == FILES


def test_a_corrupted_transfer_is_caught_and_not_kept(place: Place) -> None:
    wrong = bytes(len(WEIGHTS))
    place.hub.faults = [Fault(on="/cdn/", body=wrong)]
    done = place.run()
    assert done.returncode == 1
    assert "is not the locked file" in done.stderr
    assert "Q4 K/it's $HOME.gguf" not in place.there
    assert not [name for name in place.there if name.endswith(".part")]
    assert not place.complete
    assert place.run().returncode == 0


def test_a_part_with_wrong_bytes_is_caught(place: Place) -> None:
    part = place.volume / REPO / "Q4 K" / "it's $HOME.gguf.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    assert place.run().returncode == 1
    assert not part.exists()
    assert place.run().returncode == 0
    assert place.there == FILES


def test_a_page_instead_of_a_file_ends_in_an_error(place: Place) -> None:
    place.hub.faults = [Fault(on="/resolve/", body=b"<html>Log in</html>", times=99)]
    done = place.run()
    assert done.returncode == 1
    assert "gave up" in done.stderr
    assert not place.complete


def test_a_hub_without_ranges_is_asked_for_the_whole_file(place: Place) -> None:
    broken = Fault(on="/cdn/", cut_after=400_000)
    place.hub.faults = [broken, Fault(on="/cdn/", ignore_range=True, times=99)]
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert place.there == FILES


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_is_asked_again(place: Place, status: int) -> None:
    place.hub.faults = [Fault(on="/resolve/", status=status, times=2)]
    assert place.run().returncode == 0


def test_the_token_comes_from_a_variable_or_a_file_and_goes_to_the_hub_alone(place: Place) -> None:
    place.hub.gated = (REPO,)
    done = place.run()
    assert done.returncode == 1
    assert "it needs a token" in done.stderr
    secret = place.root / "token"
    secret.write_text(TOKEN + "\n")
    assert place.run(HF_TOKEN_PATH=str(secret)).returncode == 0
    assert {a.host: a.authorization for a in place.hub.asked} == {
        "127.0.0.1": f"Bearer {TOKEN}",
        "localhost": None,
    }
    shutil.rmtree(place.volume)
    assert place.run(HF_TOKEN=TOKEN).returncode == 0


def test_a_file_that_was_there_before_is_read_and_kept(place: Place) -> None:
    put(place.volume, REPO, FILES)
    done = place.run()
    assert done.returncode == 0
    assert "reading Q4 K/it's $HOME.gguf" in done.stdout.replace(f"{REPO}/", "")
    assert place.hub.asked == []


def test_a_file_of_somebody_else_is_not_overwritten(place: Place) -> None:
    mine = bytes(len(WEIGHTS))
    put(place.volume, REPO, {"Q4 K/it's $HOME.gguf": mine})
    done = place.run()
    assert done.returncode == 1
    assert "move it away" in done.stderr
    assert place.there["Q4 K/it's $HOME.gguf"] == mine


def test_verify_finds_what_rotted_on_disk(place: Place) -> None:
    assert place.run().returncode == 0
    assert place.run("--verify", place.volume).returncode == 0
    put(place.volume, REPO, {"Q4 K/it's $HOME.gguf": b"\xff" + WEIGHTS[1:]})
    assert place.run().returncode == 0
    done = place.run("--verify", place.volume)
    assert done.returncode == 1
    assert "is not the locked file" in done.stderr


def test_too_little_room_is_said_before_anything_is_downloaded(place: Place) -> None:
    large = replace(
        place.download, files=(replace(place.download.files[0], size=10**18), *place.download.files[1:])
    )
    done = place.run(text=place.text(large))
    assert done.returncode == 1
    assert "MiB are to come" in done.stderr
    assert place.hub.asked == []


def test_a_folder_that_is_not_mounted_is_not_made(place: Place) -> None:
    done = place.run(place.root / "nowhere")
    assert done.returncode == 1
    assert "is not there: mount it first" in done.stderr
    assert not (place.root / "nowhere").exists()
    assert "name the folder" in place.run("").stderr


def test_two_at_once_do_not_disturb_each_other(place: Place) -> None:
    require("flock")
    place.hub.faults = [Fault(on="/cdn/", pause=0.01)]
    place.volume.mkdir()
    file = place.root / "download.sh"
    file.write_text(place.text())
    env = {"PATH": os.environ["PATH"], "HF_ENDPOINT": place.hub.url}
    both = [
        subprocess.Popen(["sh", str(file), str(place.volume)], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == "all 3 files are there\n"
    assert len([a for a in place.hub.asked if "/cdn/" in a.path]) == 1
    assert hashlib.sha256(place.there["Q4 K/it's $HOME.gguf"]).digest() == hashlib.sha256(WEIGHTS).digest()
