"""What a service asks for of CPUs and main memory, and what it gets at most, as stack.yaml has it."""

from typing import Annotated

from pydantic import Field, model_validator

from stackgen.domain.strict import Strict
from stackgen.domain.values import Cpus, Size
from stackgen.domain.wording import Form


class _Bounds(Strict):
    """What is kept free for a service, and what it gets at most."""

    @model_validator(mode="after")
    def _ordered(self) -> "_Bounds":
        request, limit = (getattr(self, name) for name in ("request", "limit"))
        if request is None and limit is None:
            raise ValueError("give `request` (what is kept free for it), `limit` (the most it gets) or both")
        if request is not None and limit is not None and request > limit:
            raise ValueError("`request` is larger than `limit`")
        return self


class CpuBounds(_Bounds):
    """The CPUs of a service, in the long form."""

    request: Cpus | None = Field(default=None, description="what is kept free for it; the limit unless told")
    limit: Cpus | None = Field(default=None, description="the most that it gets, such as 4 or 500m")


class RamBounds(_Bounds):
    """The main memory of a service, in the long form."""

    request: Size | None = Field(default=None, description="what is kept free for it; the limit unless told")
    limit: Size | None = Field(default=None, description="the most that it takes, such as 4GiB")


CpuBudget = Annotated[
    Cpus | CpuBounds | None,
    Form("a number of CPUs above 0, such as 4 or 500m, or a mapping with `request` and `limit`"),
]
RamBudget = Annotated[
    Size | RamBounds | None, Form("a size such as 4GiB, or a mapping with `request` and `limit`")
]
"""In the short form, the limit alone."""
