"""Who may use it, and variables that set its options."""

from collections.abc import Iterator
from typing import Final

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.engines.tabbyapi.effective import server

_ALLOCATOR: Final = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def no_key(service: LinkedService) -> Iterator[Diagnostic]:
    """Without keys it makes some, anew at each start, and prints them into its log (common/auth.py)."""
    keys = server(service)
    if keys.api_key is None and not keys.disable_auth:
        yield error(
            "tabbyapi/no-key",
            service.path,
            "without a key of yours TabbyAPI makes a new one at each start, which no client has",
            f"options: {{api_key: {{secret: {{name: {service.name}, key: api-key}}}}}}, or disable_auth: true",
        )


def open_to_the_network(service: LinkedService) -> Iterator[Diagnostic]:
    """Whoever reaches it without a key may also load and unload models (common/auth.py: everybody is admin)."""
    published = service.publish is not None and not service.publish.loopback
    if server(service).disable_auth and (published or service.expose):
        yield warning(
            "tabbyapi/open-to-network",
            (*service.path, "options", "disable_auth"),
            "everybody who reaches it may use it, and load, unload and download models",
            f"api_key: {{secret: {{name: {service.name}, key: api-key}}}} in place of `disable_auth`",
        )


def variables(service: LinkedService) -> Iterator[Diagnostic]:
    """TABBY_<SECTION>_<KEY> sets what config.yml leaves out (common/tabby_config.py)."""
    for name in service.env:
        if name.startswith("TABBY_"):
            yield error(
                "tabbyapi/env-option",
                (*service.path, "env", name),
                f"`{name}` sets an option of TabbyAPI behind the plan's back",
                "write it under `options`, by its own name",
                at_key=True,
            )


def allocator(service: LinkedService) -> Iterator[Diagnostic]:
    """Unless told not to, it overwrites both variables before it imports PyTorch (main.py)."""
    if server(service).cuda_malloc_async is False:
        return
    for name in _ALLOCATOR:
        if name in service.env:
            yield warning(
                "tabbyapi/allocator-overruled",
                (*service.path, "env", name),
                f"`{name}` has no effect: TabbyAPI sets it to `backend:cudaMallocAsync`",
                "options: {cuda_malloc_async: false}, or remove the variable",
                at_key=True,
            )
