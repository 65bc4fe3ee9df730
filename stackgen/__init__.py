"""stackgen: one typed stack.yaml for a home AI stack, proved to fit each GPU, rendered to every file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackgen.api import Estimate, estimate

__all__ = ["Estimate", "estimate"]


def __getattr__(name: str) -> Any:
    """Load the public API when it is first asked for, so that importing stackgen stays cheap."""
    if name in __all__:
        from stackgen import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
