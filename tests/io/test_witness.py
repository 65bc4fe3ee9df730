"""Asking llama-fit-params: with programs that act it out, and with the real ones where LLAMA_BIN names them.

What they stand in for is said in tests/support/llama_bin.py; their figures are those of the real build 11434.
"""

import os
import socket
from pathlib import Path

import pytest

from stackgen.domain.header import TensorInfo
from stackgen.domain.llama import LlamaParams
from stackgen.domain.units import GIB, MIB
from stackgen.facts import catalog
from stackgen.formats.gguf import parse_header
from stackgen.io import sparse, witness
from stackgen.io.witness import Programs, WitnessError
from tests.support import llama_bin
from tests.support.gguf_builder import build_gguf, one_after_another
from tests.support.llama_bin import Answer, acted, answers, calls

LLAMA = next(a for a in answers() if a.header.stem == "llama-3.1-8b" and len(a.devices) == 2)
FOLDERS = ["acted", *(["real"] if llama_bin.real() else [])]
GIVEN = [a for a in answers() if not a.status]
REFUSED = [a for a in answers() if a.status]


def name(answer: Answer) -> str:
    return f"{answer.header.stem} {' '.join(answer.argv)}"


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    real = llama_bin.real()
    return real if request.param == "real" and real else acted(tmp_path / "bin")


def params_of(answer: Answer) -> LlamaParams:
    from stackgen.api import parse_argv

    return parse_argv(answer.argv)


