"""The public surface: every name, signature, record and error that users rely on."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import rmm_widgets
from rmm_widgets import BaseModel, Job, ModelInstance, ModelManager, RMMError, VerifyReport, errors
from rmm_widgets.error_links import pointer_here

MANAGER = {
    "register_model": "(self, info, *, model=None, replace=False)",
    "register_from_hub": (
        "(self, repo_id, *, model_id=None, revision=None, model_type=None, allow_patterns=None, ignore_patterns=None)"
    ),
    "check_update": "(self, model_id)",
    "update_model": "(self, model_id)",
    "find_loader": "(self, model_id)",
    "list_files": "(self, model_id, *, local_only=False)",
    "unregister_model": "(self, model_id)",
    "search_hub": "(self, query, *, model_type=None, limit=20, min_size=None, max_size=None)",
    "download_model": "(self, model_id, progress_callback=None)",
    "cancel_download": "(self, model_id, *, discard=False)",
    "pause_download": "(self, model_id)",
    "resume_download": "(self, model_id)",
    "get_download_progress": "(self, model_id)",
    "load_model": (
        "(self, model_id, config=None, *, isolation=None, device=None, loader=None, keep_alive=None, restart=None)"
    ),
    "cancel_load": "(self, model_id)",
    "unload_model": "(self, model_id)",
    "use": "(self, model_id)",
    "get_model_info": "(self, model_id)",
    "get_model_instance": "(self, model_id)",
    "get_all_models": "(self)",
    "get_all_instances": "(self)",
    "is_model_available": "(self, model_id)",
    "is_model_loaded": "(self, model_id)",
    "get_model_status": "(self, model_id)",
    "get_model_health": "(self, model_id)",
    "check_health": "(self, model_id)",
    "update_model_config": "(self, model_id, config)",
    "pin": "(self, model_id)",
    "unpin": "(self, model_id)",
    "verify_model": "(self, model_id)",
    "check_safety": "(self, model_id)",
    "allow_unsafe": "(self, model_id, *, commit)",
    "forbid_unsafe": "(self, model_id)",
    "delete_model": "(self, model_id, *, remove_files=False)",
    "freeze": "(self, path='rmm.lock')",
    "sync": "(self, path='rmm.lock')",
    "get_statistics": "(self)",
    "get_state": "(self)",
    "add_event_listener": "(self, handler)",
    "remove_event_listener": "(self, handler)",
    "events": "(self, model_id=None, *, limit=100)",
    "get_story": "(self, model_id, *, limit=100)",
    "explain": "(self, model_id, *, limit=100)",
    "get_probe_history": "(self, model_id)",
    "connect": "(self, address)",
    "disconnect": "(self)",
    "close": "(self)",
    "aclose": "(self)",
    "register_models": "(self, infos)",
    "find_models": "(self, query='', *, model_type=None, tag=None, min_size=None, max_size=None)",
    "export_models": "(self)",
    "import_models": "(self, infos, *, overwrite=False)",
    "check_all_health": "(self)",
    "get_all_download_progress": "(self)",
}

JOB = {
    "result": "(self, timeout=None)",
    "done": "(self)",
    "cancel": "(self)",
    "cancelled": "(self)",
    "exception": "(self, timeout=None)",
    "add_done_callback": "(self, callback)",
    "__await__": "(self)",
}

BASE_MODEL = {
    "__init__": "(self, model_id, model_type, config=None)",
    "download": "(self)",
    "load": "(self, config=None)",
    "unload": "(self)",
    "health_check": "(self)",
    "is_available": "(self)",
    "initialize": "(self)",
    "destroy": "(self)",
    "mark_used": "(self)",
    "get_instance": "(self)",
    "update_config": "(self, config)",
    "get_capabilities": "(self)",
    "validate_config": "(self, config)",
    "report_progress": "(self, done, total, current_file=None)",
}

INSTANCE = {
    "__call__": "(self, *args, **kwargs)",
    "call": "(self, method, *args, timeout=None, **kwargs)",
    "acall": "(self, method, *args, timeout=None, **kwargs)",
}

PROPERTIES = {
    Job: ("model_id", "kind", "progress"),
    BaseModel: (
        "model_id",
        "model_type",
        "status",
        "health",
        "config",
        "loaded_at",
        "last_used",
        "error",
        "metadata",
        "is_initialized",
    ),
    ModelInstance: (
        "model_id",
        "model_type",
        "status",
        "health",
        "config",
        "loaded_at",
        "last_used",
        "error",
        "metadata",
        "model",
        "memory_bytes",
        "placement",
        "device",
    ),
    VerifyReport: ("ok",),
}

RECORDS = {
    "ModelInfo": (
        "model_id model_type repo_id description total_size_estimate file_count_estimate version tags metadata"
    ),
    "ModelDownloadProgress": (
        "model_id status progress downloaded_bytes total_bytes current_file error start_time estimated_time_remaining"
        " bytes_per_second files_done files_total phase note"
    ),
    "ModelEvent": "type model_id timestamp data seq",
    "Statistics": (
        "total_models downloaded_models loaded_models active_downloads active_loads total_memory_usage"
        " queued_downloads queued_loads failed_downloads total_bytes_downloaded"
    ),
    "ManagerState": "models instances download_progress is_downloading is_loading last_update revision",
    "ModelCapabilities": "batch_processing gpu_acceleration streaming real_time multilingual custom_weights",
}

WITH_AT_LEAST = {
    "HubModel": {"repo_id", "model_type", "downloads", "likes", "size", "licence", "gated", "last_modified"},
    "VerifyReport": {"corrupt", "missing", "checked_bytes"},
}

ERRORS = {
    "ModelNotRegisteredError": RMMError,
    "ModelAlreadyRegisteredError": RMMError,
    "InvalidModelInfoError": RMMError,
    "ModelNotAvailableError": RMMError,
    "InvalidConfigError": RMMError,
    "CallError": RMMError,
    "DownloadError": RMMError,
    "RepositoryNotFoundError": errors.DownloadError,
    "RevisionNotFoundError": errors.DownloadError,
    "GatedModelError": errors.DownloadError,
    "IntegrityError": errors.DownloadError,
    "DiskFullError": errors.DownloadError,
    "DownloadStalledError": errors.DownloadError,
    "DownloadTimeoutError": errors.DownloadError,
    "HubUnavailableError": errors.DownloadError,
    "DownloadCancelledError": errors.DownloadError,
    "LoadError": RMMError,
    "LoadTimeoutError": errors.LoadError,
    "LoadCancelledError": errors.LoadError,
    "InsufficientMemoryError": errors.LoadError,
    "UnsafeModelError": errors.LoadError,
    "UnsupportedModelError": errors.LoadError,
    "MissingDependencyError": errors.LoadError,
    "WorkerDiedError": errors.LoadError,
    "NoCapacityError": errors.LoadError,
    "ModelNotLoadedError": errors.ModelNotAvailableError,
    "ManagerClosedError": RMMError,
    "RegistryError": RMMError,
}


def signature(owner: type[Any], name: str) -> str:
    """A method's parameters and defaults, without annotations."""
    parameters = inspect.signature(getattr(owner, name)).parameters.values()
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(plain)).replace("/, ", "")


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (owner, name, expected)
        for owner, methods in ((ModelManager, MANAGER), (Job, JOB), (BaseModel, BASE_MODEL), (ModelInstance, INSTANCE))
        for name, expected in methods.items()
    ],
)
def test_signature(owner: type[Any], name: str, expected: str) -> None:
    assert signature(owner, name) == expected


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in PROPERTIES.items() for name in names])
def test_property(owner: type[Any], name: str) -> None:
    assert isinstance(inspect.getattr_static(owner, name), property)


