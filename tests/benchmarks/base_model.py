"""Script: a random XLM-R, which the peers want before they merge. Arguments: OUT SIZE-AS-JSON"""

from __future__ import annotations

import json
import sys

import torch
from transformers import XLMRobertaConfig, XLMRobertaModel


def main(out: str, size: dict[str, int]) -> None:
    """Make and save it."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=size["vocabulary"],
        hidden_size=size["hidden"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["hidden"] // 64,
        intermediate_size=size["feed_forward"],
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    XLMRobertaModel(config).save_pretrained(out)


main(sys.argv[1], json.loads(sys.argv[2]))
