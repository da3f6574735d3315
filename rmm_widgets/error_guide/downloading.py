"""Errors about downloads and about files on disk."""

from __future__ import annotations

from .records import ErrorEntry, ErrorGroup

__all__ = ["DOWNLOADING"]

DOWNLOADING = ErrorGroup(
    title="Downloading",
    entries=(
        ErrorEntry(
            name="RepositoryNotFoundError",
            meaning=(
                "The Hub has no repository of this name, or your token may not see it. The Hub gives the same answer "
                "for a wrong name and for a private repository."
            ),
            steps=(
                "Check the name: it is `OWNER/NAME`, as in the address of its page. `%rmm search WORDS` finds names.",
                (
                    "For a private repository run `hf auth login` in a terminal, with a token of an account that may "
                    "see it, and try again."
                ),
                "Where `HF_ENDPOINT` or `endpoint=` names a mirror: it may have fewer repositories than the Hub.",
            ),
        ),
        ErrorEntry(
            name="RevisionNotFoundError",
            meaning=(
                "The repository has no such branch, tag or commit. Or its history was rewritten, and the commit that "
                "your files are of is gone."
            ),
            steps=(
                (
                    "The hint has the page that lists branches and tags. `%rmm add OWNER/NAME@REVISION --as ID` "
                    "registers one of them; without `@REVISION` it is the default branch."
                ),
                (
                    "After a rewritten history look at the repository first: somebody else may own it now. Then "
                    "`%rmm update ID` accepts the new commit."
                ),
            ),
        ),
        ErrorEntry(
            name="GatedModelError",
            meaning="The authors ask for an agreement first, which this account has not given. Or nobody is logged in.",
            steps=(
                (
                    "Open the page of the hint in a browser, log in there, and accept the conditions. Some authors "
                    "answer each request themselves, which can take days."
                ),
                (
                    "Log in here, too: run `hf auth login` in a terminal, with a token of the same account. A "
                    "fine-grained token needs the permission to read gated repositories."
                ),
                "Then `%rmm download ID` or `%rmm load ID` again.",
                "Or take a model without conditions: `%rmm search WORDS` marks those that are gated.",
            ),
        ),
        ErrorEntry(
            name="IntegrityError",
            meaning=(
                "The bytes differ from what the Hub published. While downloading, this was so several times in a row; "
                "on disk, `%rmm verify` or the look before a load found it. What is damaged is put aside and never "
                "loaded."
            ),
            steps=(
                (
                    "For files on disk: `%rmm verify ID --repair` fetches just the damaged ones. `%rmm verify ID` only "
                    "tells which they are."
                ),
                (
                    "While downloading: a mirror, a proxy or the network changes the bytes. Try another network, or "
                    "the Hub itself in place of a mirror."
                ),
                "Files that get damaged again and again are a sign of a failing disk or of failing memory.",
            ),
        ),
        ErrorEntry(
            name="DiskFullError",
            meaning=(
                "There is not enough free space. For a new download this is found before the first byte; what was "
                "fetched before is kept."
            ),
            steps=(
                (
                    "`%rmm du` shows what each model takes and what its removal frees; `%rmm rm ID --files` removes "
                    "one with its files."
                ),
                "`%rmm prune` removes what interrupted downloads left behind.",
                "`hf cache ls` in a terminal lists the whole cache, also what other programs put there.",
                "For another disk set `manager.cache_dir`, or the variable `HF_HUB_CACHE` before the kernel starts.",
                "Then `%rmm download ID` goes on where it stood.",
            ),
        ),
        ErrorEntry(
            name="DownloadStalledError",
            meaning="No byte came for `stall_timeout` seconds, several times. What was fetched is kept.",
            steps=(
                "Check the network, then `%rmm download ID` goes on where it stood.",
                (
                    "For a very slow line allow more than the usual 60 seconds, as below. For good, and for terminals, "
                    "write `c.ModelManager.stall_timeout = 300` into `ipython_config.py`."
                ),
            ),
            example="manager = rmm_widgets.get_manager()\nmanager.stall_timeout = 300",
        ),
        ErrorEntry(
            name="DownloadTimeoutError",
            meaning=(
                "The download took longer than `download_timeout`. That limit is off unless somebody set it; what was "
                "fetched is kept."
            ),
            steps=(
                "`%rmm download ID` goes on where it stood, with the whole time before it again.",
                "Raise the limit or take it away, as below; or in `ipython_config.py`, where it may have been set.",
            ),
            example="manager = rmm_widgets.get_manager()\nmanager.download_timeout = None",
        ),
        ErrorEntry(
            name="HubUnavailableError",
            meaning=(
                "The Hub cannot be reached, refuses access, or keeps answering with errors. Models that are on disk "
                "can be loaded without it."
            ),
            steps=(
                (
                    "The message says who did not answer and how often it was tried. Where the network was away, "
                    "`%rmm download ID` goes on where it stood."
                ),
                "Offline mode: unset `HF_HUB_OFFLINE` and `TRANSFORMERS_OFFLINE`, then restart the kernel.",
                (
                    "A proxy: `HTTPS_PROXY` and `NO_PROXY`. Certificates of your own network: `SSL_CERT_FILE` or "
                    "`REQUESTS_CA_BUNDLE`. Restart the kernel after a change."
                ),
                "A mirror: check `HF_ENDPOINT`, or the manager's `endpoint`.",
                "A token that is not accepted: run `hf auth login` with a new one, and unset an old `HF_TOKEN`.",
                "Status 429 means too many requests: wait a little, or log in.",
            ),
        ),
        ErrorEntry(
            name="DownloadCancelledError",
            meaning=(
                "The download was cancelled. By `%rmm cancel`, in a panel, from Python, or by the end of the manager; "
                "what was fetched is kept."
            ),
            steps=(
                "`%rmm download ID` goes on where it stood.",
                "`%rmm cancel ID --discard` removes what was fetched.",
                "`%rmm why ID` tells what happened before.",
            ),
        ),
        ErrorEntry(
            name="DownloadError",
            meaning=(
                "The download did not deliver the model. All errors of downloads are of this class; it is itself only "
                "where none of the others fits, and the message says what it was."
            ),
            steps=(
                "A folder that cannot be written: change its permissions, or set `manager.cache_dir` to another one.",
                (
                    "A link inside the cache: nothing is written through links. Remove it, or let `cache_dir` be the "
                    "real folder."
                ),
                (
                    "Too many open files: close other programs, or raise the limit (`ulimit -n 4096`) in the shell "
                    "that starts Jupyter."
                ),
                "A model that is in memory cannot be updated: `%rmm unload ID` first.",
                "Then `%rmm download ID` goes on where it stood.",
            ),
        ),
    ),
)