@pytest.mark.parametrize(
    "name", ["download", "load", "unload", "health_check", "is_available", "initialize", "destroy"]
)
def test_the_methods_of_a_base_model_are_coroutines(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(BaseModel, name))


def test_aclose_and_acall_are_coroutines() -> None:
    assert inspect.iscoroutinefunction(ModelManager.aclose)
    assert inspect.iscoroutinefunction(ModelInstance.acall)


@pytest.mark.parametrize(("record", "fields"), RECORDS.items())
def test_fields_of_a_record_and_their_order(record: str, fields: str) -> None:
    assert list(getattr(rmm_widgets, record).__struct_fields__) == fields.split()


@pytest.mark.parametrize(("record", "fields"), WITH_AT_LEAST.items())
def test_fields_of_a_report(record: str, fields: set[str]) -> None:
    assert fields <= set(getattr(rmm_widgets, record).__struct_fields__)


@pytest.mark.parametrize("record", [*RECORDS, *WITH_AT_LEAST])
def test_a_record_is_frozen(record: str) -> None:
    assert getattr(rmm_widgets, record).__struct_config__.frozen


def test_positional_order_and_defaults_of_a_model_info() -> None:
    record = rmm_widgets.ModelInfo("m", rmm_widgets.ModelType.EMBEDDING_MODEL, "me/m", "d", 1, 2, "v", ("t",), {"k": 1})
    assert (record.description, record.total_size_estimate, record.file_count_estimate) == ("d", 1, 2)
    assert (record.version, record.tags, record.metadata) == ("v", ("t",), {"k": 1})
    least = rmm_widgets.ModelInfo("m", rmm_widgets.ModelType.EMBEDDING_MODEL, "me/m")
    assert (least.version, least.tags, least.metadata) == (None, (), {})


