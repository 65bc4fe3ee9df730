"""What a machine tells of itself: NVIDIA's tool, AMD's driver, main memory."""

from pathlib import Path

import pytest

from stackgen.domain.machine import DetectedGpu
from stackgen.domain.units import GIB, MIB
from stackgen.io import machine


def fake_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_nvidias_cards_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "NVIDIA GeForce RTX 3090, 24576, 1\nNVIDIA GeForce RTX 4070 Ti, 12282, 900\nNVIDIA GB10, [N/A], [N/A]"
    )
    fake_smi(tmp_path, f'[ "$2" = --format=csv,noheader,nounits ] && echo "{lines}"', monkeypatch)
    assert machine.detect().gpus[:2] == (
        DetectedGpu("NVIDIA GeForce RTX 3090", "nvidia", 24576 * MIB, MIB),
        DetectedGpu("NVIDIA GeForce RTX 4070 Ti", "nvidia", 12282 * MIB, 900 * MIB),
    )


@pytest.mark.parametrize("script", ["echo 'no devices were found'; exit 6", "exit 9", "echo"])
def test_a_driver_that_does_not_answer_has_no_cards(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_smi(tmp_path, script, monkeypatch)
    assert not [gpu for gpu in machine.detect().gpus if gpu.vendor == "nvidia"]


def test_amds_cards_are_sorted_by_their_address(tmp_path: Path) -> None:
    for card, address, total, vendor in (
        ("card0", "0000:0b:00.0", 24 * GIB, "0x1002"),
        ("card1", "0000:03:00.0", 16 * GIB, "0x1002"),
        ("card2", "0000:00:02.0", 16 * GIB, "0x8086"),
        ("card3", "0000:0c:00.0", GIB // 2, "0x1002"),
    ):
        device = tmp_path / "devices" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "mem_info_vram_total").write_text(f"{total}\n")
        (device / "mem_info_vram_used").write_text("0\n")
        (tmp_path / card).mkdir()
        (tmp_path / card / "device").symlink_to(device)
    assert [(gpu.vendor, gpu.total // GIB) for gpu in machine._amd(tmp_path)] == [("amd", 16), ("amd", 24)]
    assert machine._amd(tmp_path / "nothing") == ()


def test_main_memory_is_told() -> None:
    ram = machine.detect().ram
    assert ram is not None
    assert ram > GIB
