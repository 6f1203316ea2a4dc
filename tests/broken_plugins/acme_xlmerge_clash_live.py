"""Offers the rule, the trainer and the task of another plugin, and a rule of its own."""

import dataclasses

from acme_xlmerge_live import good_rule, good_task, good_trainer

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_composition_rules() -> object:
    return [good_rule, dataclasses.replace(good_rule, name="other_rule")]


@hookimpl
def xlmerge_trainers() -> object:
    return [good_trainer]


@hookimpl
def xlmerge_tasks() -> object:
    return [good_task]
