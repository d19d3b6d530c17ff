"""Runs every benchmark, each in a process of its own: `python -m benchmarks [names]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    known = sorted(f.stem for f in Path(__file__).parent.glob("[!_]*.py"))
    names = sys.argv[1:] or known
    if unknown := set(names) - set(known):
        print(f"required benchmarks out of {', '.join(known)}, got {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
