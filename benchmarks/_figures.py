"""How every benchmark ends: its figures as `name: value` lines, and with `--json FILE` as one flat object."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def report(figures: Mapping[str, float], argv: Sequence[str]) -> None:
    """Prints the figures, last, and writes them to the file that `argv` names after `--json`, if it does.

    Other arguments are left to the benchmark.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--json", type=Path)
    chosen, _ = parser.parse_known_args(argv)
    for name, value in figures.items():
        print(f"{name}: {value:.4g}")
    if chosen.json:
        chosen.json.write_text(json.dumps(dict(figures), indent=2) + "\n")
