"""Evaluations: every composition of a table scored, and the table written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.json_file import read_json
from xlmerge.errors import DataError, XLMergeError
from xlmerge.plugin.trees import leaves, tree_text
from xlmerge.runtime.composing import compose
from xlmerge.runtime.data.load import load_rows
from xlmerge.runtime.heads import HEAD_CONFIG, labels_of_head, load_head_apart
from xlmerge.runtime.kept_cells import KeptCell, keep, kept
from xlmerge.runtime.live import LANGUAGE_MODEL_HEAD, LiveModel
from xlmerge.runtime.loaded import head_brought
from xlmerge.runtime.positions import check_positions
from xlmerge.runtime.quiet import told
from xlmerge.runtime.scoring import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.plan.orders import CellOrder, EvaluateOrder
    from xlmerge.runtime.protocol import Rows, TaskLogic

__all__ = ["Evaluation"]


@dataclass
class Evaluation:
    """An evaluation as it runs; what its cells share.

    Attributes:
        order: What is to be scored.
        logic: The task.
        live: The model; None as long as no cell had to be scored.
    """

    order: EvaluateOrder
    logic: TaskLogic
    live: LiveModel | None = None
    _rows: dict[str, Rows] = field(default_factory=dict)
    _features: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = field(default_factory=dict)
    _heads: dict[str, str] = field(default_factory=dict)

    def cells(self) -> list[KeptCell]:
        """Score every cell, except those that an earlier run has scored.

        Raises:
            XLMergeError: The data, an adapter or a composition is not as it has to be; says which
                cell.
        """
        order, found = self.order, []
        for done, cell in enumerate(order.cells):
            order.progress(done, len(order.cells), _name(cell))
            scored = kept(order.scratch, cell.key)
            if scored is None:
                try:
                    with told(order.warn):
                        scored = self._score(cell)
                except XLMergeError as error:
                    error.message = f"{_name(cell)}: {error.message}"
                    error.args = (error.message,)
                    raise
                keep(order.scratch, cell.key, scored)
            found.append(scored)
        order.progress(len(order.cells), len(order.cells), "")
        return found

    def rows(self, cell: CellOrder) -> Rows:
        """The data of a cell."""
        if cell.data.name not in self._rows:
            task = self.order.task.descriptor
            self._rows[cell.data.name] = load_rows(cell.data, self.order.split, task)
        return self._rows[cell.data.name]

    def _score(self, cell: CellOrder) -> KeptCell:
        rows, live = self.rows(cell), self._model()
        labels = self._labels(cell, rows)
        where = (cell.data.name, tuple(labels))
        if where not in self._features:
            self._features[where] = self.logic.encode(rows, live.tokenizer, labels, training=False)
        with compose(
            live,
            cell.tree,
            cell.folders,
            self.order.registry,
            task=self.logic,
            head=self._head(cell),
            labels=labels,
            auto_class=self.order.task.descriptor.auto_class,
        ) as run:
            scored = score(
                run,
                self.logic,
                rows,
                labels,
                live.tokenizer,
                device=live.device,
                batch_size=self.order.batch_size,
                features=self._features[where],
            )
        return KeptCell(
            labels=tuple(labels), predictions=scored.predictions, statistics=scored.statistics
        )

    def _model(self) -> LiveModel:
        """The base model, loaded when the first cell needs it."""
        if self.live is None:
            order = self.order
            at = f"@{order.revision}" if order.revision else ""
            self.live = LiveModel.load(
                order.base_model + at,
                start=order.start,
                registry=order.registry,
                device=order.device,
                dtype=order.dtype,
            )
            self.logic.prepare(self.live.model)
            check_positions(self.live.model, order.task_options)
        return self.live

    def _labels(self, cell: CellOrder, rows: Rows) -> Sequence[str]:
        """Names of the classes in the order of the head, if that knows them; else of the data.

        Whether the data may have others is the task's to say: a tag that the head has never seen
        is an error of its predictions, a class of texts one of the recipe.
        """
        data = self.logic.label_names(rows)
        head = cell.head.labels if cell.head is not None else _labels_of_adapters(cell)
        return head or data

    def _head(self, cell: CellOrder) -> str | None:
        """Name of the head in the model, where the adapters are not to bring it."""
        if cell.head is not None:
            if cell.head.name not in self._heads:
                self._heads[cell.head.name] = load_head_apart(
                    self._model(), cell.head, self.order.registry
                )
            return self._heads[cell.head.name]
        if cell.head_of is not None:
            return head_brought(self._model(), cell.head_of, cell.folders[cell.head_of])
        kind = self.logic.head_config(()) if not self.order.task.descriptor.labels else {}
        return LANGUAGE_MODEL_HEAD if kind.get("head_type") == "masked_lm" else None


def _name(cell: CellOrder) -> str:
    """A cell in words."""
    parts = [cell.row, cell.column, "" if cell.seed is None else f"seed {cell.seed}"]
    return ", ".join(part for part in parts if part)


def _labels_of_adapters(cell: CellOrder) -> tuple[str, ...]:
    """Names of the classes of the last head that an adapter brings; empty if none is told.

    Raises:
        DataError: Adapters under a rule that joins outputs have heads of different classes.
    """
    found: tuple[str, ...] = ()
    for leaf in leaves(cell.tree) if cell.head_of is None else (cell.head_of,):
        path = cell.folders[leaf] / HEAD_CONFIG
        if not path.is_file():
            continue
        names = labels_of_head(read_json(path).get("config") or {})
        if not names:
            continue
        if found and names != found:
            raise DataError(
                f"{tree_text(cell.tree)}: its heads have different classes: {', '.join(found)}; "
                f"and {', '.join(names)}"
            )
        found = names
    return found
