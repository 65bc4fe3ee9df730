"""Text that some syntax takes for something else, as Hypothesis strategies."""

from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

BATCHES = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""For tests that start a program on each example: shrinking a failure would start it a thousand times."""

_WORDS = r"""
~ null NULL true False yes No on OFF y N .inf -.INF .nan NaN = << !!str !x &a *a @a `a %a |
1 -1 +1 1_000 0o17 017 0x1f 0b1 1e3 1E+3 1. .5 1.10 1:30 190:20:30 12:00 2026-11-20 2026-11-20T10:00:00Z 4x
- ? : a: # [a] > --- ... -a 1a a.b a-b a' * default if or let rec inherit assert __curPos
' '' " "" 'a' "a" \ a\ a\\ \' $ $$ $a ${a} 50% a% % ; a;b a#b ! $(id) `id` -n -- / /a/ // .. ~/a a=b a,b
"""
_BLANKS = "- a|? a|a: b|# a|a #b|{a: b}|--- a|-  a| a|a |\ta|a\t|a ; b|{{ a }}|{% if a %}|{# a #}"
_LINES = (
    *("\n", "a\n", "a\nb", "a\nb\n", "a\n\n", "\na", "a\r\nb\r\n", "a \nb\n", "a\n\nb\n\n\n"),
    *(" a\n", " a\nb\n", "a\n b\n", "  a\n   b\n", "\n a\n", "if true; then\n  echo $$ ${A} '$x'\nfi\n"),
)
LOOKALIKES = ("", "|| true", "text " * 60, "x" * 300, *_WORDS.split(), *_BLANKS.split("|"), *_LINES)
_MARKS = r"${ $${ '' '${ ''${ ''\' ''' \${ $( $$ %% %h %n \n \x41 \u00e9 --- << {{ }} {% EOF"
FRAGMENTS = (
    *"abZ019 -_./\\:;,#!?=~@&*|<>[](){}$%`'\"^+\t\n\r",
    *"\x01\x0b\x1b\x7f\x85\xa0é\u200b\u2028\u202e\ufeff\ufffd\ufffe😀",
    *_MARKS.split(),
    *(": ", " #", "- ", "? ", "  ", "\n\n", "\r\n", " \n", "\n ", "\t\n", "\n\t"),
)

text = st.one_of(
    st.sampled_from(LOOKALIKES),
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
    st.text(max_size=20),
)
"""Everything but lone surrogates."""

texts = st.lists(text, min_size=40, max_size=80)
"""As many as one call of a program is worth."""

words = text.filter(lambda word: "\0" not in word)
argvs = st.lists(words, min_size=40, max_size=80)
"""What a program can be started with."""

lines = st.lists(
    st.lists(st.sampled_from([f for f in FRAGMENTS if "\n" not in f]), max_size=6).map("".join), max_size=6
).map(lambda rows: "\n".join(rows) + "\n")
"""Scripts, more or less."""

numbers = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.sampled_from([0.0, -0.0, 1e16, 1e-5, 1e300, 0.1]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, text, lines)


def trees(leaves: st.SearchStrategy[Any] = scalars) -> st.SearchStrategy[Any]:
    """Value trees of dicts and lists, empty ones too."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
        max_leaves=20,
    )
