"""The options of llama-server, build by build, as `data/llama_server_options.toml` lists them."""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final, NamedTuple

from stackgen.data import load_toml
from stackgen.engines.llama_server import numbers, values
from stackgen.engines.llama_server.values import Kind


class Role(Enum):
    """Where an option may stand."""

    PLAIN = "-"
    INFO = "info"
    ROUTER = "router"
    STACK = "stack"
    PRESET = "preset"


class Presence(Enum):
    """Whether a build knows an option."""

    YES = "yes"
    NOT_YET = "not yet"
    REMOVED = "removed"
    UNCERTAIN = "uncertain"
    """Between two builds that were read, of which one knows it and the other does not."""


class Spelling(NamedTuple):
    """One way to write an option; `argument` has its dashes (none for presets-only keys)."""

    argument: str
    since: int
    negated: bool = False

    @property
    def key(self) -> str:
        """As it stands in a presets file."""
        return self.argument.lstrip("-")


class Option(NamedTuple):
    """One option of llama-server. `since` and `until` are the first and last builds in which it was seen."""

    name: str
    spellings: tuple[Spelling, ...]
    value: str
    """The cell of the table: what values it takes."""
    env: tuple[str, ...]
    since: int
    until: int | None
    role: Role
    note: str | None
    """What to write in its place, see the head of the table."""

    @property
    def yaml_name(self) -> str:
        """As stack.yaml writes it."""
        return _READABLE.get(self.name, self.name.replace("-", "_"))

    @property
    def is_flag(self) -> bool:
        """Whether it is there or not, without a form that says no."""
        return self.value == "flag"

    def kind(self, build: int) -> Kind:
        """What values it takes in a build."""
        return _kind(" ".join(_known_words(word, build) for word in self.value.split(" ")))

    def presence(self, build: int) -> Presence:
        """Whether a build knows it."""
        if build < self.since:
            before = max((b for b in builds() if b < self.since), default=0)
            return Presence.NOT_YET if build <= before else Presence.UNCERTAIN
        if self.until is None or build <= self.until:
            return Presence.YES
        after = min(b for b in builds() if b > self.until)
        return Presence.REMOVED if build >= after else Presence.UNCERTAIN

    def instead(self, *, on: bool) -> tuple[tuple[str, str | None], ...]:
        """(canonical name, value) pairs that take its place in other builds; `on`: it is switched on."""
        if self.note is None or self.role is not Role.PLAIN:
            return ()
        enabled, _, disabled = self.note.partition(" / ")
        parted = (item.partition(" ") for item in (enabled if on or not disabled else disabled).split(", "))
        return tuple((name, value or None) for name, _, value in parted)

    def key(self, build: int) -> str:
        """The key for a presets file: the canonical name, or an older one for a build that came before it."""
        known = [s for s in self.spellings if not s.negated and s.since <= build]
        return (known or self.spellings)[0].key


_READABLE: Final = {"ctx-size": "context"}


def builds() -> tuple[int, ...]:
    """The builds whose option tables were read, oldest first."""
    return _table()[0]


def nearest_read(build: int) -> int:
    """The build itself, or the oldest or newest one that was read when it lies outside of these."""
    return min(max(build, builds()[0]), builds()[-1])


def options() -> tuple[Option, ...]:
    """All options."""
    return _table()[1]


@cache
def by_yaml_name() -> Mapping[str, Option]:
    """Options by their name in stack.yaml."""
    return {option.yaml_name: option for option in options()}


@cache
def by_argument() -> Mapping[str, tuple[Option, Spelling]]:
    """Options by every way to write them on a command line."""
    return {
        spelling.argument: (option, spelling)
        for option in options()
        if option.role is not Role.PRESET
        for spelling in option.spellings
    }


@cache
def by_env() -> Mapping[str, Option]:
    """Options by the environment variables that set them."""
    return {name: option for option in options() for name in option.env}


def find(word: str) -> tuple[Option, Spelling] | None:
    """The option that somebody means by any spelling or environment variable, however the dashes are."""
    key = word.lstrip("-").replace("_", "-")
    for option in options():
        for spelling in option.spellings:
            if spelling.key == key:
                return option, spelling
    option_of_env = by_env().get(word.upper())
    return (option_of_env, option_of_env.spellings[0]) if option_of_env else None


@cache
def _table() -> tuple[tuple[int, ...], tuple[Option, ...]]:
    data = load_toml("llama_server_options")
    rows = [[cell.strip() for cell in line.split("|")] for line in data["options"]["table"].splitlines()[1:]]
    return tuple(sorted(map(int, data["builds"]))), tuple(_option(*row) for row in rows)


def _option(names: str, value: str, env: str, seen: str, role: str, note: str) -> Option:
    first, _, last = seen.partition("..")
    spellings = tuple(_spelling(name, int(first), preset=role == "preset") for name in names.split(", "))
    return Option(
        name=spellings[0].key,
        spellings=spellings,
        value=value,
        env=() if env == "-" else tuple(env.split(", ")),
        since=int(first),
        until=int(last) if last else None,
        role=Role(role),
        note=None if note == "-" else note,
    )


def _spelling(name: str, row_since: int, *, preset: bool) -> Spelling:
    text, _, since = name.removeprefix("!").partition("@")
    argument = text if preset or text.startswith("-") else f"--{text}"
    return Spelling(argument=argument, since=int(since or row_since), negated=name.startswith("!"))


def _known_words(cell: str, build: int) -> str:
    """The words of a cell without those that came after a build."""
    parted = [word.partition("@") for word in cell.split("/")]
    return "/".join(word for word, _, since in parted if not since or int(since) <= build)


@cache
def _kind(cell: str) -> Kind:
    plain, _, exclusion = cell.partition(" !")
    name, _, rest = plain.partition(" ")
    nonzero = exclusion == "0"
    if name == "int":
        return numbers.integer(*_bounds(rest), nonzero=nonzero)
    if name == "float":
        return numbers.number(*_bounds(rest), nonzero=nonzero)
    if name == "seconds":
        return numbers.seconds(nonzero=nonzero)
    if name == "list":
        return values.words(rest.split("/"), several=True)
    return _KINDS[name]() if name in _KINDS else values.words(plain.split("/"))


def _bounds(text: str) -> tuple[int | None, int | None]:
    low, _, high = text.partition("..")
    return (int(low) if low else None, int(high) if high else None)


_KINDS: Final = {
    "flag": lambda: values.switch(takes_value=False),
    "pair": lambda: values.switch(takes_value=False),
    "bool": lambda: values.switch(takes_value=True),
    "text": values.text,
    "texts": values.texts,
    "json": values.json_text,
    "mib": numbers.mebibytes,
    "mibs": numbers.mebibytes_per_gpu,
    "layers": numbers.layers,
    "shares": numbers.shares,
}
