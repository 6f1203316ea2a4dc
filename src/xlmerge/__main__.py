"""``python -m xlmerge``."""

from __future__ import annotations

from xlmerge.cli import main

if __name__ == "__main__":
    main()
