"""S4: repositories with code, and configurations that ask for some, are refused before any library reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmm_widgets.demo import MODELS_DIR
from rmm_widgets.loading.safety.configs import CONFIG_LIMIT
from rmm_widgets.loading.safety.folder import inspect_folder
from rmm_widgets.loading.safety.policy import forecast

from .. import onnx_files
from .audit import watched

CODE = "import pathlib; pathlib.Path({marker!r}).touch()\n"

BERT = {"architectures": ["BertModel"], "model_type": "bert", "auto_map": None, "trust_remote_code": False}

HOSTILE_JSON: dict[str, tuple[str, object]] = {
    "auto_map": ("config.json", {**BERT, "auto_map": {"AutoModel": "modeling_x.XModel"}}),
    "auto_map of another repository": ("config.json", {"auto_map": {"AutoModel": "evil/repo--modeling_x.XModel"}}),
    "auto_map of a tokenizer": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tok.Tok", None]}}),
    "auto_map of a processor": ("preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "p.P"}}),
    "auto_map deep down": ("config.json", {"text_config": {"encoder": [{"auto_map": {"AutoConfig": "c.C"}}]}}),
    # CVE-2026-5241: options in config.json reach the loads of the parts of a model.
    "nested trust": ("config.json", {**BERT, "text_config": {"trust_remote_code": True}}),
    "trust in backbone options": ("config.json", {"backbone_kwargs": {"trust_remote_code": True}}),
    "trust as a number": ("config.json", {"sub": [{"trust_remote_code": 1}]}),
    "trust as text": ("config.json", {"trust_remote_code": "yes"}),
    "trust for sentence-transformers": ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}),
    "trust in a part": ("0_Transformer/sentence_bert_config.json", {"tokenizer_args": {"trust_remote_code": True}}),
    "custom_code": ("config.json", {"custom_code": True}),
    "custom pipelines": ("config.json", {"custom_pipelines": {"x": {"impl": "x.Pipeline", "pt": ["AutoModel"]}}}),
    "custom pipeline": ("model_index.json", {"custom_pipeline": "evil/pipeline"}),
    "a module of sentence-transformers": ("modules.json", [{"idx": 0, "path": "", "type": "custom_st.Transformer"}]),
    "a module without type": ("modules.json", [{"idx": 0, "path": ""}]),
    "a router": ("router_config.json", {"types": {"query_0": "custom_st.Transformer"}}),
    "an activation": ("2_Dense/config.json", {"in_features": 2, "activation_function": "os.system"}),
    "an activation of torch": ("2_Dense/config.json", {"activation_function": "torch.load"}),
    "an activation of a cross-encoder": ("config.json", {"sentence_transformers": {"activation_fn": "evil.f"}}),
    "a pipeline's part": ("model_index.json", {"_class_name": "DiffusionPipeline", "unet": ["my_unet", "UNet"]}),
    "a pipeline's class": ("model_index.json", {"_class_name": ["pipeline", "MyPipeline"]}),
    "an adapter": ("adapter_config.json", {"auto_mapping": {"parent_library": "evil", "base_model_class": "X"}}),
    "a kernel of a repository": ("config.json", {"_attn_implementation": "evil/kernels"}),
    "shards elsewhere": ("model.safetensors.index.json", {"weight_map": {"w": "../../../other/model.safetensors"}}),
    "shards at a root": ("pytorch_model.bin.index.json", {"weight_map": {"w": "/tmp/evil.bin"}}),
}

HOSTILE_TEXT = {
    "given twice": ("config.json", '{"trust_remote_code": true, "trust_remote_code": false}'),
    "written in escapes": ("config.json", '{"auto\\u005fmap": {"AutoModel": "x.X"}}'),
    "behind a byte order mark": ("config.json", '\ufeff{"trust_remote_code": true}'),
    "not quite JSON": ("config.json", '{"trust_remote_code": true,}'),
    "with a comment": ("tokenizer_config.json", '{/**/ "auto_map": {"AutoTokenizer": "t.T"}}'),
    "too deep to read": ("config.json", '{"a":' * 100_000),
    "upper case ending": ("CONFIG.JSON", '{"custom_code": true}'),
    "objects in YAML": ("config.yaml", "a: !!python/object/apply:os.system ['true']\n"),
    "named tags in YAML": ("x.yml", "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['true']\n"),
    "HyperPyYAML": ("hyperparams.yaml", "model: !new:os.system\n"),
}


def write(path: Path, content: str | bytes | object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("case", [*HOSTILE_JSON, *HOSTILE_TEXT])
def test_S4_a_configuration_that_asks_for_code_is_refused(tmp_path: Path, case: str) -> None:
    name, content = {**HOSTILE_JSON, **HOSTILE_TEXT}[case]
    write(tmp_path / name, content)
    (finding,) = inspect_folder(tmp_path).findings
    assert finding.path == name
    assert finding.allowable == ("shards" not in case)


@pytest.mark.parametrize(
    "name",
    ["modeling_x.py", "deep/er/tok.PY", "x.pyc", "ext.so", "x.pyd", "handler.py", ".hidden/evil.py", "setup.pyw"],
)
def test_S4_code_is_refused_and_not_imported(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    repository = tmp_path / "repository"
    write(repository / name, CODE.format(marker=str(marker)))
    write(repository / "config.json", {"auto_map": {"AutoModel": "modeling_x.XModel"}})
    with watched(repository) as seen:
        report = inspect_folder(repository)
    assert {name, "config.json"} == {finding.path for finding in report.findings}
    assert {finding.kind for finding in report.findings} == {"code"}
    assert seen == []
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", BERT),
        ("config.json", {"activation_function": "gelu_new", "max": 1e400, "x": float("nan")}),
        ("2_Dense/config.json", {"activation_function": "torch.nn.modules.activation.Tanh"}),
        ("vocab.json", {"auto_map": 17, "trust_remote_code": 4711, "custom_code": 3}),
        ("tokenizer.json", {"model": {"vocab": {"auto_map": 17, "trust_remote_code": 4711}}}),
        ("modules.json", [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]),
        ("adapter_config.json", {"auto_mapping": None, "base_model_name_or_path": "o/n"}),
        (
            "adapter_config.json",
            {"auto_mapping": {"parent_library": "transformers.models.bert.modeling_bert", "base_model_class": "X"}},
        ),
        (
            "model_index.json",
            {
                "_class_name": "StableDiffusionPipeline",
                "unet": ["diffusers", "UNet2DConditionModel"],
                "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
                "feature_extractor": [None, None],
                "force_zeros": True,
            },
        ),
        ("model.safetensors.index.json", {"metadata": {}, "weight_map": {"w": "model-00001-of-00002.safetensors"}}),
        ("chat_template.jinja", "{% for m in messages %}{{ m['content'] }}{% endfor %}"),
        ("results.yaml", "task: x\nmetrics:\n  - acc: 0.5 # !new: nothing\n"),
        ("example.json", "{'not': 'JSON'}"),
    ],
)
def test_a_configuration_that_asks_for_nothing_passes(tmp_path: Path, name: str, content: Any) -> None:
    write(tmp_path / name, content)
    assert inspect_folder(tmp_path).findings == ()


def test_a_configuration_is_not_too_large(tmp_path: Path) -> None:
    write(tmp_path / "config.json", b'{"x": "' + b"a" * CONFIG_LIMIT + b'"}')
    write(tmp_path / "train.json", b'{"x": "' + b"a" * CONFIG_LIMIT + b'"}')
    (finding,) = inspect_folder(tmp_path).findings
    assert (finding.path, finding.kind) == ("config.json", "limit")


def test_S4_onnx_files_bring_no_operators_of_their_own(tmp_path: Path) -> None:
    field, node = onnx_files.field, onnx_files.node("Gelu", ["x"], "y")

    def graph(domain: str, *functions: bytes) -> bytes:
        return field(1, 8) + field(7, field(1, node + field(7, domain)) + field(2, "g")) + b"".join(functions)

    for domain in ("", "ai.onnx.ml", "com.microsoft"):
        write(tmp_path / "model.onnx", graph(domain))
        assert inspect_folder(tmp_path).safe
    write(tmp_path / "model.onnx", graph("ai.onnx.contrib"))
    (finding,) = inspect_folder(tmp_path).findings
    assert finding.kind == "code"
    assert "ai.onnx.contrib" in finding.reason
    own = field(25, field(1, "Gelu") + field(10, "my.functions") + field(7, node))
    write(tmp_path / "model.onnx", graph("my.functions", own))
    assert inspect_folder(tmp_path).safe, "it defines these itself, of operators that are known"


def test_S4_onnx_files_take_no_weights_from_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "model.onnx", onnx_files.with_external_table("../other/model.onnx_data"))
    (finding,) = inspect_folder(tmp_path).findings
    assert (finding.kind, finding.allowable) == ("link", False)
    write(tmp_path / "model.onnx", onnx_files.with_external_table("weights"))
    write(tmp_path / "weights", np.array([[1, 2]], np.float32).tobytes())
    assert inspect_folder(tmp_path).formats == (("onnx", 1), ("raw data", 1))
    write(tmp_path / "model.onnx", onnx_files.with_external_table("pytorch_model.bin"))
    (tmp_path / "weights").rename(tmp_path / "pytorch_model.bin")
    (finding,) = inspect_folder(tmp_path).findings
    assert finding.path == "pytorch_model.bin", "whatever an ONNX file says of it, an unpickler opens that name"


def test_what_names_alone_tell() -> None:
    names = ["config.json", "modeling_x.py", "pytorch_model.bin", "model.safetensors", "x.onnx", "data.zip"]
    report = forecast(names, ["custom_code"])
    assert [(f.path, f.kind) for f in report.findings] == [
        ("", "code"),
        ("modeling_x.py", "code"),
        ("pytorch_model.bin", "pickle"),
        ("data.zip", "archive"),
    ]
    assert report.source == "names"
    for model in MODELS_DIR.iterdir():
        assert forecast(path.name for path in model.rglob("*")).safe
