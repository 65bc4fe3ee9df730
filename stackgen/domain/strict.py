"""What all parts of stack.yaml have in common."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """No unknown keys, no conversions that nobody asked for."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)
