"""Asks the user's own llama-fit-params what a model would take, without its weights and without a GPU.

One ggml-rpc-server per device stands in for a GPU; all of them are gone when the question is answered.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

from stackgen.domain.failure import Failure
from stackgen.domain.llama import LlamaParams
from stackgen.domain.witness import Statement, Usage
from stackgen.formats import llama_fit
from stackgen.formats.llama_fit import StandIn
from stackgen.io import sparse
from stackgen.io.sparse import Head
from stackgen.memory.question import arguments

TOOL = "llama-fit-params"
SERVERS = ("ggml-rpc-server", "rpc-server")
"""The second is what builds before b9000 or so call it."""
ANSWER_SECONDS = 120
START_SECONDS = 10
STOP_SECONDS = 5
ATTEMPTS = 3
"""To find a port, which another program may take before it is used, and to hear a reason."""
HOST = "127.0.0.1"
_INSTALL = "both programs are in llama.cpp's releases; name their folder with --llama-bin DIR"


class WitnessError(Failure):
    """The engine could not be asked, or did not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Programs:
    """The two programs; `build` as llama-fit-params states it."""

    tool: Path
    server: Path | None
    build: str = "of an unknown build"


def find(folder: Path | None = None) -> Programs:
    """The programs in a folder, or on PATH. Raises WitnessError when llama-fit-params is not there."""
    tool = _program((TOOL,), folder)
    if tool is None:
        where = f"in {folder}" if folder else "on PATH"
        raise WitnessError(f"there is no {TOOL} {where}", _INSTALL)
    found = Programs(tool=tool, server=_program(SERVERS, folder))
    return replace(found, build=llama_fit.build(_run(found, "--version").everything))


def witness(
    heads: Sequence[Head], params: LlamaParams, devices: Sequence[int], programs: Programs
) -> Statement:
    """What the engine says of one model on devices of these free bytes; `params` are llama-server's.

    Raises WitnessError when it refuses, with its own words.
    """
    with stand_ins(programs, len(devices)) as stands:
        return ask(heads, params, devices, programs, stands)


def ask(
    heads: Sequence[Head],
    params: LlamaParams,
    devices: Sequence[int],
    programs: Programs,
    stands: Sequence[StandIn],
) -> Statement:
    """The same with stand-ins that are there already: the first ones of them are used."""
    if params.split_mode in ("row", "tensor") and len(devices) > 1:
        raise WitnessError(f"`split-mode {params.split_mode}` needs real GPUs, so {TOOL} cannot tell")
    stands = stands[: len(devices)]
    asked = arguments(params, devices)
    with TemporaryDirectory(prefix="stackgen-") as folder:
        model = sparse.write(heads, Path(folder))
        where = _where(stands)
        run = _fitted(
            programs, "-m", str(model), *where, "--fit-print", "on", *llama_fit.addressed(asked, stands)
        )
    rows = llama_fit.table(run.out)
    if run.status or "Host" not in rows:
        raise WitnessError(*_why(run, asked))
    return Statement(
        build=programs.build,
        asked=asked,
        devices=tuple(rows.get(stand.name, Usage()) for stand in stands),
        host=rows["Host"],
    )


def _fitted(programs: Programs, *arguments: str) -> "_Run":
    """One answer. The program aborts when it refuses, and may lose what it logged last: it is asked again."""
    run = _run(programs, *arguments)
    for _ in range(ATTEMPTS - 1):
        if not run.status or llama_fit.logged_error(run.everything):
            break
        run = _run(programs, *arguments)
    return run


def _why(run: "_Run", asked: Sequence[str]) -> tuple[str, str]:
    text = llama_fit.reason(run.everything, run.status)
    if "--fit-print" in text:
        return f"{TOOL} is too old: it has no --fit-print", "use a build of llama.cpp from 2026"
    return f"{TOOL} gives no figures: {text}", f"it was asked: {' '.join(asked)}"


