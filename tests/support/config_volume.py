"""A ConfigMap as a pod sees it: the kubelet puts each version into a folder of its own, and then moves one link."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path


@dataclass
class ConfigVolume:
    """The folder that it is mounted at."""

    folder: Path
    _versions: "count[int]" = field(default_factory=lambda: count(1))

    def put(self, files: Mapping[str, str]) -> None:
        """Another version of it."""
        self.folder.mkdir(exist_ok=True)
        version = self.folder / f"..version_{next(self._versions)}"
        version.mkdir()
        for name, text in files.items():
            version.joinpath(name).write_bytes(text.encode())
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
