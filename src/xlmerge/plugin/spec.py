"""The hooks: what xlmerge asks a plugin for.

All of them are *registration hooks*: called without arguments, once for each plugin, they return
descriptors. Names decide which descriptor is meant, the order of plugins never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin.architecture import AdapterArchitecture
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.method import MergeMethod
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trainers import Trainer

__all__ = [
    "API_VERSION",
    "HOOKS",
    "PROJECT",
    "hookimpl",
    "hookspec",
    "xlmerge_adapter_architectures",
    "xlmerge_composition_rules",
    "xlmerge_merge_methods",
    "xlmerge_tasks",
    "xlmerge_trainers",
]

PROJECT = "xlmerge"

API_VERSION = 0
"""Version of the plugin API; a plugin says the one it is written for as ``xlmerge_api_version``."""

HOOKS = (
    "xlmerge_adapter_architectures",
    "xlmerge_merge_methods",
    "xlmerge_composition_rules",
    "xlmerge_trainers",
    "xlmerge_tasks",
)
"""Names of all hooks."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """Offer adapter architectures: what the tensors of a folder mean.

    Called:
        Once for each plugin, when a command or ``xlmerge.plugin.discover`` needs to know what is
        installed; before any folder is read. So it has to be quick, and it must not import a large
        library.

    Example:
        Soft prompts, one plain tensor in a PEFT folder:

        >>> from xlmerge.plugin import AdapterArchitecture, FileHalf, claim_by_patterns, hookimpl
        >>> def claim_prompt(header):
        ...     if header.config.get("peft_type") != "PROMPT_TUNING":
        ...         return None
        ...     return claim_by_patterns(header, ["prompt_embeddings"], part="prompt")
        >>> prompt = AdapterArchitecture(
        ...     name="prompt",
        ...     summary="Trained vectors before the embedded input.",
        ...     source="Lester et al. 2021, arXiv 2104.08691",
        ...     files=(FileHalf(format="peft", claim=claim_prompt),),
        ... )
        >>> class plugin:
        ...     xlmerge_api_version = 0
        ...
        ...     @hookimpl
        ...     def xlmerge_adapter_architectures():
        ...         return [prompt]

        A plugin is a module; a class stands in for one here:

        >>> from xlmerge.plugin import load_registry
        >>> list(load_registry([("acme", plugin)]).architectures)
        ['prompt']

    Returns:
        Any number of :class:`~xlmerge.plugin.AdapterArchitecture`: a list, a tuple, a generator.

    Bad values:
        Anything else, a name that is not lower-case words joined by ``_`` or that comes twice, an
        empty summary or source, a half for an unknown format or two for the same one, and options
        of a space that cannot be read make the whole plugin fail: it contributes nothing, one line
        on stderr says why, and ``xlmerge plugins`` lists it. A name that another plugin offers too
        belongs to neither; using it raises an error that names both distributions.
    """
    return ()


@hookspec
def xlmerge_merge_methods() -> Iterable[MergeMethod]:
    """Offer merge methods: what to compute from adapters, in the words of spaces.

    Called:
        Once for each plugin, when a command or ``xlmerge.plugin.discover`` needs to know what is
        installed; before any folder is read. So it has to be quick, and it must not import a large
        library: import it inside the method.

    Example:
        A weighted sum, of any architecture:

        >>> from collections.abc import Sequence
        >>> from xlmerge.plugin import Point, Weights, hookimpl, merge_method
        >>> @merge_method(summary="Weighted sum.", source="Ilharco et al. 2023, arXiv 2212.04089")
        ... def weighted_sum(space, *, adapters: Sequence[Point], weights: Weights) -> Point:
        ...     return space.restore(space.lincomb(weights, [space.delta(x) for x in adapters]))
        >>> class plugin:
        ...     xlmerge_api_version = 0
        ...
        ...     @hookimpl
        ...     def xlmerge_merge_methods():
        ...         return [weighted_sum]

        A plugin is a module; a class stands in for one here:

        >>> from xlmerge.plugin import load_registry
        >>> load_registry([("acme", plugin)]).method("weighted_sum").descriptor.weighted
        'required'

    Returns:
        Any number of :class:`~xlmerge.plugin.MergeMethod`: a list, a tuple, a generator.

    Bad values:
        Anything else, a name that is not lower-case words joined by ``_`` or that comes twice, an
        empty summary or source, and a parameter named like one of the engine's own (``scope``,
        ``seed``) make the whole plugin fail: it contributes nothing, one line on stderr says why,
        and ``xlmerge plugins`` lists it. A name that another plugin offers too belongs to neither;
        using it raises an error that names both distributions.
    """
    return ()


@hookspec
def xlmerge_composition_rules() -> Iterable[CompositionRule]:
    """Offer composition rules: how adapters sit together in a running model.

    Called:
        Once for each plugin, when a command or ``xlmerge.plugin.discover`` needs to know what is
        installed; before any model is loaded. So it has to be quick, and it must not import a
        large library: import it inside the function.

    Example:
        Two adapters, one on top of the other, without the order being a matter of position:

        >>> from typing import Annotated
        >>> from xlmerge.plugin import Child, composition_rule, hookimpl
        >>> @composition_rule(kind="inside", summary="A task in a domain.", source="our paper")
        ... def task_in_domain(live, *, domain: Child, task: Annotated[Child, "on top"]):
        ...     from adapters.composition import Stack
        ...
        ...     return Stack(domain.block, task.block)
        >>> class plugin:
        ...     xlmerge_api_version = 0
        ...
        ...     @hookimpl
        ...     def xlmerge_composition_rules():
        ...         return [task_in_domain]

        A plugin is a module; a class stands in for one here. Recipes may then say
        ``{task_in_domain: {domain: news, task: sentiment}}``:

        >>> from xlmerge.plugin import load_registry
        >>> rule = load_registry([("acme", plugin)]).composition_rule("task_in_domain").descriptor
        >>> [role.name for role in rule.roles]
        ['domain', 'task']

    Returns:
        Any number of :class:`~xlmerge.plugin.CompositionRule`: a list, a tuple, a generator.

    Bad values:
        Anything else, a name that is not lower-case words joined by ``_`` or that comes twice, an
        empty summary or source, and a rule without children make the whole plugin
        fail: it contributes nothing, one line on stderr says why, and ``xlmerge plugins`` lists
        it. A name that another plugin offers too belongs to neither; using it raises an error
        that names both distributions.
    """
    return ()


@hookspec
def xlmerge_trainers() -> Iterable[Trainer]:
    """Offer trainers: steps that make an adapter from data.

    Called:
        Once for each plugin, when a command or ``xlmerge.plugin.discover`` needs to know what is
        installed; before any model is loaded. So it has to be quick, and it must not import a
        large library: import it inside the function.

    Example:
        A trainer for any task, whose work is done in a module that imports torch:

        >>> from typing import Annotated
        >>> from xlmerge.plugin import AtLeast, hookimpl, trainer
        >>> @trainer(
        ...     summary="Train the adapter on few rows.",
        ...     source="our paper",
        ...     data={"train": "labelled rows"},
        ...     task="any",
        ...     adapter="seq_bn",
        ... )
        ... def few_rows(work, *, rows: Annotated[int, AtLeast(1), "rows to take"] = 100) -> None:
        ...     from acme._modules.few_rows import train
        ...
        ...     train(work, rows)
        >>> class plugin:
        ...     xlmerge_api_version = 0
        ...
        ...     @hookimpl
        ...     def xlmerge_trainers():
        ...         return [few_rows]

        A plugin is a module; a class stands in for one here:

        >>> from xlmerge.plugin import load_registry
        >>> found = load_registry([("acme", plugin)]).trainer("few_rows").descriptor
        >>> [parameter.describe() for parameter in found.parameters]
        ['whole number at least 1, default 100']

    Returns:
        Any number of :class:`~xlmerge.plugin.Trainer`: a list, a tuple, a generator.

    Bad values:
        Anything else, a name that is not lower-case words joined by ``_`` or that comes twice, an
        empty summary or source, and a trainer without data make the whole plugin
        fail: it contributes nothing, one line on stderr says why, and ``xlmerge plugins`` lists
        it. A name that another plugin offers too belongs to neither; using it raises an error
        that names both distributions.
    """
    return ()


@hookspec
def xlmerge_tasks() -> Iterable[Task]:
    """Offer tasks: head, preprocessing, loss and metric.

    Called:
        Once for each plugin, when a command or ``xlmerge.plugin.discover`` needs to know what is
        installed; before any model is loaded. So it has to be quick, and it must not import a
        large library: import it inside the function.

    Example:
        A task whose work is done in a module that imports torch:

        >>> from xlmerge.plugin import hookimpl, task
        >>> @task(
        ...     summary="How formal a text is.",
        ...     source="our data",
        ...     columns={"text": "the text", "formality": "0 to 1"},
        ...     metric="correlation",
        ... )
        ... def formality():
        ...     from acme._modules.formality import Formality
        ...
        ...     return Formality()
        >>> class plugin:
        ...     xlmerge_api_version = 0
        ...
        ...     @hookimpl
        ...     def xlmerge_tasks():
        ...         return [formality]

        A plugin is a module; a class stands in for one here:

        >>> from xlmerge.plugin import load_registry
        >>> sorted(load_registry([("acme", plugin)]).task("formality").descriptor.columns)
        ['formality', 'text']

    Returns:
        Any number of :class:`~xlmerge.plugin.Task`: a list, a tuple, a generator.

    Bad values:
        Anything else, a name that is not lower-case words joined by ``_`` or that comes twice, an
        empty summary or source, and a task without columns or metric make the whole plugin
        fail: it contributes nothing, one line on stderr says why, and ``xlmerge plugins`` lists
        it. A name that another plugin offers too belongs to neither; using it raises an error
        that names both distributions.
    """
    return ()
