"""One stack with a service of every engine and a secret in every place that can name one."""

from pathlib import Path
from typing import Any

import yaml

from stackgen import app, registry
from stackgen.app.rendering import Output, render
from stackgen.domain.plan import Plan

PLATFORMS = tuple(registry.platforms())

_STACK = """
version: 1
name: home
hosts:
  small: {platform: PLATFORM, address: 192.168.1.11, ram: 32GiB}
  box: {platform: PLATFORM, address: 192.168.1.10, ram: 256GiB, gpus: [rtx-3090, rtx-3090, rtx-3090, rtx-3090]}
models:
  small: {hf: "Qwen/Qwen3-0.6B-GGUF:Q8_0"}
  library: {ollama: "qwen3:0.6b", catalog: qwen3-0.6b}
  exl: {hf: turboderp/Qwen3-0.6B-exl3, vram: {low: 1GiB, high: 2GiB}}
  plain: {hf: Qwen/Qwen3-0.6B, vram: {low: 1GiB, high: 2GiB}}
  ears: {hf: Systran/faster-whisper-small, vram: {low: 1GiB, high: 2GiB}}
  pictures: {hf: Comfy-Org/z_image_turbo, files: {vae: ae.safetensors}, vram: {low: 1GiB, high: 2GiB}}
services:
  llama:
    engine: llama-server
    host: box
    gpus: [0]
    image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434
    options: {parallel: 1, api_key: {secret: {name: llama, key: api-key}}}
    models: {tiny: {model: small, context: 8192}}
    cpus: 2500m
    ram: 16GiB
    publish: {port: 8081, address: 192.168.1.10}
    volumes: {models: weights}
  ollama:
    engine: ollama
    host: box
    gpus: [1]
    models: {"qwen3": {model: library, num_ctx: 8192}}
    publish: {port: 11434, address: 192.168.1.10}
    volumes: {models: ollama}
  tabby:
    engine: tabbyapi
    host: box
    gpus: [2]
    options:
      api_key: {secret: {name: tabby, key: api-key}}
      admin_key: {secret: {name: tabby, key: admin-key}}
    models: {exl: {model: exl, max_seq_len: 8192}}
    publish: 5001
    volumes: {models: weights}
  vllm:
    engine: vllm
    host: box
    gpus: [3]
    options: {api_key: {secret: {name: vllm, key: api-key}}}
    models: {plain: {model: plain, max_model_len: 8192}}
    publish: 8000
    volumes: {models: weights}
  ears:
    engine: whisper
    host: small
    options: {api_key: {secret: {name: ears, key: api-key}}}
    models: {whisper-1: {model: ears}}
    publish: 8000
    volumes: {cache: ears}
  comfyui:
    engine: comfyui
    host: box
    gpus: [1]
    models: {z-image: {model: pictures}}
    publish: 8188
    volumes: {models: weights}
  gateway:
    engine: litellm
    host: box
    uses: {models: [llama, tabby, ollama]}
    options:
      master_key: {secret: {name: litellm, key: master-key}}
      salt_key: {secret: {name: litellm, key: salt-key}}
      database_url: {secret: {name: litellm, key: database-url}}
      keys: {ollama: {secret: {name: ollama, key: api-key}}}
    publish: 4000
  search:
    engine: searxng
    host: box
    options: {secret: {secret: {name: search, key: secret}}}
    publish: 8888
  chat:
    engine: open-webui
    host: box
    uses: {chat: [gateway], tasks: gateway/tiny, images: comfyui, search: search}
    options:
      webui_secret_key: {secret: {name: chat, key: webui-secret-key}}
      openai_api_keys: {secret: {name: chat, key: openai-api-keys}}
    publish: 3000
    expose: {hostname: chat.example.org, timeout: 30m}
    volumes: {data: chat}
  flows:
    engine: n8n
    host: box
    options:
      encryption_key: {secret: {name: flows, key: encryption-key}}
      postgres: {host: 192.168.1.12, password: {secret: {name: flows, key: postgres-password}}}
    publish: 5678
    volumes: {data: flows}
  other:
    engine: program
    host: box
    image: docker.io/library/busybox:1.37.0
    options: {port: 8003, program: /bin/busybox, args: [httpd, -f]}
    env: {TOKEN: {secret: {name: other, key: token}}, PLAIN: "1"}
    publish: 8003
  figures:
    engine: prometheus
    host: box
    publish: {port: 9090, address: 192.168.1.10}
    volumes: {data: figures}
  cards:
    engine: dcgm-exporter
    host: box
    gpus: [0, 1, 2, 3]
    publish: 9400
  dashboards:
    engine: grafana
    host: small
    uses: {metrics: figures}
    options: {admin_password: {secret: {name: dashboards, key: admin-password}}}
    publish: 3000
    volumes: {data: dashboards}
  proxy:
    engine: caddy
    host: box
    publish: {port: 8443, address: 192.168.1.10}
    volumes: {data: caddy}
volumes:
  weights: {path: /srv/models}
  ollama: {path: /srv/ollama}
  ears: {path: /srv/ears}
  caddy: {path: /srv/caddy}
  figures: {path: /srv/figures}
  dashboards: {path: /srv/dashboards}
  chat: {path: /srv/chat}
  flows: {path: /srv/flows}
deploy: {hub_token: {name: hub, key: hub-token}}
"""


def data(platform: str) -> dict[str, Any]:
    """The stack as plain data, on a host of this platform."""
    found: dict[str, Any] = yaml.safe_load(_STACK.replace("PLATFORM", platform))
    if platform == "kubernetes":
        # By number, a device plugin would have to give each card to one pod.
        found["deploy"] = {**found.get("deploy", {}), "cluster": {"gpus": "claims"}}
    return found


def planned(platform: str, folder: Path) -> tuple[Plan, Output]:
    """Its plan, and everything that it renders to, by all targets. Raises StackError."""
    (folder / "stack.yaml").write_text(yaml.safe_dump(data(platform)), "utf-8")
    loaded = app.load(folder)
    plan = app.plan(loaded.stack, loaded.lock)
    return plan, render(plan, loaded.source, registry.target_names())
