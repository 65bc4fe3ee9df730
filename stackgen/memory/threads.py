"""Threads of llama.cpp, and how many of them may run at a time."""

from stackgen.domain.linked import LinkedService
from stackgen.domain.units import show_cpus


def throttled(service: LinkedService, threads: int | None) -> tuple[str, int] | None:
    """What is wrong with this many threads (None: not told), and how many may run; None where all may.

    llama.cpp starts a thread for each core that it sees (common.cpp, cpu_get_num_math), unless told: a limit of
    CPU time hides none. Its threads wait for each other at each step, so that one that the kernel stops for the rest
    of a period stops all (4 to 45 times slower: llmmanorg/llmman issue 322, ollama/ollama issue 17916).
    """
    limit, there = service.cpus.limit, service.host.cpus
    if limit is None or (threads is None and there is not None and there <= limit):
        return None
    if threads is not None and threads * 1000 <= limit:
        return None
    count = f"a thread for each core of `{service.host.name}`" if threads is None else f"{threads} threads"
    how = f"computes with {count}, and may take {show_cpus(limit)} CPUs: whenever those are used up, all threads wait"
    return how, max(1, limit // 1000)
