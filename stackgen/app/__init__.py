"""The use-cases, and the only place that wires stages together."""

from stackgen.app.knowledge import known_models
from stackgen.app.loading import Loaded, WrongStackError, load, unlocked
from stackgen.app.planning import plan
from stackgen.app.rendering import Output, deploy, render, with_refusals

__all__ = [
    "Loaded",
    "Output",
    "WrongStackError",
    "deploy",
    "known_models",
    "load",
    "plan",
    "render",
    "unlocked",
    "with_refusals",
]
