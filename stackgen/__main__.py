"""The program: `stackgen`, and `python -m stackgen`."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> None:
    """Run the command line. It takes a moment to load, in which an interrupt must not show a traceback either."""
    # A run is short and makes few cycles: to look for them takes longer than it frees.
    gc.set_threshold(100_000)
    try:
        from stackgen.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        run()
    except SystemExit as exc:
        if isinstance(exc.code, str):
            raise
        _leave(exc.code or 0)


def _leave(status: int) -> NoReturn:
    """End at once: what Python tears down object by object at its end, the kernel takes back in one go."""
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