def gone(pid: int) -> bool:
    """Whether no such process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("answer", GIVEN, ids=name)
def test_the_engines_answer(answer: Answer, folder: Path) -> None:
    said = witness.witness(
        sparse.from_file(answer.header), params_of(answer), answer.devices, witness.find(folder)
    )
    rows = {row.split()[0]: tuple(map(int, row.split()[1:])) for row in answer.out.splitlines()}
    places = [rows.get(f"RPC{i}", (0, 0, 0)) for i in range(len(answer.devices))]
    assert [usage.values for usage in said.devices] == places
    assert said.host.values == rows["Host"]
    assert said.asked == answer.asked


@pytest.mark.parametrize("answer", REFUSED, ids=name)
def test_a_refusal_in_the_engines_own_words(answer: Answer, folder: Path) -> None:
    with pytest.raises(WitnessError, match=r"different K|flash_attn"):
        witness.witness(
            sparse.from_file(answer.header), params_of(answer), answer.devices, witness.find(folder)
        )


def ask(programs: Programs) -> None:
    witness.witness(sparse.from_file(LLAMA.header), params_of(LLAMA), LLAMA.devices, programs)


def test_one_server_per_device_stopped_in_the_end(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    ask(witness.find(folder))
    servers = [c for c in calls(folder) if c["program"] == "ggml-rpc-server"]
    assert len(servers) == len(LLAMA.devices)
    assert all(gone(c["pid"]) for c in servers)
    assert all(c["args"][-2:] == ["-d", "CPU"] for c in servers)


def test_servers_are_stopped_when_the_engine_refuses(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    with pytest.raises(WitnessError):
        witness.witness(
            sparse.from_file(LLAMA.header), LlamaParams(n_ctx=7), LLAMA.devices, witness.find(folder)
        )
    assert all(gone(c["pid"]) for c in calls(folder))


def test_devices_are_named_one_by_one(tmp_path: Path) -> None:
    """A build with CUDA would else count the GPUs of this machine as well."""
    folder = acted(tmp_path / "bin")
    ask(witness.find(folder))
    args = calls(folder)[-1]["args"]
    assert args[args.index("-dev") + 1] == "RPC0,RPC1"
    witness.witness(sparse.from_file(GIVEN[0].header), params_of(GIVEN[0]), (), witness.find(folder))
    assert calls(folder)[-1]["args"][2:4] == ["-dev", "none"]


def test_the_users_own_settings_do_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "99")
    folder = acted(tmp_path / "bin")
    ask(witness.find(folder))
    for call in calls(folder):
        assert "LLAMA_ARG_CTX_SIZE" not in call["env"]
        assert call["env"]["CUDA_VISIBLE_DEVICES"] == "-1"


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    ask(witness.find(acted(tmp_path / "bin")))
    assert list(temporary.iterdir()) == []


def test_a_reason_that_an_abort_lost_is_asked_for_again(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin", tool="loses")
    answer = REFUSED[0]
    with pytest.raises(WitnessError, match="different K"):
        witness.witness(
            sparse.from_file(answer.header), params_of(answer), answer.devices, witness.find(folder)
        )


@pytest.mark.parametrize(
    ("tool", "server", "message"),
    [
        ("old", "", "too old: it has no --fit-print"),
        ("no-rpc", "", "was built without RPC"),
        ("", "dies", "ends at once, with status 3"),
    ],
)
def test_programs_that_cannot_do_it(tmp_path: Path, tool: str, server: str, message: str) -> None:
    folder = acted(tmp_path / "bin", tool=tool, server=server)
    with pytest.raises(WitnessError, match=message):
        ask(witness.find(folder))
    assert all(gone(c["pid"]) for c in calls(folder))


def test_a_server_that_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "START_SECONDS", 0.5)
    folder = acted(tmp_path / "bin", server="deaf")
    with pytest.raises(WitnessError, match="does not answer within"):
        ask(witness.find(folder))
    assert all(gone(c["pid"]) for c in calls(folder))


def test_a_tool_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "ANSWER_SECONDS", 0.5)
    with pytest.raises(WitnessError, match="does not answer within"):
        witness.find(acted(tmp_path / "bin", tool="hangs"))


def test_programs_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WitnessError, match="no llama-fit-params in"):
        witness.find(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WitnessError, match="no llama-fit-params on PATH"):
        witness.find()


def test_a_server_that_is_not_there_matters_only_with_gpus(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    (folder / "ggml-rpc-server").unlink()
    programs = witness.find(folder)
    with pytest.raises(WitnessError, match="no ggml-rpc-server"):
        ask(programs)
    witness.witness(sparse.from_file(GIVEN[0].header), params_of(GIVEN[0]), (), programs)


def test_the_servers_older_name(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    (folder / "ggml-rpc-server").rename(folder / "rpc-server")
    ask(witness.find(folder))


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    folder = acted(tmp_path / "bin")
    (folder / "llama-fit-params").write_text("#!/nowhere/at/all\n")
    with pytest.raises(WitnessError, match="cannot be run"):
        witness.find(folder)


def test_rows_split_over_gpus_cannot_be_witnessed(tmp_path: Path) -> None:
    programs = witness.find(acted(tmp_path / "bin"))
    with pytest.raises(WitnessError, match="split-mode row"):
        witness.witness(sparse.from_file(LLAMA.header), LlamaParams(split_mode="row"), (GIB, GIB), programs)


def test_a_port_that_is_taken_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding a free port and listening there, another program may come first."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter([taken.getsockname()[1]])
        free = witness._free_port
        monkeypatch.setattr(witness, "_free_port", lambda: next(ports, None) or free())
        ask(witness.find(acted(tmp_path / "bin")))


def test_a_file_without_weights_takes_no_room(tmp_path: Path) -> None:
    heads = sparse.from_file(LLAMA.header)
    path = sparse.write(heads, tmp_path)
    assert path.stat().st_size == LLAMA.size
    assert path.stat().st_blocks * 512 < 4 * MIB
    with path.open("rb") as file:
        assert file.read(len(heads[0].data)) == LLAMA.header.read_bytes()


def test_a_split_model_stays_split(tmp_path: Path) -> None:
    for i in range(2):
        metadata = {
            "general.architecture": "llama",
            "split.no": i,
            "split.count": 2,
            "split.tensors.count": 2,
        }
        tensors = one_after_another([TensorInfo(f"blk.{i}.x", (256, 64), 0)])
        (tmp_path / f"m-0000{i + 1}-of-00002.gguf").write_bytes(build_gguf(metadata, tensors))
    heads = sparse.from_file(tmp_path / "m-00001-of-00002.gguf")
    out = tmp_path / "out"
    out.mkdir()
    first = sparse.write(heads, out)
    assert first.name == "model-00001-of-00002.gguf"
    sizes = [path.stat().st_size for path in sorted(out.iterdir())]
    assert sizes == [len(head.data) + 256 * 64 * 4 for head in heads]


def test_a_catalogs_header_is_a_file_that_the_engine_reads(tmp_path: Path) -> None:
    hit = catalog.lookup("BAAI/bge-large-en-v1.5", "Q8_0")
    assert hit is not None
    (head,) = sparse.from_header(hit.header)
    read = parse_header(head.data, file_size=head.size)
    assert read.metadata["tokenizer.ggml.model"] == "none"
    assert read.metadata["tokenizer.ggml.token_type_count"] == 2
    assert head.size == read.file_bytes


def test_a_folder_that_cannot_hold_it(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").mkdir()
    with pytest.raises(sparse.SparseFileError, match="cannot hold a file with a hole") as caught:
        sparse.write([sparse.Head(b"GGUF", 100)], tmp_path)
    assert "TMPDIR" in (caught.value.hint or "")
