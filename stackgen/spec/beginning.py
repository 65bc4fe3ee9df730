"""The text of a first stack.yaml: what a machine has, one model on it, and where to go on."""

from collections.abc import Sequence
from typing import NamedTuple

SCHEMA = "stack.schema.json"
"""The file that the first line names."""
_TEXT = """\
# yaml-language-server: $schema=stack.schema.json
#
# What this machine has, and what it serves. `stackgen plan` shows what sits on each GPU; the language is in
# docs/language.md. Editors complete it by stack.schema.json; `stackgen schema > stack.schema.json` writes that anew.
version: 1
name: {name}

hosts:
  {host}:
    platform: {platform}{other_platforms}
    {ram}
    # In the order of the PCI bus, as nvidia-smi lists them. If a desktop or other programs use a card:
    # {{model: rtx-3090, reserve: 1GiB}}
    gpus: {gpus}

models:
  # owner/repo:quantization on the Hugging Face hub. `stackgen fit {use}` tells which of them fit.
  {model}: {{hf: "{hf}"}}

services:
  llama:
    engine: llama-server
    host: {host}
    {service_gpus}image: {image}
    # `parallel`: how many talk to a model at the same time.
    options: {{parallel: 1}}
    models:
      # The id that clients ask for. A router loads models when they are asked for: add more of them.
      {use}: {{{options}}}
    {publish}
    volumes: {{models: models}}

  # A page to chat. It signs log-ins with a secret that you create; stack.yaml only names it.
  # page:
  #   engine: open-webui
  #   host: {host}
  #   uses: {{chat: [llama]}}
  #   options: {{webui_secret_key: {{secret: {{name: page, key: webui-secret-key}}}}}}
  #   publish: 3000
  #   volumes: {{data: page-data}}

volumes:
  # Or a folder of the machine, {{path: /srv/models}}, or {{nfs: "nas:/models"}}.
  models: {{managed: true, size: 100GiB}}
  # page-data: {{managed: true, size: 10GiB}}
"""
_PUBLISH = "publish: 8080 # on this machine only; {port: 8080, address: 0.0.0.0} opens it to the network"
_EXPOSE = "# expose: {hostname: llama.example.org} # a name that the cluster's gateway answers to"


class Beginning(NamedTuple):
    """What a first stack says; `gpus` are entries as YAML has them, of which the service takes `service_gpus`."""

    name: str
    host: str
    platform: str
    platforms: Sequence[str]
    ram: str | None
    gpus: Sequence[str]
    service_gpus: Sequence[int]
    model: str
    hf: str
    context: int
    settings: Sequence[str]
    image: str


def text(first: Beginning) -> str:
    """The file."""
    others = ", ".join(p for p in first.platforms if p != first.platform)
    options = (f"model: {first.model}", f"context: {first.context}", *first.settings)
    return _TEXT.format(
        name=first.name,
        host=first.host,
        platform=first.platform,
        other_platforms=f" # or {others}" if others else "",
        ram=f"ram: {first.ram}" if first.ram else "# ram: 64GB # lets main memory be checked, too",
        gpus=f"[{', '.join(first.gpus)}]",
        model=first.model,
        hf=first.hf,
        service_gpus=f"gpus: [{', '.join(map(str, first.service_gpus))}]\n    " if first.service_gpus else "",
        image=first.image,
        publish=_EXPOSE if first.platform == "kubernetes" else _PUBLISH,
        options=", ".join(options),
        use=first.model,
    )
