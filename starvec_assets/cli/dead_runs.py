"""Runs whose processes are gone: they are marked as failed, and their places in pools are freed.

The daemon does neither for a run of the UI whose code server was killed or lost its disk, nor for one of a terminal: it
would stay in progress for ever, and so would every run that waits for its pool.
"""

import json
import socket
from typing import Any

import dagster as dg

PROCESS_TAG = "starvec/process"
"""Run tag: process and host of a run from a terminal, as pid@host."""

CODE_SERVER_TAG = ".dagster/grpc_info"
"""Run tag that Dagster sets: the address of the code server that started the run's process."""

CONNECT_S = 5.0

UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_runs_of_killed_terminals(instance: dg.DagsterInstance) -> None:
    """Mark the unfinished runs of terminals as failed; for the process that holds the lock of such runs."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if process := run.tags.get(PROCESS_TAG):
            instance.report_run_failed(run, f"process {process} is gone; the next run resumes where this one was")
    _free_slots_of_ended_runs(instance)


def end_runs_of_a_killed_ui(instance: dg.DagsterInstance) -> None:
    """Mark the unfinished runs of code servers that do not answer as failed.

    For the holder of the lock of the UI, and for a code server before it answers.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        address = json.loads(run.tags.get(CODE_SERVER_TAG, "{}"))
        if address and not _is_listening(**address):
            instance.report_run_failed(run, "the UI that ran it is gone; the next run resumes where this one was")
    _free_slots_of_ended_runs(instance)


def _is_listening(host: str, port: int = 0, **unix: Any) -> bool:
    path = unix.get("socket")
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as client:
        client.settimeout(CONNECT_S)
        try:
            client.connect(path or (host, port))
        except OSError:
            return False
        return True


def _free_slots_of_ended_runs(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    for pool in map(storage.get_concurrency_info, storage.get_concurrency_keys()):
        for run_id in {claim.run_id for claim in pool.claimed_slots} | {step.run_id for step in pool.pending_steps}:
            claimant = instance.get_run_by_id(run_id)
            if claimant is None or claimant.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


if __name__ == "__main__":  # before a code server that is not started by `starvec dev`: deploy/compose
    with dg.DagsterInstance.get() as dagster_instance:
        end_runs_of_a_killed_ui(dagster_instance)
