"""Trainers: steps that make an adapter from data.

    @trainer(
        summary="Train a task adapter.",
        source="Pfeiffer et al. 2020, section 4.1.2",
        data={"train": "labelled rows", "validation": "rows to choose the best state by"},
        optional_data=("validation",),
        task="any",
        adapter="seq_bn",
        stacked=True,
    )
    def task_adapter(
        work: Training,
        *,
        learning_rate: Annotated[float, AtLeast(0, open=True)] = 1e-4,
        epochs: Annotated[int, AtLeast(1)] = 10,
    ) -> None:
        from acme._modules.training import train

        train(work, learning_rate=learning_rate, epochs=epochs)

The keyword-only arguments are the trainer's parameters, what stands under ``with``. The function is
called when a step runs, with an :class:`xlmerge.runtime.Training`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.plugin.declaration import words_problems
from xlmerge.plugin.fit_options import CHECKS
from xlmerge.plugin.parameters import parameter_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xlmerge.plugin.parameters import ParameterSpec

    Attention: TypeAlias = str | Callable[[Mapping[str, Any]], str | None] | None
    Check: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], None]

__all__ = ["COLUMNS", "Trainer", "trainer"]

COLUMNS = ("source", "position")
"""Columns that trainers may ask for.

``source`` is the number of the data set of its role that an input is from, ``position`` how many
inputs were drawn before it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """A named way to train, made from a function by :func:`trainer`.

    Attributes:
        name: As written after ``train:``.
        summary: One sentence.
        source: Paper and section.
        function: Trains.
        data: Roles of data, and what each is for. A role of the name of a split takes that split
            of the data set that a recipe gives as a whole.
        optional_data: Those of the roles that may be missing.
        many: Roles that take any number of data sets (several source languages).
        task: Name of the one task it trains on; ``any`` if the recipe names it. Its columns are
            what the data is read by.
        adapter: Name of the configuration of the adapter it trains where the recipe gives none;
            None if it trains none.
        stacked: Whether it trains on top of frozen adapters, which the recipe names under ``on``.
        stacked_each: Role whose data sets may each have a composition of their own beneath the new
            adapter; None if there is none.
        attention: Attention implementation that the model must be loaded with (``eager``), None
            for the library's choice; or a function that tells it from the values of the
            parameters.
        checks: Called before anything runs, with the values of the parameters, of ``seed``,
            ``device`` and ``dtype``, and the base model's configuration (what its ``config.json``
            holds; empty while the model is on the hub). They raise
            :class:`xlmerge.errors.ParameterError` where values do not go together.
        columns: What architectures may ask of each input of a batch, beside the model's own
            inputs; of :data:`COLUMNS`.
        outputs: Folders of further adapters that it writes below the step's own: one adapter each,
            or one in each folder below.
        parameters: What stands under ``with``.
    """

    name: str
    summary: str
    source: str
    function: Callable[..., Any]
    data: Mapping[str, str]
    optional_data: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    task: str = "any"
    adapter: str | None = None
    stacked: bool = False
    stacked_each: str | None = None
    attention: Attention = None
    checks: tuple[Check, ...] = ()
    columns: tuple[str, ...] = ()
    outputs: tuple[str, ...] = field(default=())
    parameters: tuple[ParameterSpec, ...] = ()

    def attention_for(self, values: Mapping[str, Any]) -> str | None:
        """The attention implementation that the model must be loaded with.

        Args:
            values: Of the parameters, defaults filled in.
        """
        return self.attention(values) if callable(self.attention) else self.attention

    def check(self, values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
        """Refuse values that do not go together, or not with the base model.

        Args:
            values: Of the parameters, defaults filled in.
            base: Configuration of the base model; empty if it is not known yet.

        Raises:
            ParameterError: They do not.
        """
        for one in self.checks:
            one(values, base)


def trainer(  # noqa: PLR0913 - one argument for each thing a trainer may declare
    *,
    summary: str,
    source: str,
    data: Mapping[str, str],
    optional_data: tuple[str, ...] = (),
    many: tuple[str, ...] = (),
    task: str = "any",
    adapter: str | None = None,
    stacked: bool = False,
    stacked_each: str | None = None,
    attention: Attention = None,
    check: Check | None = None,
    columns: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Trainer]:
    """Make a function into a trainer; see :class:`Trainer` for the arguments.

    Its ``check`` is added to that of :func:`xlmerge.plugin.fit_options`, where those are declared.

    Raises:
        TypeError: The signature is no declaration.
    """

    def make(function: Callable[..., Any]) -> Trainer:
        made = Trainer(
            name=name or function.__name__,
            summary=summary,
            source=source,
            function=function,
            data=dict(data),
            optional_data=optional_data,
            many=many,
            task=task,
            adapter=adapter,
            stacked=stacked,
            stacked_each=stacked_each,
            attention=attention,
            checks=(*getattr(function, CHECKS, ()), *([check] if check is not None else [])),
            columns=columns,
            outputs=outputs,
            parameters=parameter_specs(function),
        )
        if problems := list(trainer_problems(made)):
            raise TypeError(f"{function.__qualname__}: {'; '.join(problems)}")
        return made

    return make


def trainer_problems(made: Trainer) -> Iterator[str]:
    """What could not be kept of a declaration, however it was made."""
    yield from words_problems(made.name, made.summary, made.source)
    if not made.data:
        yield "it takes no data"
    if not made.task or not isinstance(made.task, str):
        yield f"its task {made.task!r} is neither the name of one nor `any`"
    for field_, names in (("optional_data", made.optional_data), ("many", made.many)):
        for name in sorted(set(names) - set(made.data)):
            yield f"{field_} names the unknown role {name!r}"
    if made.stacked_each is not None and made.stacked_each not in made.many:
        yield f"stacked_each names {made.stacked_each!r}, no role of many data sets"
    if strange := sorted(set(made.columns) - set(COLUMNS)):
        yield f"columns names {strange[0]!r}; there are {', '.join(COLUMNS)}"
    if not callable(made.attention) and not isinstance(made.attention, str | None):
        yield f"attention is a name, a function that gives one, or None; found {made.attention!r}"
    for one in made.checks:
        if not callable(one):
            yield f"its check cannot be called: {one!r}"
    if not callable(made.function):
        yield f"its function cannot be called: {made.function!r}"
