"""TIES: trim, elect sign, merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from xlmerge.errors import ParameterError
from xlmerge.plugin import Between, Point, merge_method
from xlmerge.spaces import Array, Space, array_namespace


@merge_method(
    summary="Keep each adapter's largest entries, let them vote on a sign, average the winners.",
    source="Yadav et al. 2023, arXiv 2306.01708, algorithm 1",
    scopes=("adapter", "layer", "parameter"),
    elementwise=True,
    symmetric=True,
)
def ties(
    space: Space[Point, Any],
    *,
    adapters: Sequence[Point],
    density: Annotated[
        float, Between(0, 1, open_low=True), "share of entries kept of each task vector"
    ] = 0.2,
    coefficient: Annotated[float, "factor on the merged task vector (lambda in the paper)"] = 1.0,
) -> Point:
    """``lambda * tau``: tau is the mean, entry by entry, of the trimmed entries whose sign won.

    As published: thresholds over the whole task vector, unless the recipe sets another ``scope``
    (PEFT trims tensor by tensor); the sign of the sum wins; entries that were trimmed do not count
    in the mean. Where the votes cancel exactly nobody wins and the entry is 0, as in algorithm 1;
    the authors' code gives such entries the sign that won most of the others. Entries as large as
    the threshold are all kept.

    There are no weights: the paper has none, and the libraries that added some disagree on what
    they mean (mergekit weighs before the vote, PEFT after it, which halves two equal adapters at
    weights .5 and .5). To weigh an adapter before the vote, scale it with ``linear`` in a step
    before this one.

    Raises:
        ParameterError: There is one adapter, which trimming would damage for nothing.
    """
    if len(adapters) == 1 and density < 1:
        raise ParameterError(
            f"ties: with one adapter there is no vote, and `density: {density:g}` would only cut "
            "entries out of it",
            hint="give two adapters or more, or `density: 1`",
        )
    dense = [space.dense(space.delta(x)) for x in adapters]
    # To the nearest whole number: 0.07 * 100 is 7.000000000000001 in floating point. Counted once:
    # all have the same shape, and counting the entries of a whole adapter reads it.
    kept = max(1, round(density * space.size(dense[0])))
    thresholds = [space.kth_magnitude(each, kept) for each in dense]

    def merge(*entries: Array) -> Array:
        xp = array_namespace(*entries)
        # In float64 three float32 entries that cancel, cancel in whatever order they are added.
        trimmed = [
            xp.where(xp.abs(each) >= threshold, each, xp.zeros_like(each))
            for each, threshold in zip(entries, thresholds, strict=True)
        ]
        elected = xp.sign(sum(xp.astype(each, xp.float64) for each in trimmed))
        total = votes = xp.zeros_like(elected)
        for each in trimmed:  # one at a time: there may be many, and large ones
            wins = xp.astype(each * elected > 0, xp.float64)
            total, votes = total + each * wins, votes + wins
        mean = total / xp.where(votes > 0, votes, xp.ones_like(votes))
        return xp.astype(coefficient * mean, entries[0].dtype)

    return space.restore(space.undense(space.elementwise(merge, *dense)))
