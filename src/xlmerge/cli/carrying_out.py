"""A job carried out as the command line does it: told as it goes, or only planned."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from xlmerge.cli.listening import EchoListener
from xlmerge.cli.planning import print_plan
from xlmerge.plugin import discover
from xlmerge.runner import run_job
from xlmerge.runner.ranks import is_first

if TYPE_CHECKING:
    from xlmerge.runner import Job

__all__ = ["carry_out"]


def carry_out(job: Job, *, dry_run: bool, quiet: bool) -> None:
    """Run a job, or print its plan.

    Args:
        job: What to do.
        dry_run: Stop after the checks.
        quiet: Print warnings and errors only.
    """
    with closing(EchoListener(quiet=quiet)) as listener:
        work, _ = run_job(job, discover(), listener, dry_run=dry_run)
    if dry_run and is_first():
        print_plan(work)
        click.echo("nothing was written")
