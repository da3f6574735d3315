"""What repositories of the Hub look like, and what becomes of them; `records` reads the TOML files beside it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgspec

from rmm_widgets.hub.card import parse_card
from rmm_widgets.hub.identify import Evidence

__all__ = ["Record", "records"]


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One repository: its metadata, and what is expected of it.

    Attributes:
        files: Sizes and paths, a line each.
        config, index: `config.json` and `model_index.json`, as text.
        card: The front matter of its README.
        gguf: The architecture in the header of `gguf_file`, which is the one to load.
        loaders: Those that must fit, the one to take first; None where that is not told.
    """

    id: str
    files: str
    config: str | None = None
    index: str | None = None
    card: str | None = None
    gguf: str | None = None
    gguf_file: str | None = None
    library: str | None = None
    type: str | None = None
    loaders: tuple[str, ...] | None = None
    none_of_ours: bool = False
    needs_code: bool = False
    pickle_only: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """All files of the repository with their sizes in bytes."""
        listed = {path: int(size) for size, path in (line.split(" ", 1) for line in self.files.strip().splitlines())}
        small = {"model_index.json": self.index, "README.md": self._readme}
        return listed | {path: len(text) for path, text in small.items() if text is not None}

    @property
    def _readme(self) -> str | None:
        return None if self.card is None else f"---\n{self.card.strip()}\n---\n# {self.id}\n"

    def evidence(self) -> Evidence:
        """What the pure table sees of the whole repository."""
        card = parse_card(self._readme or "")
        return Evidence(
            files=tuple(sorted(self.sizes)),
            config=_json(self.config),
            index=_json(self.index),
            pipeline_tag=card.pipeline_tag,
            library=card.library,
            tags=card.tags,
            gguf_architecture=self.gguf,
        )

    def write(self, folder: Path) -> None:
        """Make the repository in a folder; all but its configuration, card and GGUF headers is empty."""
        texts = {"config.json": self.config, "model_index.json": self.index, "README.md": self._readme}
        for name in self.sizes:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            header = _gguf_header(self.gguf) if self.gguf and name.endswith(".gguf") else b""
            path.write_bytes((texts.get(name) or "").encode() or header)


def records() -> list[Record]:
    """All of them, in the order of the files."""
    found: list[Record] = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        found += msgspec.toml.decode(path.read_bytes(), type=dict[str, list[Record]])["repository"]
    return found


def _json(text: str | None) -> dict[str, Any]:
    return {} if text is None else msgspec.json.decode(text, type=dict[str, Any])


def _gguf_header(architecture: str) -> bytes:
    """Version 3, no tensors, one key."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    return (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + text("general.architecture")
        + struct.pack("<I", 8)
        + text(architecture)
    )
