"""`stackgen download`: the same files as the script, by huggingface_hub, on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Run, stackgen
from tests.support.fake_hub import FakeHub, Fault
from tests.support.locked_hub import STACK, environment, locked_hub

PICTURES = {
    "diffusion_models/turbo_fp8.safetensors": "home/pictures/split_files/turbo_fp8.safetensors",
    "vae/ae.safetensors": "home/pictures/split_files/ae.safetensors",
}


class Place:
    def __init__(self, root: Path, hub: FakeHub) -> None:
        self.root, self.hub, self.to = root, hub, root / "volume"

    def run(self, *arguments: str | Path) -> Run:
        return stackgen("download", STACK, *arguments, "--to", self.to, env=environment(self.hub, self.root))

    @property
    def there(self) -> dict[str, bytes]:
        return {
            f.relative_to(self.to).as_posix(): f.read_bytes()
            for f in self.to.rglob("*")
            if f.is_file() and ".stackgen" not in f.parts
        }

    def served(self) -> dict[str, bytes]:
        return {target: (self.hub.root / path).read_bytes() for target, path in PICTURES.items()}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with locked_hub(tmp_path / "hub") as hub:
        yield Place(tmp_path, hub)


def test_the_locked_files_arrive_where_the_engine_looks_and_only_once(place: Place) -> None:
    run = place.run("pictures")
    assert run.status == 0, run.err
    assert place.there == place.served()
    assert place.run("encoders").status == 0
    place.hub.asked.clear()
    again = place.run("--host", "rig", "--volume", "pictures")
    said = "encoders: all 3 files are there\npictures: all 2 files are there\n"
    assert (again.status, again.err) == (0, said)
    assert place.hub.asked == []


def test_a_connection_that_breaks_is_taken_up_again(place: Place) -> None:
    place.hub.faults = [Fault(on="/cdn/", cut_after=20_000)]
    assert place.run("pictures").status == 0
    assert place.there == place.served()
    assert [a.sent for a in place.hub.asked if a.method == "GET" and "/cdn/home/pictures" in a.path].count(
        20_000
    ) == 1


def test_other_bytes_than_locked_are_caught(place: Place) -> None:
    file = place.hub.root / PICTURES["vae/ae.safetensors"]
    place.hub.faults = [Fault(on="/cdn/home/pictures/split_files/ae", body=bytes(file.stat().st_size))]
    run = place.run("pictures")
    assert run.status == 2
    assert "what came for vae/ae.safetensors is not the locked file" in run.err
    assert "vae/ae.safetensors" not in place.there
    assert place.run("pictures").status == 0


def test_a_file_of_somebody_else_is_not_overwritten(place: Place) -> None:
    mine = place.to / "vae" / "ae.safetensors"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(bytes((place.hub.root / PICTURES["vae/ae.safetensors"]).stat().st_size))
    before = mine.read_bytes()
    assert "move it away" in place.run("pictures").err
    assert mine.read_bytes() == before


def test_a_commit_that_is_gone_is_an_error(place: Place) -> None:
    (place.hub.root / "home" / "pictures" / "new.txt").write_text("moves the only commit")
    run = place.run("pictures")
    assert run.status == 1
    assert "home/pictures" in run.err


def test_too_little_room_is_said_before_anything_is_downloaded(place: Place) -> None:
    copy = shutil.copytree(STACK, place.root / "stack")
    lock = copy / "stack.lock"
    lock.write_text(lock.read_text().replace('"size": 24600000000', '"size": 1000000000000000000'))
    run = stackgen("download", copy, "nano", "--to", place.to, env=environment(place.hub, place.root))
    assert run.status == 2
    assert "are to come" in run.err
    assert place.hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("picture",), "the stack has no model 'picture'"),
        (("pictures", "--host", "gir"), "the stack has no host 'gir'"),
        ((), "these models go onto 2 volumes"),
        (("pictures", "--volume", "weights"), "`pictures` is not locked, or no service stores it there"),
        (("--volume", "none"), "the stack has no volume 'none'"),
    ],
)
def test_wrong_command_lines_say_what_there_is(
    place: Place, arguments: tuple[str, ...], message: str
) -> None:
    run = place.run(*arguments)
    assert run.status == 2
    assert message in run.err
