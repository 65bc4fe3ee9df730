"""The stacks that we show."""

from tests.support.cli import STACKS

EXAMPLES = sorted(STACKS.glob("*/stack.yaml"))
ON_ANY_PLATFORM = [file for file in EXAMPLES if "workers:" not in file.read_text("utf-8")]
"""Those that need no platform which starts the parts of a service on several hosts together."""
