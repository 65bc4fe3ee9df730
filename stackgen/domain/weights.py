"""Which format weights are stored in, as far as a request tells."""

import re
from typing import Final

from stackgen.domain.facts import Format
from stackgen.domain.linked import ModelRequest

_WORDS: Final = re.compile(r"(?i)(?:^|[-_./])(gguf|exl3|exl2|gptq)(?=$|[-_./\d])")

_FORMATS: Final[dict[str, Format]] = {"gguf": "gguf", "exl3": "exl3", "exl2": "exl2", "gptq": "gptq"}


def format_of(request: ModelRequest) -> Format | None:
    """The format by name of repository, file, folder or branch; None where no name tells."""
    if request.ollama is not None or request.quant is not None:
        return "gguf"
    names = (request.file, request.revision, request.path, request.repo, request.url)
    for name in names:
        if name and (found := _WORDS.findall(name)):
            return _FORMATS[found[-1].lower()]
    return None
