"""Source -> Stack: the shape of the language, and no secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.diagnostic import StackError
from stackgen.domain.source import Source
from stackgen.domain.stack import SecretValue, Stack
from stackgen.report.diagnostics import as_dicts, github, show
from stackgen.spec.parse import parse
from stackgen.spec.source import read
from tests.support.example_stack import EXAMPLE
from tests.support.reading import findings

HEAD = "version: 1\nname: home\nhosts: {}\n"


def stack(text: str) -> Stack:
    return parse(read("stack.yaml", text))


def kinds(text: str) -> list[str]:
    with pytest.raises(StackError) as caught:
        stack(text)
    return [d.kind for d in caught.value.diagnostics]


def test_the_example_is_typed() -> None:
    example = stack(EXAMPLE)
    assert example.hosts["gpu-1"].ram == 400 * 1024**3
    assert example.services["llama"].engine == "chat-server"
    assert example.services["llama"].image == "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"
    assert example.services["llama"].expose is not None
    assert example.services["llama"].expose.timeout == 1800
    assert example.deploy.gitops == "argocd"
    assert example.budget.headroom == 512 * 1024**2


def test_top_level_keys_of_the_user_are_left_alone() -> None:
    assert stack(HEAD + "x-anything: {a: [1]}\n").name == "home"
    assert kinds(HEAD + "hosts-x: 1\n") == ["spec/unknown-key"]
    assert kinds(HEAD + "services: {a: {x-b: 1, engine: e, host: h}}\n") == ["spec/unknown-key"]


def test_another_version_is_all_that_is_told() -> None:
    assert kinds("version: 2\nnmae: x\n") == ["spec/version"]
    assert kinds("version: true\n") == ["spec/version"]
    assert kinds("nmae: x\n") == ["spec/missing-key", "spec/missing-key", "spec/unknown-key"]


def test_empty_files_and_other_data() -> None:
    assert kinds("") == kinds("# only a comment\n") == ["spec/missing-key"]
    assert kinds("just text") == kinds("[1]") == ["spec/type"]


SECRETS = {
    "as a value": ("env: {A: %s}", "hf_" + "notARealToken0123456789"),
    "in a sentence": ("env: {A: 'key %s here'}", "hf_" + "notARealToken0123456789"),
    "as a key": ("options: {%s: 1}", "ghp_" + "notARealToken0123456789"),
    "as a name": ("env: {%s: x}", "ghp_" + "notARealToken0123456789"),
    "of the wrong type": ("gpus: %s", "hf_" + "notARealToken0123456789"),
    "under a telling name": ("env: {A_PASSWORD: %s}", "n0t-a-real-password"),
    "where a number is wanted": ("publish: %s", "sk-" + "notreal-0123456789abc"),
    "among options": ("options: {api_key: %s}", "notARealKey42"),
    "long": ("env: {A_TOKEN: %s}", "notAreal0" * 30),
    "quoted": ("env: {A_TOKEN: '%s'}", 'not"areal0'),
    "in a list": ("options: {args: [--token, %s]}", "hf_" + "notARealToken0123456789"),
    "in a list of variables": ("env: [A=1, HF_TOKEN=%s]", "hf_" + "notARealToken0123456789"),
    "in a list of variables, by name": ("env: [A_PASSWORD=%s]", "notARealPassword1"),
    "in an argument": ("options: {args: [--api-key=%s]}", "notARealPassword1"),
    "glued to its key": ("options: {api_key:%s}", "notARealPassword1"),
    "twice": ("env: {A: %s, B: [1]}", "hf_" + "notARealToken0123456789"),
}


@pytest.mark.parametrize(("line", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_literal_secret_is_an_error_that_no_form_of_report_repeats(line: str, secret: str) -> None:
    text = f"{HEAD}services:\n  it:\n    engine: chat-server\n    host: box\n    {line % secret}\n"
    source, found = findings(text)
    assert "spec/literal-secret" in {d.kind for d in found}
    told = show(found, source, width=200, color=True) + github(found, source) + str(as_dicts(found, source))
    for part in (secret, secret[:20], secret[-12:]):
        assert part not in told


def test_a_syntax_error_does_not_repeat_a_secret() -> None:
    token = "hf_" + "notARealToken0123456789"
    for text in (f"{token}: 1\n{token}: 2\n", f"a: {token}\n  b: 1\n", f"a: *{token}\n", f"{token}\nb: 1\n"):
        source, found = findings(text)
        assert found
        told = (
            show(found, source, width=200, color=True) + github(found, source) + str(as_dicts(found, source))
        )
        assert token not in told


def test_a_reference_to_a_secret_is_not_a_secret() -> None:
    example = stack(
        f"{HEAD}services:\n  it:\n    engine: e\n    host: h\n"
        "    env: {WEBUI_SECRET_KEY: {secret: {name: webui-2024, key: secret-key-1}}}\n"
    )
    secret = example.services["it"].env["WEBUI_SECRET_KEY"]
    assert isinstance(secret, SecretValue)
    assert (secret.secret.name, secret.secret.key) == ("webui-2024", "secret-key-1")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text() | st.sampled_from(list(Stack.model_fields)), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
@settings(deadline=None)
def test_any_data_is_a_stack_or_an_error(data: object) -> None:
    try:
        parse(Source("stack.yaml", "", data))
    except StackError as exc:
        assert exc.diagnostics  # noqa: PT017  not every datum is wrong
