"""Value trees -> JSON, in the order they were given."""

import json
from typing import Any

from stackgen.emit import tree


def dump(body: Any) -> str:
    """JSON text that is indented by two spaces and ends in a newline. Raises EmitError."""
    tree.check(body)
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def line(body: Any) -> str:
    """JSON on one line. Raises EmitError."""
    tree.check(body)
    return json.dumps(body, ensure_ascii=False, allow_nan=False)
