"""Time and memory of a training step, xlmerge against the same step by hand, all in one run.

    python tests/benchmarks/training.py                 a small encoder; a few minutes
    python tests/benchmarks/training.py --size base     as large as XLM-R base
    python tests/benchmarks/training.py --device cuda

Every contender trains the same adapter from the same start on batches of the same sizes, in a
process of its own; on a processor the time that it got is counted. Nothing is asserted: the table
says what was measured. `by hand` is a loop of ten lines with the adapters library, `AdapterTrainer`
its trainer. Both compute scores of the whole vocabulary at all tokens of a language model, as the
library's head does; `the same forward` is the loop of ten lines with xlmerge's forward pass, so that
it shows what the loop itself costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import tiny_training as tiny

SIZES = {
    "smoke": {},
    "small": {
        "vocab_size": 20_000,
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "max_position_embeddings": 140,
    },
    "base": {
        "vocab_size": 250_002,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 140,
    },
}
CONTENDERS = ("xlmerge", "by hand", "the same forward", "AdapterTrainer")
BATCH, LENGTH, WARM = 16, 128, 3


def _work(base: Path, folder: Path, kind: str, device: str, **more: Any) -> Any:
    length = 16 if base.name == "smoke" else LENGTH
    make = tiny.plain if kind == "language" else tiny.labelled
    data = {"train": make(400, 1, 3 * length)}
    return tiny.make_training(
        base, folder, kind, max_length=length, device=device, data=data, **more
    )


def _ours(base: Path, folder: Path, kind: str, device: str, steps: int) -> float:
    times: dict[int, float] = {}

    def progress(done: int, total: int, note: str) -> None:
        times[done] = _now(device)

    work = _work(base, folder, kind, device, progress=progress)
    more = {"held_out": 0} if kind == "language" else {}
    options = {"steps": steps + WARM, "batch_size": BATCH, "save_every": 10**6, "log_every": WARM}
    tiny.run(work, kind, **options, **more, length_bucketing=False)
    return (times[steps + WARM] - times[WARM]) / steps


def _others(base: Path, folder: Path, kind: str, device: str, steps: int, name: str) -> float:
    """The adapter, the batches, and the plain library."""
    import torch

    from xlmerge.runtime.training.batches import encoded, loader
    from xlmerge.runtime.training.options import FitOptions

    work = _work(base, folder, kind, device)
    model = work.live.model
    model.add_adapter("fresh", config=dict(work.adapter))
    head = "default"
    if kind == "task":
        head = "fresh"
        model.add_classification_head(head, num_labels=2)
    model.train_adapter("fresh")
    model.set_active_adapters("fresh")
    model.active_head = head
    options = FitOptions(steps=steps + WARM, batch_size=BATCH, length_bucketing=False)
    inputs = encoded(work, "train")
    batches = loader(inputs, work, options, steps + WARM)
    model.to(device)
    times = []
    if name == "AdapterTrainer":
        from adapters import AdapterTrainer
        from transformers import TrainerCallback, TrainingArguments

        class Clock(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                times.append(_now(device))

        class SameBatches(AdapterTrainer):
            def get_train_dataloader(self) -> Any:
                return batches

        trainer = SameBatches(
            model=model,
            args=TrainingArguments(
                output_dir=str(folder / "theirs"),
                max_steps=steps + WARM,
                per_device_train_batch_size=BATCH,
                learning_rate=1e-4,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=device == "cpu",
            ),
            train_dataset=batches.dataset,
            callbacks=[Clock()],
        )
        trainer.train()
    else:
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
        model.train()
        for batch in batches:
            batch = {key: value.to(device) for key, value in batch.items()}
            if name == "by hand":
                loss = model(**batch).loss
            else:
                total, items = work.task.loss(work.task.outputs(work.live, batch), batch)
                loss = total / items
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            times.append(_now(device))
    return (times[-1] - times[WARM - 1]) / steps


def _now(device: str) -> float:
    """Seconds: on a processor those that this process got, which a busy machine does not change."""
    if device == "cpu":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def _contender(asked: dict[str, Any]) -> None:
    """In a process of its own: prints seconds a step and MiB at most."""
    import resource

    import torch

    torch.set_num_threads(asked["threads"])
    base, name = Path(asked["base"]), asked["name"]
    with tempfile.TemporaryDirectory() as folder:
        rest = (base, Path(folder), asked["kind"], asked["device"], asked["steps"])
        seconds = _ours(*rest) if name == "xlmerge" else _others(*rest, name)
    if asked["device"] == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        scale = 2**20 if sys.platform == "darwin" else 2**10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    print(json.dumps({"seconds": seconds, "peak": peak}))


def _measure(asked: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--contender", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{asked['name']}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        _contender(json.loads(options.contender))
        return
    with tempfile.TemporaryDirectory() as folder:
        base = tiny.save_base(Path(folder) / options.size, **SIZES[options.size])
        for kind in ("language", "task"):
            print(
                f"\n{kind} adapter, {options.size} model, {BATCH} inputs a step, {options.device}"
            )
            found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
            for _ in range(options.runs):  # in turns: a machine gets slower and faster
                for name in CONTENDERS:
                    asked = {"name": name, "kind": kind, "base": str(base)}
                    asked |= {key: getattr(options, key) for key in ("device", "steps", "threads")}
                    found[name].append(_measure(asked))
            ours = [median(run[key] for run in found["xlmerge"]) for key in ("seconds", "peak")]
            print(f"{'':18}{'ms a step':>10}{'MiB':>8}   xlmerge / it: time, memory")
            for name, runs in found.items():
                seconds, peak = (median(run[key] for run in runs) for key in ("seconds", "peak"))
                print(
                    f"{name:18}{1000 * seconds:10.1f}{peak:8.0f}"
                    f"{ours[0] / seconds:16.2f}{ours[1] / peak:8.2f}"
                )


if __name__ == "__main__":
    main()
