"""A demo hub on the loopback address with five tiny models, so that everything works without internet.

`start()` runs it beside the kernel and points the default manager at it. Tests use
`rmm_widgets.demo.server.DemoHub` in their own process.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import msgspec

from ..types import FrozenDict, ModelType, freeze
from .process import DemoServer

__all__ = ["MODELS", "MODELS_DIR", "NAMESPACE", "DemoModel", "DemoServer", "expected", "sample", "start"]

_HERE = Path(__file__).parent
MODELS_DIR = _HERE / "models"
NAMESPACE = "rmm-demo"


class DemoModel(msgspec.Struct, frozen=True, kw_only=True):
    """One of the demo models.

    Attributes:
        sample: Something to call it with: a picture, texts, or a prompt.
    """

    repo_id: str
    model_id: str
    model_type: ModelType
    sample: Path | tuple[str, ...] | str


def sample(name: str) -> Path:
    """A picture to try a model on, for example "digit-1.png"; names as in `expected()` work too.

    Raises:
        FileNotFoundError: There is no such sample.
    """
    known = {path.name: path for path in sorted((_HERE / "samples").glob("*.png"))}
    path = known.get(name.removeprefix("samples/"))
    if path is None:
        raise FileNotFoundError(f"no sample {name!r}; there are: {', '.join(known)}")
    return path


@cache
def expected() -> FrozenDict:
    """What each model answers to its samples, with the tolerances; see its "about"."""
    return freeze(msgspec.json.decode((_HERE / "samples" / "expected.json").read_bytes()))


def _model(name: str, model_type: ModelType, example: Path | tuple[str, ...] | str) -> DemoModel:
    return DemoModel(repo_id=f"{NAMESPACE}/{name}", model_id=name, model_type=model_type, sample=example)


MODELS: tuple[DemoModel, ...] = (
    _model("blip-shapes", ModelType.CAPTION_GENERATOR, sample("caption-1.png")),
    _model("mdlm-stories", ModelType.DIFFUSION_LM, "the king"),
    _model("minilm-toy", ModelType.EMBEDDING_MODEL, ("the cat sleeps quickly", "a kitten naps fast")),
    _model("vit-digits", ModelType.CLASSIFICATION_MODEL, sample("digit-1.png")),
    _model("yolos-shapes", ModelType.DETECTION_MODEL, sample("detect-1.png")),
)


def start(*, rate: float | None = None, latency: float = 0.0) -> DemoServer:
    """Run the demo hub and let the default manager use it; a second call gives the running one.

    The hub is a process of its own that ends with this one. Where the environment variable
    RMM_DEMO_HUB names a running hub, that one is used. Downloads and the registry of the demo
    are kept apart from the user's, in RMM_DEMO_DIR or Jupyter's data directory + "rmm/demo".

    Args:
        rate: Bytes per second that all downloads share; None for no limit. A running hub of ours takes it over.
        latency: Seconds before every answer.

    Raises:
        HubUnavailableError: The hub's process does not come up.
    """
    from ..default_manager import use_for_default

    server = DemoServer.shared(rate=rate, latency=latency)
    folder = _folder()
    use_for_default(endpoint=server.url, cache_dir=folder / "hub", data_dir=folder / "data", token=False)
    return server


def _folder() -> Path:
    if named := os.environ.get("RMM_DEMO_DIR"):
        return Path(named).expanduser()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "rmm" / "demo"
