"""A trainer, made by hand, that may do without a role it does not have."""

import dataclasses

from acme_xlmerge_live import good_trainer

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0


@hookimpl
def xlmerge_trainers() -> object:
    return [dataclasses.replace(good_trainer, optional_data=("dev",))]
