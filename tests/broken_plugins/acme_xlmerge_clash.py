"""Offers a name that the good plugin offers too, and one of its own."""

import dataclasses

from acme_xlmerge_good import good_first

from xlmerge.plugin import hookimpl

xlmerge_api_version = 0

other = dataclasses.replace(good_first, name="other_first")


@hookimpl
def xlmerge_merge_methods() -> object:
    return [good_first, other]
