"""A first stack.yaml for a machine: this one, or one whose cards are named."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from stackgen import registry
from stackgen.app import fitting
from stackgen.app.fitting import Card
from stackgen.data import gpus as table
from stackgen.data import load_toml
from stackgen.domain import spelling
from stackgen.domain.diagnostic import did_you_mean
from stackgen.domain.failure import Failure
from stackgen.domain.fit import Fit
from stackgen.domain.linked import LinkedGpu
from stackgen.domain.machine import DetectedGpu, Machine
from stackgen.domain.units import GIB, MIB
from stackgen.engines.llama_server import image
from stackgen.spec import beginning

CONTEXT: Final = 32768
"""Enough to begin with, so that room is left for more models."""
_ROOM: Final = CONTEXT * 5 // 4
"""The context that must fit for that, so that the first stack is not filled to the brim."""
_BUSY: Final = 512 * MIB
"""A card of which more is taken serves a desktop, or something else."""


class Begun(NamedTuple):
    """A file, what it is for, and what its owner should know."""

    text: str
    cards: tuple[str, ...]
    ram: str | None
    model: str
    notes: tuple[str, ...]


def named(gpus: Sequence[str]) -> tuple[Card, ...]:
    """Cards as stack.yaml has them, from their names or sizes. Raises Failure."""
    return tuple(map(fitting.card, gpus))


def found(machine: Machine) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    """Cards of this machine as stack.yaml has them, and what is to be known of them."""
    cards, notes = [], []
    for index, gpu in enumerate(machine.gpus):
        card = _detected(gpu)
        cards.append(card)
        if not isinstance(card, str):
            notes.append(
                f"GPU {index} ({gpu.name or gpu.vendor}) is not in the built-in table: its capacity is a guess"
            )
        if gpu.used > _BUSY:
            notes.append(
                f"of GPU {index} {gpu.used // MIB} MiB are in use: if that stays, write {{…, reserve: SIZE}} for it"
            )
    return tuple(cards), tuple(notes)


def _detected(gpu: DetectedGpu) -> Card:
    known = table.detected(gpu.name, gpu.total) if gpu.name else None
    if known and known.vendor == gpu.vendor:
        return known.name
    # What drivers keep for themselves is at most this, see data/gpus.toml.
    capacity = {"capacity": f"{gpu.total * 97 // 100 // MIB}MiB"}
    return capacity if gpu.vendor == "nvidia" else capacity | {"vendor": gpu.vendor}


def begin(
    machine: Machine, cards: Sequence[Card], ram: str | None, *, name: str | None, platform: str | None
) -> Begun:
    """The first stack for cards of a machine. Raises Failure."""
    platforms = tuple(registry.platforms())
    chosen = platform or ("nixos" if machine.nixos else "compose")
    if chosen not in platforms:
        hint = did_you_mean(chosen, platforms) or f"there are: {', '.join(platforms)}"
        raise Failure(f"there is no platform {chosen!r}", hint)
    ram = ram or (f"{machine.ram // GIB}GiB" if machine.ram and machine.ram >= GIB else None)
    mine = _of_one_vendor(cards)
    model, hf, row = _first_model([cards[i] for i in mine], ram)
    host = spelling.name(machine.name) or "box"
    text = beginning.text(
        beginning.Beginning(
            name=spelling.name(name or "home") or "home",
            host=host,
            platform=chosen,
            platforms=platforms,
            ram=ram,
            gpus=[_yaml(card) for card in cards],
            service_gpus=mine if row else (),
            model=model,
            hf=hf,
            context=min(row.context, CONTEXT) if row else CONTEXT // 4,
            settings=[s for s in row.settings if not s.startswith("context: ")] if row else (),
            image=image.default(_linked(cards, mine) if row else ()),
        )
    )
    notes = [] if row else ["no GPU for it: the model is planned on the CPU; name cards with --gpu rtx-3090"]
    if len(mine) < len(cards):
        notes.append(
            "the cards are of several vendors: llama-server gets those of one, for one image serves one vendor"
        )
    return Begun(text, tuple(map(_yaml, cards)), ram, hf, tuple(notes))


def _first_model(cards: Sequence[Card], ram: str | None) -> tuple[str, str, Fit | None]:
    """Name, weights and settings of the first model of the list that is whole on the cards."""
    candidates = load_toml("first_models")["models"]
    for model in candidates if cards else ():
        fits = fitting.alone(f"{model['hf']}:{model['quants'][0]}", cards, ram, _ROOM)
        for row in fits.rows:
            whole = row.context >= fits.context and not row.experts_on_host
            if whole and row.quantization in model["quants"]:
                return model["name"], f"{model['hf']}:{row.quantization}", row
    small = candidates[-2]
    return small["name"], f"{small['hf']}:{small['quants'][-1]}", None


def _of_one_vendor(cards: Sequence[Card]) -> tuple[int, ...]:
    """Indexes of the cards of the vendor that most are from; one image serves one vendor."""
    vendors = [_vendor(card) for card in cards]
    most = max(dict.fromkeys(vendors), key=vendors.count, default=None)
    return tuple(index for index, vendor in enumerate(vendors) if vendor == most)


def _vendor(card: Card) -> str:
    has = {"model": card} if isinstance(card, str) else card
    known = table.gpu(has["model"]) if "model" in has else None
    return known.vendor if known else has.get("vendor", "nvidia")


def _linked(cards: Sequence[Card], indexes: Sequence[int]) -> list[LinkedGpu]:
    """As much of them as decides the image."""
    return [LinkedGpu(index=i, model="", capacity=0, vendor=_vendor(cards[i])) for i in indexes]


def _yaml(card: Card) -> str:
    if isinstance(card, str):
        return card
    return f"{{{', '.join(f'{key}: {value}' for key, value in card.items())}}}"
