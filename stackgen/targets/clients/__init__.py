"""Deployment -> CLIENTS.md: how people and their programs reach what the stack offers, with its real addresses."""

from pathlib import PurePosixPath
from typing import Final

from stackgen.domain.contracts import Rendered, Target
from stackgen.domain.delivery import Deploy
from stackgen.domain.document import Document, Format, Template
from stackgen.domain.linked import Scheduled
from stackgen.domain.workload import Deployment
from stackgen.targets.clients.doors import doors
from stackgen.targets.clients.page import values


class _Clients:
    name: Final = "clients"
    summary: Final = "CLIENTS.md, a page about the addresses, models and keys of a stack"
    platform: Final = False
    handles: Final = frozenset({"name", "ports", "expose"})
    rejects: Final = frozenset[str]()

    def scheduled(self, deploy: Deploy) -> Scheduled:
        """Nothing: it runs nothing."""
        return {}

    def render(self, deployment: Deployment) -> Rendered:
        """One page for all hosts; none for a stack that offers nothing to anybody."""
        found = doors(deployment)
        if not found:
            return Rendered(())
        page = Template("clients/CLIENTS.md", tuple(values(deployment, found).items()))
        return Rendered((Document(path=PurePosixPath("CLIENTS.md"), format=Format.TEXT, body=page),))


TARGET: Final[Target] = _Clients()
