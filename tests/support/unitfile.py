"""A reader of unit files after systemd.syntax(7) and systemd.service(5), independent of what writes them."""

import re

SPACE = " \t\n\r"
SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
SIMPLE |= {"\\": "\\", '"': '"', "'": "'"}
CODED = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")


def settings_of(text: str) -> dict[str, list[tuple[str, str]]]:
    """The settings of each section in order; values as written, without what surrounds them."""
    sections: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] | None = None
    joined = ""
    for line in re.split(r"\r\n|\n|\r|\0", text):
        if line.lstrip(SPACE)[:1] in ("#", ";"):
            continue
        joined += line.rstrip("\r\n")
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        line, joined = joined.strip(SPACE), ""
        if not line:
            continue
        if line.startswith("["):
            assert line.endswith("]"), line
            current = sections.setdefault(line[1:-1], [])
        else:
            key, equals, value = line.partition("=")
            assert equals and current is not None, f"not a setting: {line!r}"
            current.append((key.rstrip(SPACE), value.lstrip(SPACE)))
    assert not joined
    return sections


def words_of(value: str) -> list[str]:
    """The words of a value: quotes removed, C escapes resolved, specifiers not yet."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(value):
        char = value[at]
        at += 1
        if char == "\\":
            if coded := CODED.match(value, at):
                char = chr(int(coded[4], 8) if coded[4] else int(coded[0][1:], 16))
                at = coded.end()
            else:
                char = SIMPLE[value[at]]
                at += 1
            assert char != "\0", "systemd refuses NUL"
            word = (word or "") + char
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote, word = char, word or ""
        elif not quote and char in SPACE:
            words, word = ([*words, word] if word is not None else words), None
        else:
            word = (word or "") + char
    assert not quote, f"a quote is left open: {value!r}"
    return [*words, word] if word is not None else words


def resolved(text: str) -> str:
    """Text after its specifiers; only `%%` and a lone `%` at the end mean themselves."""
    known = re.fullmatch(r"(?:[^%]|%%)*%?", text, re.DOTALL)
    assert known, f"a specifier: {text!r}"
    return text.replace("%%", "%")


def argv_of(value: str) -> list[str]:
    """What an Exec line runs, in an environment without variables."""
    return [expanded(resolved(word)) for word in words_of(value)]


def expanded(word: str) -> str:
    """A word after its variables; only `$$` means itself."""
    assert re.fullmatch(r"(?:[^$]|\$\$)*", word, re.DOTALL), f"a variable: {word!r}"
    return word.replace("$$", "$")
