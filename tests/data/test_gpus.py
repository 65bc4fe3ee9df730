"""The table of graphics cards."""

import pytest

from stackgen.data import gpus, load_toml
from stackgen.domain.units import MIB

CARDS = {name: gpus.gpu(name) for name in gpus.names()}


def test_names_are_unique_slugs() -> None:
    listed = [name for series in load_toml("gpus")["series"] for name in series["cards"]]
    assert len(listed) == len(set(listed)) == len(CARDS)
    assert not set(load_toml("gpus")["aliases"]) & set(listed)
    assert [name for name in listed if name != name.lower() or " " in name or "_" in name] == []


@pytest.mark.parametrize("name", CARDS)
def test_rows_are_plausible(name: str) -> None:
    card = CARDS[name]
    assert card is not None and card.name == name
    assert 0 < card.board - card.capacity <= max(0.15 * card.board, 600 * MIB)
    assert card.source and card.architecture
    assert card.vendor in ("nvidia", "amd", "intel")
    assert (card.compute_capability is None) == (card.vendor != "nvidia")
    assert 64 < card.bandwidth_gb_s < 10_000


@pytest.mark.parametrize("name", load_toml("gpus")["measured"])
def test_the_rule_for_cards_nobody_measured_is_on_the_safe_side(name: str) -> None:
    card = CARDS[name]
    assert card is not None and card.measured
    assert gpus._estimate(card.board // MIB, card.vendor) * MIB <= card.capacity


@pytest.mark.parametrize("name", load_toml("gpus")["aliases"])
def test_aliases_lead_to_cards(name: str) -> None:
    assert gpus.gpu(name) is not None


CAPACITIES = {
    "rtx-3090": 24124,
    "rtx-4090": 24080,
    "rtx-5090": 32106,
    "rtx-pro-6000-blackwell": 97247,
    "tesla-p100": 16269,
}


@pytest.mark.parametrize(("name", "mib"), CAPACITIES.items())
def test_measured_capacities(name: str, mib: int) -> None:
    card = gpus.gpu(name)
    assert card is not None and card.measured and card.capacity == mib * MIB


NAMES = {
    "rtx-3090": "rtx-3090",
    "3090": "rtx-3090",
    "RTX 3090": "rtx-3090",
    "rtx3090": "rtx-3090",
    "nvidia-geforce-rtx-3090": "rtx-3090",
    "NVIDIA GeForce RTX 3090": "rtx-3090",
    "NVIDIA-GeForce-RTX-5070-Ti": "rtx-5070-ti",
    "4070ti": "rtx-4070-ti",
    "RTX 4070 Ti SUPER": "rtx-4070-ti-super",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "rtx-4090-laptop",
    "NVIDIA RTX A6000": "rtx-a6000",
    "NVIDIA RTX 4000 SFF Ada Generation": "rtx-4000-sff-ada",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "rtx-pro-6000-blackwell",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rtx-pro-6000-blackwell-max-q",
    "Quadro RTX 6000": "quadro-rtx-6000",
    "RTX 6000 Ada": "rtx-6000-ada",
    "Tesla P40": "tesla-p40",
    "P40": "tesla-p40",
    "Tesla T4": "tesla-t4",
    "Tesla P100-PCIE-16GB": "tesla-p100",
    "Tesla-V100-SXM2-32GB": "v100-32gb",
    "NVIDIA A100-SXM4-80GB": "a100-80gb",
    "NVIDIA A100 80GB PCIe": "a100-80gb",
    "NVIDIA H100 80GB HBM3": "h100-80gb",
    "NVIDIA H200": "h200",
    "NVIDIA GB10": "dgx-spark",
    "AMD Radeon RX 7900 XTX": "rx-7900-xtx",
    "7900xtx": "rx-7900-xtx",
    "AMD Radeon AI PRO R9700": "radeon-ai-pro-r9700",
    "W7900": "radeon-pro-w7900",
    "mi50-32gb": "mi50-32gb",
    "Intel(R) Arc(TM) A770 Graphics": "arc-a770-16gb",
    "Intel Arc B580": "arc-b580",
    "rtx 6000": None,
    "rtx-9999": None,
    "geforce": None,
    "": None,
}


@pytest.mark.parametrize(("written", "name"), NAMES.items(), ids=str)
def test_names_that_people_and_drivers_write(written: str, name: str | None) -> None:
    card = gpus.gpu(written)
    assert (card and card.name) == name


VARIANTS = [
    ("NVIDIA GeForce RTX 4060 Ti", 8188, "rtx-4060-ti"),
    ("NVIDIA GeForce RTX 4060 Ti", 16380, "rtx-4060-ti-16gb"),
    ("NVIDIA GeForce RTX 3080", 10240, "rtx-3080"),
    ("NVIDIA GeForce RTX 3080", 12288, "rtx-3080-12gb"),
    ("NVIDIA GeForce RTX 3080", 20480, None),
    ("AMD Radeon RX 9060 XT", 16304, "rx-9060-xt-16gb"),
    ("AMD Instinct MI60 / MI50", 32752, "mi50-32gb"),
    ("NVIDIA GeForce RTX 3090", 24576, "rtx-3090"),
    ("NVIDIA GeForce RTX 3090", 12288, None),
    ("Matrox G200", 8, None),
]


@pytest.mark.parametrize(("written", "mib", "name"), VARIANTS)
def test_variants_that_share_a_name_are_told_apart_by_size(written: str, mib: int, name: str | None) -> None:
    card = gpus.detected(written, mib * MIB)
    assert (card and card.name) == name
