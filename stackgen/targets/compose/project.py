"""What all parts of one host's compose project share: names, URLs, secrets, and how compose reads strings."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from stackgen.domain.linked import SecretKey
from stackgen.domain.reach import by_name
from stackgen.domain.site import Site
from stackgen.domain.workload import ServiceUrl, Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretUse:
    """An environment variable of a service that takes its value from a secret."""

    secret: SecretKey
    service: str
    name: str

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} of {self.service}"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that compose takes from `.env`; it refuses to start without."""

    name: str

    def __str__(self) -> str:
        return f"${{{self.name}:?set it in .env, as .env.example shows}}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project(Site):
    """One host as a compose project."""

    @property
    def folder(self) -> PurePosixPath:
        """Where its files go."""
        return PurePosixPath("compose", self.name)

    @property
    def secrets(self) -> dict[str, list[SecretUse]]:
        """The variables of `.env`, and what uses them."""
        found: dict[str, list[SecretUse]] = {}
        for workload in (*self.workloads, *self.jobs):
            for name, value in workload.env.items():
                if isinstance(value, SecretKey):
                    use = SecretUse(secret=value, service=workload.name, name=name)
                    found.setdefault(variable(value), []).append(use)
        return dict(sorted(found.items()))

    @property
    def scenarios(self) -> dict[str, tuple[str, ...]]:
        """The services of this host that a scenario loads; scenarios that load none here are left out."""
        here = ((name, tuple(filter(self.local, loaded))) for name, loaded in self.deployment.scenarios)
        return {name: loaded for name, loaded in sorted(here) if loaded}

    @property
    def switched(self) -> tuple[Workload, ...]:
        """The services that do not always run: of exclusive groups, and beside those, what scenarios leave out."""
        if not any(workload.exclusive for workload in self.workloads):
            return ()
        always = [
            w.name for w in self.workloads if all(w.name in loaded for loaded in self.scenarios.values())
        ]
        return tuple(w for w in self.workloads if w.exclusive or (w.gpus and w.name not in always))

    def profiles(self, workload: Workload) -> list[str]:
        """The profiles that start it; none = it always runs."""
        if workload not in self.switched:
            return []
        loading = (name for name, loaded in self.scenarios.items() if workload.name in loaded)
        return list(dict.fromkeys((workload.name, *loading)))

    def address(self, service: str) -> str | None:
        """`address:port` of a service as seen from inside this project, or None if there is no way."""
        return self.seen(service, by_name)

    def url(self, url: ServiceUrl) -> str:
        """A URL; where there is no way, `findings` has an error, so nobody will use what stands here."""
        return f"http://{self.address(url.service) or url.service}{url.path}"


def variable(secret: SecretKey) -> str:
    """The name in `.env`; the prefix keeps it apart from variables of the shell, which win over the file."""
    return re.sub(r"[^A-Z0-9]", "_", f"SECRET_{secret.name}_{secret.key}".upper())


def interpolable(tree: Any) -> Any:
    """The tree as compose must read it to arrive at the same strings: it expands `$` in every value."""
    match tree:
        case str():
            return tree.replace("$", "$$")
        case Variable():
            return str(tree)
        case dict():
            return {key: interpolable(value) for key, value in tree.items()}
        case list():
            return [interpolable(value) for value in tree]
        case _:
            return tree
