"""The stacks that we show: what their owners had is found wrong for the right reasons, what we made of it fits."""

from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import yaml

from stackgen import app, registry
from stackgen.domain.diagnostic import Severity, has_errors
from stackgen.domain.document import Document
from stackgen.domain.plan import Plan, Verdict
from stackgen.domain.units import GIB
from tests.support import claims, compose
from tests.support.golden import assert_tree

STACKS = Path(__file__).parent.parent / "stacks"
GOOD = sorted(folder.name for folder in STACKS.iterdir() if (folder / "stack.yaml").is_file())

each_good = pytest.mark.parametrize("name", GOOD)


def text(name: str) -> str:
    return (STACKS / name / "stack.yaml").read_text("utf-8")


def planned(path: str) -> Plan:
    return app.plan(app.load(STACKS / path).stack)


def kinds(plan: Plan, severity: Severity) -> Counter[str]:
    return Counter(d.kind for d in plan.diagnostics if d.severity is severity)


def test_there_are_some() -> None:
    assert {"one-16gb", "one-5070ti", "rtx-5090", "time-sliced", "triple-3090", "two-3090s"} <= set(GOOD)


@each_good
def test_it_fits_and_nobody_is_warned(name: str) -> None:
    plan = planned(name)
    assert [d for d in plan.diagnostics if d.severity is not Severity.NOTE] == []
    assert plan.verdict is Verdict.FITS
    assert all(gpu.free >= 0 for gpu in plan.gpus)
    assert [s.name for s in plan.scenarios if s.verdict is not s.expected] == []


@each_good
def test_the_first_line_names_the_schema(name: str) -> None:
    for file in (STACKS / name).glob("*.yaml"):
        first = file.read_text("utf-8").partition("\n")[0]
        assert first == "# yaml-language-server: $schema=../stack.schema.json", file


@each_good
def test_every_target_of_its_hosts_renders_it(name: str) -> None:
    loaded = app.load(STACKS / name)
    output = app.render(app.plan(loaded.stack), loaded.source)
    assert not has_errors(output.diagnostics)
    assert all(output.files[host.platform] for host in loaded.stack.hosts.values())


@pytest.mark.tool
@pytest.mark.parametrize("name", [n for n in GOOD if "platform: compose" in text(n)])
def test_docker_compose_accepts_it(name: str, tmp_path: Path) -> None:
    loaded = app.load(STACKS / name)
    deployment = app.deploy(app.plan(loaded.stack), "stack.yaml")
    documents: tuple[Document, ...] = registry.target("compose").render(deployment).documents
    compose.write(tmp_path, documents)
    for example in (d for d in documents if d.path.name == ".env.example"):
        (tmp_path / example.path.parent / ".env").write_text("".join(f"{key}=x\n" for key in example.body))
    for host in (h for h in deployment.hosts if h.host.platform == "compose"):
        services = compose.config(tmp_path / "compose" / host.host.name, "*")["services"]
        assert services.keys() == {workload.name for workload in host.workloads}


def test_four_models_fit_on_two_3090s_at_once() -> None:
    assert planned("two-3090s").services["llama"].models_max == 4


def test_the_three_3090s_as_found() -> None:
    plan = planned("triple-3090/as-found.yaml")
    assert plan.verdict is Verdict.OVER_BUDGET
    assert kinds(plan, Severity.ERROR) == {
        "plan/over-budget": 2,  # both of llama-server's cards
        "plan/volume-size": 1,
        "llama-server/cache-types-on-cpu": 1,
        "llama-server/command-line-beats-presets": 5,
        "open-webui/dead-variable": 1,
        "searxng/no-secret": 1,
    }
    assert kinds(plan, Severity.WARNING) == {
        "link/unpinned-image": 3,
        "llama-server/router-on-gpu": 1,
        "open-webui/dead-variable": 1,
        "open-webui/no-secret": 1,
        "open-webui/no-workflow": 1,
    }
    # The owner expects one model of 37 GB and one of 48 GB to share 48 GB with two more.
    assert all(gpu.high > 2 * gpu.usable for gpu in plan.gpus[:2])


def test_the_sliced_card_as_found() -> None:
    """Slices of time are no slices of memory: 8 to 16 GB twice, on a card of 20."""
    plan = planned("time-sliced/as-found.yaml")
    assert plan.verdict is Verdict.OVER_BUDGET
    assert kinds(plan, Severity.ERROR) == {"plan/over-budget": 1}
    assert kinds(plan, Severity.WARNING) == {
        "link/unpinned-image": 3,
        "ollama/no-auth": 1,
        "open-webui/no-workflow": 1,
    }
    (finding,) = [d for d in plan.diagnostics if d.kind == "plan/over-budget"]
    assert "ollama" in finding.message
    assert "comfyui" in finding.message


def test_the_5070_ti_as_found() -> None:
    """Two pods that ask for the only card, on a node with less memory than they may take."""
    plan = planned("one-5070ti/as-found.yaml")
    assert kinds(plan, Severity.ERROR) == {
        "plan/host-ram": 1,
        "plan/over-budget": 1,
        "plan/ram-requests": 1,
        "plan/visible-devices": 2,
        "plan/whole-cards": 1,
    }
    assert kinds(plan, Severity.WARNING) == {"link/unpinned-image": 1, "ollama/older-engine": 1}


def test_the_5070_ti_gets_what_its_owner_gives() -> None:
    """Requests and limits as documented, but for Ollama's limit: it keeps prompts in main memory now."""
    loaded = app.load(STACKS / "one-5070ti")
    files = app.render(app.plan(loaded.stack), loaded.source).files["kubernetes"]
    chart, own = (
        yaml.safe_load(files[PurePosixPath("kubernetes", name)].text)["spec"]
        for name in ("ollama/release.yaml", "comfyui/deployment.yaml")
    )
    assert chart["source"]["helm"]["valuesObject"]["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "4", "memory": "6Gi"},
    }
    card = {"nvidia.com/gpu": "1"}
    assert own["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "4Gi", **card},
        "limits": {"cpu": "4", "memory": "8Gi", **card},
    }


