"""Tasks: head, preprocessing, loss and metric.

    @task(
        columns={"text": "the text", "label": "its class"},
        labels="label",
        metric="macro_f1",
        summary="One label for a text.",
        source="Devlin et al. 2019",
    )
    def sequence_classification(
        *, max_length: Annotated[int, AtLeast(2), "longest input in tokens"] = 128
    ) -> TaskLogic:
        from acme._modules.classification import Classification

        return Classification(max_length=max_length)

The keyword-only arguments are the task's options. The function is called when a step runs; what it
returns does the work, see :class:`xlmerge.runtime.TaskLogic`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.plugin.declaration import words_problems
from xlmerge.plugin.parameters import parameter_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xlmerge.plugin.parameters import ParameterSpec

__all__ = ["Task", "task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A named task, made from a function by :func:`task`.

    Attributes:
        name: As written after ``task:`` or ``evaluate:``.
        summary: One sentence.
        source: Paper or benchmark that defines it.
        function: Gives the :class:`xlmerge.runtime.TaskLogic` for given options.
        columns: Columns that the data must have, and what they hold.
        optional_columns: Columns that are used where they are there.
        labels: The column whose values are the classes; None without classes.
        metric: The metric that models are chosen by.
        losses: Metrics of which less is better.
        auto_class: Name of the class of transformers whose models carry a head for this task (for
            PEFT adapters): ``AutoModelForSequenceClassification``. None if there is none.
        parameters: Options.
    """

    name: str
    summary: str
    source: str
    function: Callable[..., Any]
    columns: Mapping[str, str]
    optional_columns: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    metric: str
    losses: tuple[str, ...] = ()
    auto_class: str | None = None
    parameters: tuple[ParameterSpec, ...] = ()

    @property
    def greater_is_better(self) -> bool:
        """Whether more is better of the metric that models are chosen by."""
        return self.metric not in self.losses


def task(  # noqa: PLR0913 - one argument for each thing a task may declare
    *,
    summary: str,
    source: str,
    columns: Mapping[str, str],
    metric: str,
    optional_columns: Mapping[str, str] | None = None,
    labels: str | None = None,
    losses: tuple[str, ...] = (),
    auto_class: str | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Task]:
    """Make a function into a task; see :class:`Task` for the arguments.

    Raises:
        TypeError: The signature is no declaration.
    """

    def make(function: Callable[..., Any]) -> Task:
        made = Task(
            name=name or function.__name__,
            summary=summary,
            source=source,
            function=function,
            columns=dict(columns),
            optional_columns=dict(optional_columns or {}),
            labels=labels,
            metric=metric,
            losses=losses,
            auto_class=auto_class,
            parameters=parameter_specs(function),
        )
        if problems := list(task_problems(made)):
            raise TypeError(f"{function.__qualname__}: {'; '.join(problems)}")
        return made

    return make


def task_problems(made: Task) -> Iterator[str]:
    """What could not be kept of a declaration, however it was made."""
    yield from words_problems(made.name, made.summary, made.source)
    if not made.columns:
        yield "it needs no column: name what the data must have"
    if made.labels is not None and made.labels not in {**made.columns, **made.optional_columns}:
        yield f"its labels are in {made.labels!r}, which is none of its columns"
    if not made.metric:
        yield "it names no metric"
    if not callable(made.function):
        yield f"its function cannot be called: {made.function!r}"
