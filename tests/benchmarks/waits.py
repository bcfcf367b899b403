"""The lines of built-in methods and of the engine that would wait for a GPU in every step. No GPU is needed.

    python tests/benchmarks/waits.py
    python tests/benchmarks/waits.py --json waits.json

A tiny training of each method takes steps on torch's device `meta`, and reads and copies are noted. Fails where there
are any.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from device_waits import waits_of_all

from translate.plugins import Registry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the lines by method")
    chosen = parser.parse_args()
    waits = {name: sorted(places) for name, places in waits_of_all(Registry()).items()}
    for name, places in waits.items():
        print(f"{name:<24} {len(places)}")
        for place in places:
            print(f"    {place}")
    if chosen.json:
        chosen.json.write_text(json.dumps(waits, indent=2))
    count = sum(map(len, waits.values()))
    print(f"{len(waits)} methods, {count} waits")
    sys.exit(count > 0)


if __name__ == "__main__":
    main()
