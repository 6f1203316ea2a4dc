"""Everything a plugin needs. This docstring is the guide for its author.

**What a plugin is.** A module that the entry-point group ``xlmerge`` of an installed package
refers to. It says which plugin API it is written for, and its hooks return descriptors: adapter
architectures, merge methods, composition rules, trainers, tasks. Those that come with xlmerge
arrive through the same door: ``plugins/xlmerge_standard/merges/linear.py`` is one method, and a new
one for xlmerge itself is a file beside it and a line in ``plugins/xlmerge_standard/plugin.py``.

Complete packages to copy, tests included, are in ``docs/how-to``: ``write-a-merge-method.md``,
``write-an-architecture.md``, ``write-a-composition-rule.md`` (with an invertible adapter of its
own), ``write-a-trainer.md`` and ``write-a-task.md``. The shortest one follows.

The package, in its ``pyproject.toml``::

    [project]
    name = "acme-xlmerge-step"
    dependencies = ["xlmerge>=0.1,<0.2"]

    [project.entry-points.xlmerge]
    step = "acme_xlmerge_step.plugin"

The module, ``acme_xlmerge_step/plugin.py``::

    from collections.abc import Sequence
    from typing import Annotated

    from xlmerge.plugin import Between, Count, Point, hookimpl, merge_method
    from xlmerge.spaces import Space

    xlmerge_api_version = 0

    @merge_method(summary="A step from the first adapter to the second.", source="our paper, eq. 3")
    def step(
        space: Space,
        *,
        adapters: Annotated[Sequence[Point], Count(2, 2)],
        t: Annotated[float, Between(0, 1), "how far to go"] = 0.5,
    ) -> Point:
        first, second = adapters
        return space.transport(first, first, second, t)

    @hookimpl
    def xlmerge_merge_methods():
        return [step]

Then ``xlmerge plugins`` lists the plugin, and recipes may say ``merge: step``.

**Merge methods** are functions made into descriptors by :func:`merge_method`. The signature is the
whole declaration, see :mod:`xlmerge.plugin.method`. Annotations are read at run time, so what they
name has to be imported at run time, not under ``TYPE_CHECKING``. A method that needs no more than
coefficients leaves the rest to ``space.lincomb``; one that looks at single entries says
``elementwise=True`` and works on ``space.dense``. Values that do not go together are refused with
:class:`xlmerge.errors.ParameterError`, before a point is touched: ``xlmerge check`` calls the
method without adapters to hear it.

**Adapter architectures** are :class:`AdapterArchitecture` objects with one :class:`FileHalf` for
each library whose folders they lie in, see :mod:`xlmerge.plugin.architecture`;
:func:`claim_by_patterns` is enough for plain tensors. A :class:`LiveHalf` brings one into running
models: named configurations to train, and what makes the library know the kind.

**Composition rules, trainers and tasks** are functions, too, made into descriptors by
:func:`composition_rule`, :func:`trainer` and :func:`task`, with the signature as the declaration;
see :mod:`xlmerge.plugin.composition`, :mod:`xlmerge.plugin.trainers` and
:mod:`xlmerge.plugin.tasks`. They are called when a step runs a model, with objects of
:mod:`xlmerge.runtime`: a rule gets the parts to compose, a trainer a
:class:`xlmerge.runtime.Training`, and a task returns a :class:`xlmerge.runtime.TaskLogic`. What
needs torch lies in a package ``_modules`` and is imported inside the function.

**Hooks** are specified, each with an example, in :mod:`xlmerge.plugin.spec`. They are called at
every start of the program: import the standard library and :mod:`xlmerge.plugin` only, and leave
NumPy, torch and :mod:`xlmerge.runtime` to the functions that compute.

**Names.** Import names that begin with ``xlmerge_`` are xlmerge's own and refused from anybody
else, because pip overwrites files of the same name without a word. Call your package
``<owner>_xlmerge_<name>``. Names of descriptors are lower-case words joined by ``_``; one that two
plugins provide belongs to neither until one of them is disabled.

**When something is wrong** with a plugin it contributes nothing, one line on stderr says why,
``xlmerge plugins`` lists it, and everything else goes on working. Two environment variables help:
``XLMERGE_STRICT_PLUGINS=1`` makes the first failure an error with its traceback,
``XLMERGE_DISABLE_PLUGINS=a,b`` leaves plugins out, by entry point or distribution.

**Testing.** :mod:`xlmerge.testing` has test suites to inherit from, which hold your descriptors to
the laws they promise: ``MergeMethodSuite``, ``ArchitectureSuite``, ``SpaceSuite``, and on tiny
models ``CompositionRuleSuite``, ``TrainerSuite`` and ``TaskSuite``. :func:`load_registry` registers
a module directly, without an installation::

    class TestStep(xlmerge.testing.MergeMethodSuite):
        method = acme_xlmerge_step.plugin.step

    def test_it_loads():
        registry = load_registry([("step", acme_xlmerge_step.plugin)], strict=True)
        assert "step" in registry.methods
"""

from __future__ import annotations

from xlmerge.plugin.architecture import (
    AdapterArchitecture,
    Bundle,
    Claim,
    FileHalf,
    LiveHalf,
    Parameter,
    claim_by_patterns,
)
from xlmerge.plugin.composition import Child, CompositionRule, composition_rule
from xlmerge.plugin.headers import FolderHeader, TensorHeader
from xlmerge.plugin.manager import discover, load_registry
from xlmerge.plugin.method import Count, MergeMethod, Role, Weights, merge_method
from xlmerge.plugin.parameters import AtLeast, Between, ParameterSpec
from xlmerge.plugin.random import Random
from xlmerge.plugin.registry import PluginFailure, PluginInfo, Registered, Registry
from xlmerge.plugin.spec import API_VERSION, hookimpl, hookspec
from xlmerge.plugin.tasks import Task, task
from xlmerge.plugin.trainers import Trainer, trainer
from xlmerge.plugin.trees import Leaf, Node, Tree, leaves, parse_tree, tree_text
from xlmerge.spaces.protocol import Point

__all__ = [
    "API_VERSION",
    "AdapterArchitecture",
    "AtLeast",
    "Between",
    "Bundle",
    "Child",
    "Claim",
    "CompositionRule",
    "Count",
    "FileHalf",
    "FolderHeader",
    "Leaf",
    "LiveHalf",
    "MergeMethod",
    "Node",
    "Parameter",
    "ParameterSpec",
    "PluginFailure",
    "PluginInfo",
    "Point",
    "Random",
    "Registered",
    "Registry",
    "Role",
    "Task",
    "TensorHeader",
    "Trainer",
    "Tree",
    "Weights",
    "claim_by_patterns",
    "composition_rule",
    "discover",
    "hookimpl",
    "hookspec",
    "leaves",
    "load_registry",
    "merge_method",
    "parse_tree",
    "task",
    "trainer",
    "tree_text",
]
