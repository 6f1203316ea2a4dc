"""What a step of MetaXL costs beside one of joint training on the same rows.

    python tests/benchmarks/metaxl.py                              bottleneck; three minutes of one core
    python tests/benchmarks/metaxl.py --adapters seq_bn lora full  ten minutes
    python tests/benchmarks/metaxl.py --hidden 768 --layers 12 --length 128 --rounds 5
    python tests/benchmarks/metaxl.py --attention sdpa --dropout 0     a fast kernel on both sides
    python tests/benchmarks/metaxl.py --device cuda

A step takes some source rows and as many target rows. Joint training learns from all; MetaXL from
the source rows and half of the target rows, and evaluates by the other half. `as released` is the
step of microsoft/MetaXL with the same forward pass. All steps run on one model of the architecture
of XLM-R with random weights and dropout, with one attention implementation, and in turns: a table's
ratios are medians over rounds of (its time / that of joint training in the same round).

time      of the process where it is a processor's, which others on the machine hardly change;
          on the clock on an accelerator
tensors   bytes of tensors that a step makes and holds at most at one time, as torch's allocator
          counts them; parameters and the state of the optimizer, which stay, are not in it
saved     of these what is kept for backward passes; cannot be counted through torch.func
resident  growth of the resident memory in a process of its own (Linux)
theory    passes counted by hand: the forward pass of the source rows is 1, a backward pass 1 where
          most parameters are frozen and 2 where none is; for a network after the last layer

Nothing is asserted. Targets stand beside what was measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from metaxl_scene import STEPS

TARGETS = {("double_backward, lagged", "time"): 1.7, ("split_difference", "tensors"): 1.1}
THEORY = {  # frozen base, full fine-tuning
    "joint training": (1.0, 1.0),
    "double_backward, lagged": (5 / 4, 8 / 6),
    "double_backward, fresh": (8 / 4, 12.5 / 6),
    "split_difference": (6 / 4, 8 / 6),
    "split_forward": (6 / 4, 9 / 6),
    "as released": (13 / 4, 19.5 / 6),
}
MEMORIES = ("tensors", "saved", "resident")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--adapters", nargs="+", default=["seq_bn"], help="seq_bn, lora, full, ...")
    add("--places", nargs="+", default=["top", "middle"], choices=("top", "middle"),
        help="after which layer the network sits")  # fmt: skip
    add("--steps", nargs="+", default=list(STEPS), choices=list(STEPS), metavar="STEP",
        help=f"beside joint training: {'; '.join(STEPS)}")  # fmt: skip
    add("--layers", type=int, default=4)
    add("--hidden", type=int, default=512, help="a multiple of 64, the width of a head")
    add("--vocabulary", type=int, default=1000)
    add("--length", type=int, default=64, help="tokens of a row")
    add("--rows", type=int, default=8, help="source rows, and target rows")
    add("--sources", type=int, default=1, help="source languages, mixed in a batch")
    add("--attention", default="eager", choices=("eager", "sdpa"), help="of all steps")
    add(
        "--dropout", type=float, default=0.1, help="0 lets sdpa take its fast kernel on a processor"
    )
    add("--device", default="cpu", choices=("cpu", "cuda"))
    add("--rounds", type=int, default=3)
    add("--threads", type=int, default=1)
    add("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def _measured(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    script = Path(__file__).with_name("metaxl_scene.py")
    done = subprocess.run(
        [sys.executable, script, json.dumps(asked)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{asked['adapter']}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _ratios(found: dict[str, dict[str, Any]], clock: str) -> dict[str, dict[str, float | None]]:
    """Each step to joint training."""
    joint = found["joint training"]
    rows: dict[str, dict[str, float | None]] = {}
    for name, values in found.items():
        if "error" in values:
            continue
        pairs = zip(values[clock], joint[clock], strict=True)
        rows[name] = {"time": median(a / b for a, b in pairs)}
        for key in MEMORIES:
            known = values[key] and joint[key]
            rows[name][key] = values[key] / joint[key] if known else None
    return rows


def _print(found: dict[str, dict[str, Any]], ratios: Any, clock: str, theory: Any) -> None:
    print(f"{'':26}{'ms':>7}{'MiB':>7}   to joint training:")
    print(f"{'':40}{'time':>9}{'theory':>8}{'tensors':>9}{'saved':>7}{'resident':>10}   target")
    for name, values in found.items():
        if "error" in values:
            print(f"{name:26} {values['error'][:120]}")
            continue
        cells = [ratios[name]["time"], theory.get(name)]
        cells += [ratios[name][key] for key in MEMORIES]
        texts = ["-" if cell is None else f"{cell:.2f}" for cell in cells]
        line = f"{name:26}{1000 * median(values[clock]):7.0f}{values['tensors'] / 2**20:7.0f}"
        line += f"{texts[0]:>9}{texts[1]:>8}{texts[2]:>9}{texts[3]:>7}{texts[4]:>10}"
        for (step, key), target in TARGETS.items():
            if step == name:
                met = ratios[name][key] <= target
                line += f"   {key} {target}: {'met' if met else 'MISSED'}"
                if not met:
                    line += "; " + _dominating(name, key, ratios[name], found, theory)
        print(line)


def _dominating(name: str, key: str, ratio: Any, found: Any, theory: Any) -> str:
    """What a missed target goes to, as far as the figures tell."""
    if key == "time":
        over = ratio["time"] - theory.get(name, 1.25)
        small = median(found["joint training"]["cpu"]) < 0.1
        why = "calls, not arithmetic: the model is small" if small else "passes dearer than counted"
        return f"{over:.2f} above what the passes cost: {why}"
    joint, values = found["joint training"], found[name]
    kept = (values["saved"] or 0) - (joint["saved"] or 0)
    over = values[key] - joint[key]
    return (
        f"{over / 2**20:.0f} MiB more, {kept / 2**20:.0f} of them saved for backward passes; the "
        "rest are gradients, moved parameters, and what a second derivative holds"
    )


def main() -> None:
    """Measure and print a table for each adapter and place."""
    options = _arguments()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from builders import tiny_training as tiny

    steps = list(dict.fromkeys(["joint training", *options.steps]))
    clock = "cpu" if options.device == "cpu" else "wall"
    size = {key: getattr(options, key) for key in ("layers", "hidden", "length", "rows", "sources")}
    print(", ".join(f"{key} {value}" for key, value in size.items()), end="; ")
    print(f"attention {options.attention}, {options.threads} threads, {options.device}")
    report: dict[str, Any] = {"options": {**vars(options), "json": None}, "scenes": []}
    with tempfile.TemporaryDirectory() as folder:
        base = tiny.save_base(
            Path(folder) / "base",
            dropout=options.dropout,
            vocab_size=options.vocabulary,
            hidden_size=options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=options.hidden // 64,
            intermediate_size=4 * options.hidden,
            max_position_embeddings=options.length + 2,
        )
        for number, (adapter, place) in enumerate(
            (adapter, place) for adapter in options.adapters for place in options.places
        ):
            try:
                tiny.named_config(adapter)
            except KeyError:
                print(f"\n{adapter}: no such configuration is registered")
                continue
            layer = -1 if place == "top" else options.layers // 2
            asked = {**size, "adapter": adapter, "layer": layer, "steps": steps, "base": str(base)}
            asked["folder"] = str(Path(folder) / str(number))
            asked |= {k: getattr(options, k) for k in ("attention", "device", "threads", "rounds")}
            found = _measured(asked)
            ratios = _ratios(found, clock)
            where = "the last layer" if place == "top" else f"layer {layer} of {options.layers}"
            print(f"\n{adapter}, network after {where}", flush=True)
            # Below the top the layers above the network are passed through once more or twice.
            theory = {key: pair[adapter == "full"] for key, pair in THEORY.items()}
            _print(found, ratios, clock, theory if place == "top" else {})
            report["scenes"].append(
                {"adapter": adapter, "layer": layer, "figures": found, "ratios": ratios}
            )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