@pytest.mark.parametrize(("name", "parent"), ERRORS.items())
def test_an_error_and_its_parent(name: str, parent: type[RMMError]) -> None:
    kind = getattr(rmm_widgets, name)
    assert issubclass(kind, parent)
    error = kind("what happened", model_id="m", hint="what to do")
    assert (str(error), error.model_id, error.hint) == ("what happened", "m", "what to do")
    assert error.__notes__ == ["Hint: what to do", pointer_here(name)]
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.model_id, copy.hint) == (kind, "what happened", "m", "what to do")
    assert copy.__notes__ == error.__notes__


def test_a_hint_that_comes_later_is_in_tracebacks_too() -> None:
    error = RMMError("what happened")
    error.add_note("beside it")
    pointer, beside = error.__notes__
    error.add_hint("")
    assert (error.hint, error.__notes__) == ("", [pointer, beside])
    error.add_hint("Do this.")
    error.add_hint("Then that.")
    assert error.hint == "Do this. Then that."
    assert error.__notes__ == ["Hint: Do this. Then that.", pointer, beside]


@pytest.mark.parametrize("name", ["InvalidModelInfoError", "InvalidConfigError"])
def test_bad_values_are_value_errors_too(name: str) -> None:
    assert issubclass(getattr(rmm_widgets, name), ValueError)


def test_an_error_of_a_model_tells_its_remote_type_and_traceback() -> None:
    error = rmm_widgets.CallError("m", remote_type="KeyError", remote_traceback="Traceback ...")
    assert (error.remote_type, error.remote_traceback) == ("KeyError", "Traceback ...")


@pytest.mark.parametrize("name", rmm_widgets.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(rmm_widgets, name).__name__ == name


def test_every_documented_name_is_public() -> None:
    expected = {
        *RECORDS,
        *WITH_AT_LEAST,
        *ERRORS,
        "BaseModel",
        "Job",
        "ModelEventType",
        "ModelHealth",
        "ModelInstance",
        "ModelManager",
        "ModelStatus",
        "ModelType",
        "RMMError",
        "get_manager",
    }
    assert expected <= set(rmm_widgets.__all__)
    assert expected <= set(dir(rmm_widgets))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        rmm_widgets.Nonsense  # noqa: B018
