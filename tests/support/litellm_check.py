"""Run by LiteLLM's own Python: what the installed version drops of a config file or never reads, line by line.

LiteLLM leaves out a model that it cannot route and reads over keys that it does not know, so this loads the
file with the proxy's own loader, and compares every key with those that the version has.
"""

import asyncio
import inspect
import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

_READ_BY_THE_LOADER = frozenset({"callbacks"})
"""Keys of litellm_settings that are no attributes of the module."""


def unknown_keys(config: dict[str, Any]) -> Iterator[str]:
    """Keys that nothing reads."""
    litellm, types = import_module("litellm"), import_module("litellm.types.router")
    proxy = import_module("litellm.proxy._types")
    known = {
        "router_settings": set(inspect.signature(litellm.Router.__init__).parameters),
        "general_settings": set(proxy.ConfigGeneralSettings.model_fields),
        "litellm_settings": {*vars(litellm), *_READ_BY_THE_LOADER},
        "litellm_params": set(types.LiteLLM_Params.model_fields),
        "model_info": {*types.ModelInfo.model_fields, *typed_keys("litellm.types.utils", "ModelInfoBase")},
    }
    for section in ("router_settings", "general_settings", "litellm_settings"):
        yield from (f"{section}.{key}" for key in config[section] if key not in known[section])
    for deployment in config["model_list"]:
        for part in ("litellm_params", "model_info"):
            yield from (f"{part}.{key}" for key in deployment[part] if key not in known[part])


def typed_keys(module: str, name: str) -> set[str]:
    """The keys of a TypedDict with those that it inherits."""
    found: set[str] = set(getattr(import_module(module), name).__annotations__)
    return found


def dropped(config: dict[str, Any], path: str) -> Iterator[str]:
    """Models that the router did not take in."""
    server = import_module("litellm.proxy.proxy_server")
    router, _, _ = asyncio.run(server.ProxyConfig().load_config(router=None, config_file_path=path))
    kept = [(found["model_name"], found["litellm_params"]["model"]) for found in router.model_list]
    for deployment in config["model_list"]:
        pair = deployment["model_name"], deployment["litellm_params"]["model"]
        if pair not in kept:
            yield f"model_list: {pair} was dropped"


def problems(path: str) -> list[str]:
    """Everything that is wrong with a file."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        config = import_module("yaml").safe_load(file)
    return [f"{path}: {problem}" for problem in (*unknown_keys(config), *dropped(config, path))]


def main(paths: list[str]) -> int:
    """Tell everything, and fail if there is something."""
    logging.disable(logging.CRITICAL)
    found = [problem for path in paths for problem in problems(path)]
    for problem in found:
        print(problem)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
