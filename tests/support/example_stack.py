"""A stack for the fake engines in which nothing is wrong, with every part of the language in it."""

EXAMPLE = """\
# yaml-language-server: $schema=stack.schema.json
version: 1
name: vanillax

x-common: &common
  host: gpu-1
  image: ghcr.io/ggml-org/llama.cpp:server-cuda-b11434

hosts:
  gpu-1:
    platform: kubernetes
    address: 192.168.10.20
    ram: 400GiB
    gpus: [rtx-3090, {model: rtx-3090, reserve: 2GiB}, {capacity: 23.5GiB, uuid: GPU-1}]
  pc: {platform: compose}

models:
  nano:
    hf: unsloth/Nemotron-3-Nano-30B-A3B-GGUF:UD-Q4_K_XL   # owner/repo:quant
  vision:
    hf: unsloth/Qwen3-VL-30B-A3B-Thinking-GGUF
    file: Qwen3-VL-30B-A3B-Thinking-Q8_0.gguf
    mmproj: mmproj-F16.gguf
    revision: main
  draft: {path: /models/draft.gguf}
  image:
    hf: Comfy-Org/z_image_turbo
    files: {diffusion_models: z_image_turbo_aio_fp8.safetensors, vae: ae.safetensors}
    vram: {low: 12GiB, high: 16GiB}

services:
  llama:
    <<: *common
    engine: chat-server
    gpus: [0, 1]
    options: {parallel: 4, cache_type: q8_0, models_max: auto, cache_ram: 8GiB}
    models:
      nano:   {model: nano, context: 32768, alias: ["nano - the small one"], draft: draft}
      vision: {model: vision}
    expose: {hostname: llama.vanillax.me, timeout: 30m}
    volumes: {models: llama-models}
    env: {CUDA_SCALE_LAUNCH_QUEUES: 4x, LOG: true, LEVEL: 3, HF_TOKEN: {secret: {name: hf, key: token}}}
    publish: 8080
    ram: 64GiB
  comfyui:
    <<: *common
    engine: tool
    gpus: [1]
    models: {z-image: {model: image}}
    volumes: {/root/ComfyUI: llama-models}
    publish: {port: 8188, address: 0.0.0.0}
    vram: {low: 12GiB, high: 16GiB}
  search: {engine: search-engine, host: pc}
  chat:
    engine: chat-ui
    host: pc
    uses: {chat: [llama], search: search, tasks: llama/nano}
    volumes: {data: chat-data}

volumes:
  llama-models: {nfs: "192.168.10.133:/mnt/BigTank/k8s/llama-cpp", size: 150GiB, mount_options: [nconnect=16]}
  chat-data: {managed: true}

exclusive: [[llama, comfyui]]
scenarios:
  chat-and-image: {loaded: [llama/nano, comfyui], expect: over-budget}
measured:
  - {use: llama/nano, gpus: [20GiB, 18GiB], ram: 1GiB, reason: nvidia-smi under b11434}
allow:
  - {kind: plan/over-budget, at: services.llama, reason: never loaded together}
deploy: {gitops: argocd, gateway: {name: internal, namespace: gateway}, secrets: external-secrets}
budget: {headroom: 512MiB}
"""
