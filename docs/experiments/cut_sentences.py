"""Cut a file of words and tags in two: the first sentences to train on, the rest to test on.

python cut_sentences.py pos/jav_csui/test.tsv 100 pos/jav_cut
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: Path, count: int, folder: Path) -> None:
    """Write ``train.tsv`` and ``test.tsv``."""
    sentences = [s for s in source.read_text(encoding="utf-8").split("\n\n") if s.strip()]
    if not 0 < count < len(sentences):
        raise SystemExit(f"{source} has {len(sentences)} sentences: {count} cannot be cut off")
    folder.mkdir(parents=True, exist_ok=True)
    for name, some in (("train", sentences[:count]), ("test", sentences[count:])):
        text = "\n\n".join(sentence.strip("\n") for sentence in some)
        (folder / f"{name}.tsv").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
