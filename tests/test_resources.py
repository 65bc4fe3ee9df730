"""Templates are found in an installed package, in a checkout, and in the folder of a user."""

from pathlib import Path

import pytest

import stackgen
from stackgen import resources


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "stackgen"
    package.mkdir()
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    return package


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return folder


def test_the_templates_of_this_checkout_are_found() -> None:
    shipped = Path(str(resources.shipped()))
    assert shipped.samefile(Path(stackgen.__file__).parent.parent / "templates")


def test_a_checkout_has_them_beside_the_package(package: Path) -> None:
    put(package.parent / "templates", "jobs/a.sh", "é\n")
    assert resources.template("jobs/a.sh") == "é\n"
    assert resources.template("jobs") is None
    assert resources.template("b.sh") is None


def test_an_installed_package_has_them_inside_and_looks_nowhere_else(package: Path) -> None:
    put(package / "_templates", "a.sh", "mine")
    put(package.parent / "templates", "b.sh", "somebody else's")
    assert resources.template("a.sh") == "mine"
    assert resources.template("b.sh") is None


def test_the_folder_of_a_user_comes_first(package: Path, tmp_path: Path) -> None:
    put(put(package / "_templates", "a.sh", "ours"), "b.sh", "ours")
    own = put(tmp_path / "own", "a.sh", "theirs")
    assert resources.template("a.sh", own) == "theirs"
    assert resources.template("b.sh", own) == "ours"
    assert resources.template("b.sh", tmp_path / "missing") == "ours"


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/secret", "..", "", "."])
def test_a_name_cannot_leave_its_folder(package: Path, tmp_path: Path, name: str) -> None:
    put(package / "_templates", "a.sh", "ours")
    put(package, "secret", "x")
    assert resources.template(name) is None
