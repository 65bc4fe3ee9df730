"""llama-swap as the router: what it needs, and what it would read otherwise than meant."""

from collections.abc import Iterator, Mapping

from stackgen.domain.diagnostic import Diagnostic, error, warning
from stackgen.domain.linked import LinkedService
from stackgen.domain.plan import KnownModel
from stackgen.engines.llama_server.effective import Case
from stackgen.engines.llama_server.keys import yaml_line
from stackgen.engines.llama_server.options import ServiceOptions


def image_without_it(service: LinkedService) -> Iterator[Diagnostic]:
    """Its images name two versions, llama-swap's and llama.cpp's, and not every pair of them was built."""
    options: ServiceOptions = service.options
    if options.router == "llama-swap" and "llama-swap" not in (service.image or ""):
        yield error(
            "llama-server/swap-image",
            (*service.path, "image") if service.image else service.path,
            "llama-swap is in images of its own, which are named after both versions",
            "image: ghcr.io/mostlygeek/llama-swap:v166-cuda-b6795, or newer: v(llama-swap)-cuda-b(llama.cpp)",
        )


def only_for_one_router(service: LinkedService) -> Iterator[Diagnostic]:
    """Options of the router that is not there."""
    options: ServiceOptions = service.options
    if options.router == "llama-swap" and options.command_line:
        yield error(
            "llama-server/other-router",
            (*service.path, "options", "command_line"),
            "`command_line` is for llama-server's own router, and llama-swap is in its place",
            "write them as options",
        )
    if options.router == "llama-server" and options.global_ttl:
        yield warning(
            "llama-server/other-router",
            (*service.path, "options", "global_ttl"),
            "`global_ttl` is for llama-swap; llama-server itself does not unload a model for being idle",
            "router: llama-swap, or `sleep_idle_seconds`",
        )


def macros(this: Case, known: Mapping[str, KnownModel]) -> Iterator[Diagnostic]:
    """llama-swap puts something into every ${...}, or does not start."""
    if this.options.router == "llama-swap":
        for name, value in this.values.items():
            if isinstance(value, str) and "${" in value:
                yield error(
                    "llama-server/swap-macro",
                    this.at(name),
                    f"llama-swap takes `${{` in `{yaml_line(name, None)}` for one of its macros",
                    "there is no way to write it; use llama-server's own router",
                )