def test_the_5090_as_found() -> None:
    plan = planned("rtx-5090/as-found.yaml")
    assert plan.verdict is Verdict.OVER_BUDGET
    assert kinds(plan, Severity.ERROR) == {"plan/over-budget": 1}
    assert kinds(plan, Severity.WARNING) == {
        "link/unpinned-image": 7,
        "llama-server/no-projector": 1,
        "llama-server/unknown-build": 1,
    }


def test_the_5090s_own_table_holds() -> None:
    plan = planned("rtx-5090/as-found.yaml")
    assert {s.name: s.verdict for s in plan.scenarios} == {
        "chat": Verdict.FITS,
        "chat-and-transcription": Verdict.FITS,
        "chat-and-ovi": Verdict.OVER_BUDGET,
        "wan": Verdict.FITS,
    }
    (chat,) = next(s for s in plan.scenarios if s.name == "chat").gpus
    # Its owner reads 17 GB at a context of 8192.
    assert 16 * GIB < chat.high < 20 * GIB


def test_three_hosts_as_found() -> None:
    plan = planned("three-hosts/as-found.yaml")
    assert plan.verdict is Verdict.OVER_BUDGET
    assert kinds(plan, Severity.ERROR) == {
        "plan/over-budget": 2,  # 235 billion weights of 3 bits on two cards of 56 GB
        "plan/visible-devices": 1,
        "tabbyapi/exl2-removed": 1,
        "tabbyapi/split-headroom": 3,
        "tabbyapi/dead-key": 3,
        "litellm/timeout": 1,
    }
    assert kinds(plan, Severity.WARNING) == {
        "link/unpinned-image": 2,
        "ollama/no-auth": 2,
        "ollama/ram-unchecked": 1,
        "tabbyapi/open-to-network": 2,
        "tabbyapi/allocator-overruled": 1,
        "tabbyapi/without-effect": 1,
    }
    # "~50GB", says the table of the notes.
    assert sum(gpu.low for gpu in plan.gpus[:2]) > 80 * GIB


def test_three_hosts_get_the_files_of_their_platforms() -> None:
    loaded = app.load(STACKS / "three-hosts")
    output = app.render(app.plan(loaded.stack), loaded.source)
    routes = output.files["compose"][PurePosixPath("compose/hydra-storage/litellm/config.yaml")].text
    for address in ("192.168.1.250:5000/v1", "192.168.1.203:11434", "ollama-cpu:11434"):
        assert f"http://{address}" in routes
    assert "gpt-4: llama-70b" in routes
    assert PurePosixPath("nixos/hydra-ai/tabby/config.yml") in output.files["nixos"]
    assert PurePosixPath("systemd/hydra-compute/hydra-ollama.service") in output.files["systemd"]


def test_a_model_that_no_node_holds_spreads_over_two() -> None:
    loaded = app.load(STACKS / "company")
    plan = app.plan(loaded.stack)
    assert {gpu.host for gpu in plan.gpus for r, _ in gpu.residents if r.service == "deepseek"} == {
        "node-1",
        "node-2",
    }
    node = sum(gpu.capacity for gpu in plan.gpus if gpu.host == "node-1")
    facts = plan.services["deepseek"].known["deepseek"].facts
    assert facts is not None
    assert facts.weight_bytes > 0.95 * node
    files = app.render(plan, loaded.source).files["kubernetes"]
    group = files[PurePosixPath("kubernetes/deepseek/leaderworkerset.yaml")].text
    assert "size: 2" in group
    assert '"$(LWS_LEADER_ADDRESS)"' in group
    routes = files[PurePosixPath("kubernetes/litellm/config.yaml")].text
    assert [line.split()[-1] for line in routes.splitlines() if "model_name" in line] == [
        "deepseek-v3.1",
        "glm-4.6",
        "qwen3-coder",
    ]


def test_the_5090s_contexts_take_what_its_owner_reads(tmp_path: Path) -> None:
    """17, 19 and 24 GiB at 8, 32 and 128 Ki tokens, rounded, without a projector; by their slope the cache is q8_0."""
    at = {
        context: claims.at_context(
            "stacks/rtx-5090/as-found.yaml", "llama-cpp/qwen3-vl-30b", context, "q8_0", tmp_path
        )
        for context in (8192, 32768, 131072)
    }
    read = {8192: 17 * GIB, 32768: 19 * GIB, 131072: 24 * GIB}
    assert all(abs(at[context].best - claim) < 1.5 * GIB for context, claim in read.items())
    assert abs((at[131072].best - at[32768].best) - 5 * GIB) < 0.3 * GIB


def test_what_the_5090_renders(request: pytest.FixtureRequest) -> None:
    loaded = app.load(STACKS / "rtx-5090")
    output = app.render(app.plan(loaded.stack), loaded.source)
    texts = {path: file.text for files in output.files.values() for path, file in files.items()}
    assert_tree(Path(__file__).parent / "golden" / "stacks" / "rtx-5090", texts, request)


def test_every_example_is_in_the_table() -> None:
    page = (STACKS.parent / "docs" / "stacks.md").read_text("utf-8")
    assert [name for name in GOOD if f"| `{name}` |" not in page] == []


def test_the_examples_have_every_engine() -> None:
    shown = "".join(text(name) for name in GOOD)
    assert {name for name in registry.engine_names() if f"engine: {name}" not in shown} == set()
