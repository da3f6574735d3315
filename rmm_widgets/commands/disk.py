"""Commands about the files on disk: verify, du, prune."""

from __future__ import annotations

from .disk_views import prune_message, usage_table, verify_document, verify_documents
from .jobs import jobs_result
from .render import Message
from .spec import Argument, Command, CommandResult, Context, Listing
from .waiting import wait_for, wait_for_all

__all__ = ["COMMANDS"]

DAY = 24 * 3600.0


def _verify(context: Context, *, model_id: str | None, repair: bool = False, wait: bool = False) -> CommandResult:
    manager = context.manager
    chosen = [model_id] if model_id else [id_ for id_ in manager.get_all_models() if manager.is_model_available(id_)]
    if not chosen:
        nothing = Message("No model is on disk.")
        return CommandResult(Listing([], nothing), nothing)
    if repair:
        repairs = [manager.repair_model(each) for each in chosen]
        if wait:
            wait_for_all(repairs)
        return jobs_result(repairs, "Verified and repaired" if wait else "Verifying and repairing", one=bool(model_id))
    jobs = [manager.verify_model(each) for each in chosen]
    if not wait:
        return jobs_result(jobs, "Verifying", one=model_id is not None)
    wait_for_all(jobs)
    reports = [job.result() for job in jobs]
    if model_id is not None:
        return CommandResult(reports[0], verify_document(reports[0]))
    document = verify_documents(reports)
    return CommandResult(Listing(reports, document), document)


def _usage(context: Context) -> CommandResult:
    job = context.manager.disk_usage()
    if not context.may_wait:
        return CommandResult(job, Message("Measuring the cache."))
    usage = wait_for(job)
    return CommandResult(usage, usage_table(usage))


def _prune(context: Context, *, days: int | None) -> CommandResult:
    job = context.manager.prune(older_than=(days or 7) * DAY)
    if not context.may_wait:
        return CommandResult(job, Message("Cleaning up the cache."))
    report = wait_for(job)
    return CommandResult(report, prune_message(report))


COMMANDS = (
    Command(
        name="verify",
        help="Hash the files on disk again",
        run=_verify,
        arguments=(
            Argument(name="id", target="model_id", kind="model", required=False, help="the model; all by default"),
            Argument(name="--repair", kind="switch", help="fetch what is damaged or missing"),
            Argument(name="--wait", kind="switch", help="return when it is done; interrupting ends the wait only"),
        ),
        as_json=True,
    ),
    Command(name="du", help="Show what the models and the cache take on disk", run=_usage, as_json=True),
    Command(
        name="prune",
        help="Remove what interrupted downloads and damage left in the cache",
        run=_prune,
        arguments=(Argument(name="--days", kind="integer", help="only what is older (7)"),),
        as_json=True,
    ),
)
