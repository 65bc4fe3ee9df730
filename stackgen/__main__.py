"""The program: `stackgen`, and `python -m stackgen`."""

import sys


def main() -> None:
    """Run the command line. It takes a moment to load, in which an interrupt must not show a traceback either."""
    try:
        from stackgen.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
