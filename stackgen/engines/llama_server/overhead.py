"""What a process takes on a GPU outside every buffer that it logs."""

from typing import Final

from stackgen.domain.footprint import Basis, Memory, Term, TermName
from stackgen.domain.units import MIB

_LOW, _BEST, _HIGH = (150 * MIB, 500 * MIB, 750 * MIB)
PROCESS_OVERHEAD: Final = Memory(
    (
        Term(
            name=TermName.CONTEXT,
            low=_LOW,
            best=_BEST,
            high=_HIGH,
            basis=Basis.MODELLED,
            formula="driver context, kernels and pools of a process: 115 to 750 MiB were read on 12 cards",
        ),
    )
)
"""Per process and GPU; readings of nvidia-smi and of exit reports, Linux, b8829 to Aug 2026."""