def _where(stands: Sequence[StandIn]) -> tuple[str, ...]:
    """Names the devices one by one, so that real GPUs are left alone."""
    if not stands:
        return ("-dev", "none")
    return ("--rpc", ",".join(s.endpoint for s in stands), "-dev", ",".join(s.name for s in stands))


@contextmanager
def stand_ins(programs: Programs, count: int) -> Iterator[tuple[StandIn, ...]]:
    """So many stand-ins for GPUs, stopped in the end whatever happens. Raises WitnessError."""
    with ExitStack() as stack:
        stack.enter_context(_ends_in_order())
        endpoints = [f"{HOST}:{stack.enter_context(_server(programs))}" for _ in range(count)]
        yield _named(programs, endpoints) if count else ()


def _named(programs: Programs, endpoints: Sequence[str]) -> tuple[StandIn, ...]:
    run = _run(programs, "--rpc", ",".join(endpoints), "--list-devices")
    found = llama_fit.stand_ins(run.out, endpoints)
    if len(found) < len(endpoints):
        reason = llama_fit.reason(run.everything, run.status)
        if "--rpc" in reason:
            raise WitnessError(f"{TOOL} was built without RPC", "build llama.cpp with GGML_RPC=ON")
        raise WitnessError(f"{TOOL} does not see the devices that stand in for GPUs: {reason}")
    return found


@contextmanager
def _server(programs: Programs) -> Iterator[int]:
    """One server on a port of its own."""
    if programs.server is None:
        raise WitnessError(f"there is no {SERVERS[0]} beside {programs.tool}", _INSTALL)
    status: int | None = None
    for _ in range(ATTEMPTS):
        port = _free_port()
        # Only the CPU: a real GPU must neither be asked nor be touched.
        process = _started(programs, [str(programs.server), "-H", HOST, "-p", str(port), "-d", "CPU"])
        try:
            if _answers(process, port):
                yield port
                return
            status = process.poll()
        finally:
            _stop(process)
        if status is None:
            raise WitnessError(f"{programs.server} does not answer within {START_SECONDS} seconds")
    raise WitnessError(f"{programs.server} ends at once, with status {status}", _INSTALL)


def _started(programs: Programs, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(  # noqa: S603
            command, env=_environment(programs), stdin=quiet, stdout=quiet, stderr=quiet
        )
    except OSError as exc:
        raise WitnessError(f"{command[0]} cannot be run: {exc.strerror or exc}", _INSTALL) from exc


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Waits until the server takes connections; False when it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return process.poll() is None
        except OSError:
            time.sleep(0.02)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        port: int = s.getsockname()[1]
        return port


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Makes a polite kill of this process an exception, so that what was started is stopped."""
    if current_thread() is not main_thread():
        yield
        return

    def end(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True, slots=True)
class _Run:
    status: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        """What it logged and what it printed."""
        return self.err + self.out


def _run(programs: Programs, *arguments: str) -> _Run:
    try:
        done = subprocess.run(  # noqa: S603
            [str(programs.tool), *arguments],
            env=_environment(programs),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise WitnessError(f"{programs.tool} does not answer within {ANSWER_SECONDS} seconds") from exc
    except OSError as exc:
        raise WitnessError(f"{programs.tool} cannot be run: {exc.strerror or exc}", _INSTALL) from exc
    return _Run(done.returncode, done.stdout, done.stderr)


def _environment(programs: Programs) -> Mapping[str, str]:
    """Ours, less what would change the answer; libraries beside the program are found."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LLAMA_", "GGML_"))}
    libraries = [str(programs.tool.resolve().parent), *filter(None, [kept.get("LD_LIBRARY_PATH")])]
    return kept | {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "CUDA_VISIBLE_DEVICES": "-1",
        "HIP_VISIBLE_DEVICES": "-1",
        # After a refusal the program would start a debugger to print where it stood.
        "GGML_NO_BACKTRACE": "1",
    }


def _program(names: Sequence[str], folder: Path | None) -> Path | None:
    for name in names:
        if found := shutil.which(name, path=None if folder is None else str(folder)):
            return Path(found)
    return None
