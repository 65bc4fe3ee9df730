"""What looks like a secret, and what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackgen.domain.secrets import masked, secret_in, secret_in_variable, secret_under

# In two parts, so that no scanner takes this file for a leak.
TOKENS = {
    "hf_" + "notARealToken0123456789": "a Hugging Face token",
    "sk-" + "proj-4f9a8b7c6d5e4f3a2b1c": "an API key",
    "ghp_" + "notARealToken0123456789": "a GitHub token",
    "github_pat_" + "11NOTAREALTOKEN_0123456789": "a GitHub token",
    "glpat-" + "notARealToken0123456": "a GitLab token",
    "AKIA" + "NOTAREALKEY12345": "an AWS access key",
    "AIza" + "notARealKey0123456789notARealKey0123": "a Google API key",
    "gsk_" + "notARealToken0123456789": "a Groq API key",
    "xoxb-" + "1234567890-notreal": "a Slack token",
    "tskey-" + "auth-notreal0123456789": "a Tailscale key",
    "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln": "a JSON web token",
    "AGE-SECRET-KEY-" + "1QQQQQQQQQQQQQQQQQQQQQQQQQQQ": "an age secret key",
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nabc": "a private key",
    "postgres://chat:" + "hunter2@db/chat": "a password in a URL",
}


@pytest.mark.parametrize(("token", "kind"), TOKENS.items(), ids=TOKENS.values())
def test_tokens_are_recognized_and_masked(token: str, kind: str) -> None:
    assert secret_in(token) == kind
    text = f"the value {token} is there"
    assert token not in masked(text)
    assert len(masked(token)) == len(token)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("WEBUI_SECRET_KEY", "9f86d081884c7d659a2feaa0c55ad015"),
        ("password", "hunter2hunter3"),
        ("LITELLM_MASTER_KEY", "sk-12345678"),
        ("apiKey", "abcd1234efgh"),
        ("db_passwd", "x7!kkQ92"),
    ],
)
def test_a_name_can_tell_what_the_value_does_not(key: str, value: str) -> None:
    assert secret_in(value) is None
    assert secret_under(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "ghcr.io/ggml-org/llama.cpp:server-cuda-b11434"),
        ("image", "ollama/ollama@sha256:" + "ab12" * 16),
        ("hf", "unsloth/Qwen3-Coder-Next-GGUF:UD-Q3_K_XL"),
        ("file", "hf_model_with_a_long_name-Q4_K_M.gguf"),
        ("revision", "0123456789abcdef0123456789abcdef01234567"),
        ("uuid", "GPU-2fa2bcbf-6d48-4a44-9d2b-7d2d5ab5a1f3"),
        ("url", "http://10.0.0.2:8080/v1"),
        ("url", "https://user@host/path"),
        ("url", "postgres://chat:${PASSWORD}@db/chat"),
        ("api_key", "not-needed"),
        ("token", "${HF_TOKEN_2}"),
        ("HF_TOKEN_PATH", "/run/secrets/hf-token-2"),
        ("secret", "/run/secrets/webui2024"),
        ("secret", "<generate 32 characters>"),
        ("tokenizer", "Qwen3-30B-A3B-Instruct-2507"),
        ("max_tokens", "4096a4096b"),
        ("name", "sk-learn-something-very-long"),
        ("password", "aaaa1111"),
    ],
)
def test_ordinary_values_pass(key: str, value: str) -> None:
    assert secret_under(key, value) is None
    assert masked(value) == value


@given(st.text())
@settings(deadline=None)
def test_any_text_can_be_masked(text: str) -> None:
    assert secret_in(masked(text)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD", "hunter2"),
        ("POSTGRES_PASSWORD", 1234),
        ("DB_PASS", "cat"),
        ("SMTP_PWD", "cat"),
        ("password", "none"),
        ("API_KEY", "letmein"),
        ("JWT_SECRET", "correct horse battery staple"),
        ("MY_TOKEN", "abc"),
    ],
)
def test_a_variable_named_like_a_secret_holds_one(name: str, value: object) -> None:
    assert secret_in_variable(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PWD", "src"),
        ("OLDPWD", "src"),
        ("PASSWORD", ""),
        ("PASSWORD_FILE", "/run/secrets/db"),
        ("DB_PASSWORD", "/run/secrets/db"),
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("OPENAI_API_KEY", "sk-no-key-required"),
        ("OPENAI_API_KEY", "ollama"),
        ("MAX_TOKEN", 512),
        ("ADD_BOS_TOKEN", True),
        ("COMPASS", "north"),
        ("TOKENIZER", "gpt2"),
    ],
)
def test_a_variable_that_only_sounds_like_a_secret(name: str, value: object) -> None:
    assert secret_in_variable(name, value) is None
