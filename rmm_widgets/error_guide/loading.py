"""Errors about loading and calling models."""

from __future__ import annotations

from .records import ErrorEntry, ErrorGroup

__all__ = ["LOADING"]

LOADING = ErrorGroup(
    title="Loading and calling",
    entries=(
        ErrorEntry(
            name="ModelNotAvailableError",
            meaning=(
                "Not all files of the model are on disk. Or it is a custom model of an earlier session, whose class "
                "this kernel does not have."
            ),
            steps=(
                "`%rmm download ID` fetches what is missing; `%rmm info ID --files` shows what is there.",
                "`%rmm load ID` downloads first by itself, unless `enable_auto_download` was switched off.",
                "For a custom model run the cell that defines and registers it again.",
            ),
        ),
        ErrorEntry(
            name="ModelNotLoadedError",
            meaning=(
                "The model is not in memory any more. Since you got this instance it was unloaded, was evicted to make "
                "room, or its process ended. It is also a `ModelNotAvailableError`."
            ),
            steps=(
                "Load it again: that gives a new instance, as in `%rmm load ID --as model --wait`.",
                "`%rmm why ID` tells what took it out of memory.",
                "`%rmm pin ID` keeps it from being evicted; a block `with manager.use(...)` does so while it lasts.",
            ),
        ),
        ErrorEntry(
            name="UnsupportedModelError",
            meaning="No loader takes the repository, or it is of none of the five types.",
            steps=(
                "If only the type is not clear, give it: `%rmm add OWNER/NAME --type embedding_model`.",
                (
                    "Choose a repository with safetensors or ONNX files: `%rmm search WORDS --type embedding_model` "
                    "shows what they hold."
                ),
                (
                    "`%rmm info ID` tells which loaders fit a model that is on disk; `%rmm load ID --loader NAME` "
                    "takes another."
                ),
                "Export it with `optimum-cli export onnx`, or make it a custom model: a `BaseModel` of your own.",
            ),
        ),
        ErrorEntry(
            name="UnsafeModelError",
            meaning=(
                "Files of the model may run code on your computer, or lie about themselves. Such are pickles, Python "
                "files and configurations that ask for code. Nothing of them was opened."
            ),
            steps=(
                "`%rmm info ID` lists what was found.",
                (
                    "The best help is a repository with safetensors or ONNX files: `%rmm search WORDS` says which have "
                    "them."
                ),
                (
                    "If you have read the files and trust their authors, allow this very commit: the hint has the "
                    "line, which is also `%rmm allow ID COMMIT`. `%rmm allow ID --revoke` takes that back."
                ),
                "What is allowed runs in a process of its own. The next commit has to be allowed anew.",
                "Files that lie, or lead out of the model's folder, cannot be allowed.",
            ),
        ),
        ErrorEntry(
            name="MissingDependencyError",
            meaning="A library that the loader needs is not installed where the kernel runs.",
            steps=(
                "Run the `%pip install` line of the hint in a cell, then `%rmm load ID` again.",
                (
                    "`%rmm info ID` names the other loaders that fit; `%rmm load ID --loader NAME` takes one that is "
                    "installed."
                ),
            ),
        ),
        ErrorEntry(
            name="LoadTimeoutError",
            meaning=(
                "The load took longer than `load_timeout` and was ended. The limit is 120 seconds unless it was "
                "changed."
            ),
            steps=(
                "Try once more with `%rmm load ID`: the second time the files may come from memory.",
                "For a large model or a slow disk raise the limit, as below.",
                (
                    "A machine that is short of memory is slow: `%rmm ls` shows what is loaded, and "
                    "`%rmm unload OTHER` gives memory back."
                ),
            ),
            example="manager = rmm_widgets.get_manager()\nmanager.load_timeout = 600",
        ),
        ErrorEntry(
            name="LoadCancelledError",
            meaning="The load was cancelled, or an unload came in between.",
            steps=(
                "`%rmm load ID` loads it again.",
                "`%rmm why ID` tells what happened before.",
            ),
        ),
        ErrorEntry(
            name="InsufficientMemoryError",
            meaning=(
                "The model does not fit into the memory that is free. Nothing was evicted for it, unless an eviction "
                "gave back too little; or memory ran out while it was loading."
            ),
            steps=(
                "The message says how much is needed, how much is free, and which models hold the rest.",
                (
                    "`%rmm unload OTHER` gives the memory of another model back; `%rmm unpin OTHER` lets it be "
                    "evicted. A model in use is never evicted: end the call, or the `with` block."
                ),
                'Where a budget is what is short, raise it: `manager.memory_budget = "12GB"`.',
                (
                    "Take less: `%rmm load ID dtype=bfloat16`, or a smaller model. `%rmm search WORDS --max-size 2GB` "
                    "finds some, and says which fit here."
                ),
                "In Python the error tells more: `.need`, `.free`, `.device`, `.budget` and `.holders`.",
            ),
            example=(
                "try:\n"
                '    model = await manager.load_model("ID")\n'
                "except rmm_widgets.InsufficientMemoryError as error:\n"
                "    print(error.need, error.free, [holder.model_id for holder in error.holders])"
            ),
        ),
        ErrorEntry(
            name="WorkerDiedError",
            meaning=(
                "The process that held the model ended without being asked to, or had to be ended. The kernel and "
                "other models are not harmed."
            ),
            steps=(
                "`%rmm load ID` loads it again; with `%rmm load ID --restart` that happens by itself after a crash.",
                (
                    "`.signal` or `.exitcode` of the error say how it ended. Signal 9 is often the system, which makes "
                    "room in memory: unload other models, or take a smaller one."
                ),
                (
                    "Signal 11 and the like are a crash inside a library: update it, or try another loader with "
                    "`%rmm load ID --loader NAME`."
                ),
                "The last lines that the process wrote stand below the traceback; `%rmm why ID` tells what led to it.",
            ),
        ),
        ErrorEntry(
            name="LoadError",
            meaning=(
                "The model could not be loaded or unloaded. All errors of loads are of this class; it is itself only "
                "where none of the others fits, such as for a damaged file, and the message says what it was."
            ),
            steps=(
                "`%rmm verify ID --repair` finds damaged or missing files and fetches just those.",
                "`%rmm info ID` tells which loader was used and which others fit: `%rmm load ID --loader NAME`.",
                "Where a GPU is the trouble: `%rmm load ID --device cpu`.",
                "`%rmm config ID` shows the model's settings; one of them may not suit this model.",
            ),
        ),
        ErrorEntry(
            name="CallError",
            meaning=(
                "The model raised an error while it was used. Usually the input is not what it takes; the model stays "
                "loaded."
            ),
            steps=(
                "The message begins with the kind of the original error.",
                (
                    "Check the input: a text where a picture is expected, an empty list, a file that is not there. "
                    "`%rmm info ID` tells the model's type."
                ),
                "`.remote_type` and `.remote_traceback` of the error show where it was raised.",
            ),
            example=(
                'try:\n    model("an input")\nexcept rmm_widgets.CallError as error:\n    print(error.remote_traceback)'
            ),
        ),
        ErrorEntry(
            name="NoCapacityError",
            meaning=(
                "No machine can ever give what the model asks for. It is reserved for clusters, which come in a later "
                "version."
            ),
            steps=("Choose a smaller model, or ask for less.",),
        ),
    ),
)
