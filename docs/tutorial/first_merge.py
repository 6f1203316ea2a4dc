"""A first merge: small adapters made with the plain libraries, merged by a recipe, loaded again.

The adapters are untrained (random numbers on a tiny model), so the results do nothing useful. What
is real are the files, the recipe, and the loading with plain `adapters` and PEFT. Nothing is
downloaded.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")  # the libraries' own, about each other
logging.disable(logging.WARNING)

import adapters  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import xlmerge  # noqa: E402

HERE = Path(__file__).parent
WORK = HERE / "first-merge"
MODEL = {
    "vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 128, "max_position_embeddings": 64, "num_labels": 3,
}  # fmt: skip


def main() -> None:
    """Make adapters, merge, load."""
    transformers.logging.set_verbosity_error()
    made_by = f"adapters {adapters.__version__} and PEFT {peft.__version__}"
    print(f"1. Five small, untrained adapters, saved by {made_by}:")
    shutil.rmtree(WORK, ignore_errors=True)
    make_language_adapters("english", "indonesian")
    make_lora_adapters("sentiment", "emotion", "emotion-javanese")
    for folder in sorted((WORK / "adapters").iterdir()):
        print(f"   {shown(folder)}")

    results = WORK / "results"
    print(f"\n2. xlmerge run {shown(HERE / 'first-merge.yaml')} -o {shown(results)}")
    for step in xlmerge.run(HERE / "first-merge.yaml", output=results).steps:
        lost = step.report["measured"].get("discarded")
        note = f"; the lower rank loses up to {lost['most']:.0%} of a matrix" if lost else ""
        print(f"   {step.name}: {step.report['parameters']} parameters{note}")

    print("\n3. Loaded with the plain libraries, as any adapter:")
    model = make_model(adapters.XLMRobertaAdapterModel)
    report: dict[str, list[str]] = {}
    name = model.load_adapter(str(results / "bridge"), loading_info=report)
    print(f"   model.load_adapter('{shown(results / 'bridge')}')")
    print(f"     -> {name!r}, {len(report['missing_keys'])} keys missing")
    exact = logits(results / "javanese_sentiment")
    small = logits(results / "javanese_sentiment_small")
    summed = sum_of_adapters({"sentiment": 1.0, "emotion-javanese": 0.5, "emotion": -0.5})
    alone = sum_of_adapters({"sentiment": 1.0})
    print(f"   PeftModel.from_pretrained(model, '{shown(results / 'javanese_sentiment')}')")
    print("     -> its logits differ")
    print(f"        by {gap(exact, summed):.0e} from the three adapters added up in the model")
    print(f"        by {gap(exact, small):.0e} from the result at rank 8")
    print(f"        by {gap(exact, alone):.0e} from the sentiment adapter alone")
    print(f"\nThe recipe: {shown(HERE / 'first-merge.yaml')}. Next, try")
    print(f"   xlmerge inspect {shown(results / 'bridge')}")
    print(
        f"   xlmerge diff {shown(WORK / 'adapters/english')} {shown(WORK / 'adapters/indonesian')}"
    )


def make_model(kind: type[torch.nn.Module]) -> torch.nn.Module:
    """The same tiny XLM-R for all: in place of `from_pretrained("xlm-roberta-base")`."""
    torch.manual_seed(0)
    return kind(transformers.XLMRobertaConfig(**MODEL)).eval()


def make_language_adapters(*names: str) -> None:
    """MAD-X language adapters with invertible parts."""
    model = make_model(adapters.XLMRobertaAdapterModel)
    for name in names:
        model.add_adapter(name, config=adapters.SeqBnInvConfig(reduction_factor=2))
        (WORK / "adapters").mkdir(parents=True, exist_ok=True)
        model.save_adapter(str(WORK / "adapters" / name), name)


def make_lora_adapters(*names: str) -> None:
    """LoRA adapters for classification, with values as if they had been trained."""
    for seed, name in enumerate(names):
        config = peft.LoraConfig(
            task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"]
        )
        model = peft.get_peft_model(
            make_model(transformers.XLMRobertaForSequenceClassification), config
        )
        torch.manual_seed(seed)
        for key, value in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(value, std=0.5)
        model.save_pretrained(WORK / "adapters" / name)


def logits(folder: Path) -> torch.Tensor:
    """Logits of a saved PEFT adapter on some made-up text."""
    model = peft.PeftModel.from_pretrained(
        make_model(transformers.XLMRobertaForSequenceClassification), folder
    )
    return evaluate(model)


def sum_of_adapters(weights: dict[str, float]) -> torch.Tensor:
    """Logits of the first adapter's model with the others' deltas added to its weights by hand."""
    first, *others = weights
    model = peft.PeftModel.from_pretrained(
        make_model(transformers.XLMRobertaForSequenceClassification), WORK / "adapters" / first
    )
    for name in others:
        model.load_adapter(WORK / "adapters" / name, name)
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.Linear):
            for name in others:
                module.get_base_layer().weight.data += weights[name] * module.get_delta_weight(name)
    model.set_adapter("default")
    return evaluate(model)


def gap(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest difference of two sets of logits."""
    return float((first - second).abs().max())


def evaluate(model: torch.nn.Module) -> torch.Tensor:
    """Logits for two rows of token ids."""
    rows = torch.arange(24).reshape(2, 12) * 7 % MODEL["vocab_size"] + 3
    with torch.no_grad():
        return model.eval()(input_ids=rows).logits


def shown(path: Path) -> str:
    """A path as the README's reader sees it."""
    return str(path.relative_to(HERE.parent.parent))


if __name__ == "__main__":
    main()
