"""Engines and targets are found by the names of their modules."""

import subprocess
import sys
from pkgutil import iter_modules

import pytest

import stackgen.engines
import stackgen.targets
from stackgen import registry


def test_every_module_offers_what_its_name_says() -> None:
    assert [registry.engine(name).name for name in registry.engine_names()] == list(registry.engine_names())
    assert [registry.target(name).name for name in registry.target_names()] == list(registry.target_names())


def test_no_module_is_left_out() -> None:
    for package, names in (
        (stackgen.engines, registry.engine_names()),
        (stackgen.targets, registry.target_names()),
    ):
        modules = {m.name.replace("_", "-") for m in iter_modules(package.__path__)}
        assert modules == set(names)
        assert len(names) > 1
        assert list(names) == sorted(names)


def test_mappings_hold_all() -> None:
    assert set(registry.engines()) == set(registry.engine_names())
    assert dict(registry.targets())["compose"].platform
    assert "compose" in registry.platforms()
    assert "files" not in registry.platforms()
    assert set(registry.platforms()) < set(registry.target_names())
    assert len(registry.platforms()) == len(list(registry.platforms()))


def test_unknown_names() -> None:
    assert "nope" not in registry.engines()
    assert "nope" not in registry.platforms()
    with pytest.raises(KeyError):
        registry.platforms()["files"]
    with pytest.raises(KeyError):
        registry.engine("nope")
    with pytest.raises(KeyError):
        registry.targets()["os.path"]


def test_only_what_is_asked_for_is_imported() -> None:
    code = (
        "import sys; from stackgen import registry; registry.engine_names(); registry.target_names();"
        "registry.engines()['searxng']; 'compose' in registry.platforms();"
        "print(*sorted(m for m in sys.modules if m.startswith(('stackgen.engines.', 'stackgen.targets.'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    top = {".".join(name.split(".")[:3]) for name in done.stdout.split()}
    assert top == {"stackgen.engines.searxng", "stackgen.targets.compose"}
