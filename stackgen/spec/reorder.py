"""Another order of the exclusive groups in the text of a stack: two words change places, and nothing else does."""

from collections.abc import Sequence

from stackgen.domain.failure import Failure
from stackgen.domain.source import Source
from stackgen.spec.source import read


def reordered(source: Source, groups: Sequence[Sequence[str]]) -> str:
    """The text with these groups, which differ from its own in their order alone. Raises Failure.

    What an alias or a merge brings in stands elsewhere, where others read it too; such a text is refused.
    """
    lines = source.text.split("\n")
    edits = [
        (source.positions.values[("exclusive", number, index)], old, new)
        for number, (old_group, group) in enumerate(zip(source.data["exclusive"], groups, strict=True))
        for index, (old, new) in enumerate(zip(old_group, group, strict=True))
        if old != new
    ]
    for place, old, new in sorted(edits, reverse=True):
        at, start, end = place.line - 1, place.column - 1, place.column - 1 + place.width
        # Characters that YAML alone takes for the end of a line would lead past the last one.
        for line in lines[at : at + 1]:
            if line[start:end].strip("'\"") == old:
                lines[at] = line[:start] + line[start:end].replace(old, new) + line[end:]
    text = "\n".join(lines)
    if read(source.name, text).data != {**source.data, "exclusive": [list(group) for group in groups]}:
        wanted = ", ".join(f"[{', '.join(group)}]" for group in groups)
        raise Failure(
            "`exclusive` is written in a way that cannot be changed in place", f"exclusive: [{wanted}]"
        )
    return text
