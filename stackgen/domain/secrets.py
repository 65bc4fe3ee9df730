"""What looks like a password or a token, so that stack.yaml can refuse it and no message repeats it."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

_SHAPES: Final[Mapping[str, str]] = {
    "a Hugging Face token": r"hf_[A-Za-z0-9]{16,}",
    "an API key": r"sk-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}",
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
    "an AWS access key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "a Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "a Groq API key": r"gsk_[A-Za-z0-9]{20,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a Tailscale key": r"tskey-[a-z]+-[A-Za-z0-9-]{10,}",
    "a JSON web token": r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    "an age secret key": r"AGE-SECRET-KEY-1[0-9A-Za-z]{20,}",
    "a private key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.*)",
    "a password in a URL": r"(?<=://)[^\s/:@$]*:[^\s/@$]+(?=@)",
}
_MARKS: Final = (
    *(
        "hf_",
        "sk-",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "AKIA",
        "ASIA",
        "AIza",
        "gsk_",
    ),
    *("xox", "tskey-", "eyJ", "AGE-SECRET-KEY-", "-----BEGIN", "://"),
)
"""One of these is in every secret of a known shape, so most texts need no closer look."""
_NAMES: Final = tuple(_SHAPES)

_SECRET_KEY = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token|credentials?|(?:api|access|private|master|secret|auth)[_-]?key)$",
    re.IGNORECASE,
)
_PASSWORD_VARIABLE = re.compile(r"(?:^|_)(?:pass(?:word|wd|phrase)?|pwd)$", re.IGNORECASE)
"""Also the short spellings of variables; the shell's own PWD and OLDPWD are folders."""
_NO_SECRET = re.compile(
    r"|\d+|true|false|/.*|\$.*|(?:sk-)?(?:no(?:ne|t-needed|-key|-key-required)?|null|n/?a|empty|dummy|unused|x+|local|"
    r"fake|placeholder|ollama|lm-studio|litellm|llama-server)",
    re.IGNORECASE,
)
"""What people give a program that insists on a key which nobody checks; paths, counts, and variables."""
_RANDOM = re.compile(r"(?=[^\s]*[A-Za-z])(?=[^\s]*\d)[^\s/~$<{][^\s$<{]{7,}")
"""Letters and digits, no spaces; not a path, a variable or a placeholder."""


def secret_in(text: str) -> str | None:
    """What kind of secret stands in a text, such as `a Hugging Face token`, or None."""
    match = _any().search(text) if any(mark in text for mark in _MARKS) else None
    return None if match is None or match.lastgroup is None else _NAMES[int(match.lastgroup[1:])]


def secret_under(key: str, text: str) -> str | None:
    """The same for the value of a key, whose name may tell what the value does not; also for `KEY=value`."""
    if found := secret_in(text):
        return found
    name, equals, rest = text.partition("=")
    if equals and re.fullmatch(r"[\w-]+", name):
        key, text = name, rest
    if _SECRET_KEY.search(key) and _RANDOM.fullmatch(text) and len(set(text)) > 5:
        return "something that looks like a secret"
    return None


def secret_in_variable(name: str, value: object) -> str | None:
    """The same for an environment variable: one whose name says that it is a secret may be short and plain."""
    text = str(value)
    if found := secret_under(name, text):
        return found
    if _PASSWORD_VARIABLE.search(name):
        secret = is_secret_name(name) and bool(text) and not text.startswith(("/", "$"))
    else:
        secret = is_secret_name(name) and not _NO_SECRET.fullmatch(text)
    return "what looks like a password" if secret else None


def is_secret_name(variable: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    folder = variable.upper() in ("PWD", "OLDPWD")
    return not folder and bool(_PASSWORD_VARIABLE.search(variable) or _SECRET_KEY.search(variable))


def masked(text: str) -> str:
    """The text with every secret in it replaced by as many asterisks."""
    if not any(mark in text for mark in _MARKS):
        return text
    return _any().sub(lambda match: "*" * len(match[0]), text)


@cache
def _any() -> re.Pattern[str]:
    groups = (f"(?P<_{index}>{shape})" for index, shape in enumerate(_SHAPES.values()))
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(groups)})")
