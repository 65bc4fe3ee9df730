"""What this machine has: asks NVIDIA's driver, and reads what Linux tells of AMD's cards and of main memory."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final

from stackgen.domain.machine import DetectedGpu, Machine
from stackgen.domain.units import GIB, MIB

_SECONDS: Final = 20
"""A driver that is not loaded yet takes its time."""
_LEAST: Final = 4 * GIB
"""Less is a part of main memory that a processor's own graphics has."""
_AMD: Final = "0x1002"
_DRM: Final = Path("/sys/class/drm")


def detect() -> Machine:
    """This machine."""
    return Machine(
        name=socket.gethostname().partition(".")[0],
        gpus=(*_nvidia(), *_amd(_DRM)),
        ram=_ram(),
        nixos=Path("/etc/NIXOS").exists(),
    )


def _nvidia() -> tuple[DetectedGpu, ...]:
    """Cards that nvidia-smi lists; none when it is not there, or its driver does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = ["--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603
            [program, *query], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(card for line in done.stdout.splitlines() if (card := _card(line)) and not done.returncode)


def _card(line: str) -> DetectedGpu | None:
    """`NVIDIA GeForce RTX 3090, 24576, 12`, in MiB; cards with unified memory tell no size."""
    name, *sizes = (part.strip() for part in line.rsplit(",", 2))
    if len(sizes) != 2 or not all(size.isdigit() for size in sizes):
        return None
    total, used = (int(size) * MIB for size in sizes)
    return DetectedGpu(name=name, vendor="nvidia", total=total, used=used)


def _amd(folder: Path) -> tuple[DetectedGpu, ...]:
    """Cards of the amdgpu driver, in the order of the PCI bus."""
    found = {}
    for device in folder.glob("card[0-9]*/device"):
        try:
            if (device / "vendor").read_text().strip() == _AMD:
                total, used = (
                    int((device / f"mem_info_vram_{key}").read_text()) for key in ("total", "used")
                )
                named = device / "product_name"
                name = named.read_text().strip() if named.is_file() else ""
                found[device.resolve().name] = DetectedGpu(name=name, vendor="amd", total=total, used=used)
        except (OSError, ValueError):
            continue
    return tuple(found[address] for address in sorted(found) if found[address].total >= _LEAST)


def _ram() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
