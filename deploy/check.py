"""Called by check.sh, which says what is checked. Each part is a module of deploy/checks; a check adds to `problems`."""

import importlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

PARTS = ["lint", "tests", "match", "start", "live"]


def main():
    parts = sys.argv[1:] or PARTS
    for part in parts:
        if part not in PARTS:
            sys.exit(f"check.sh: no part {part}; there are: {', '.join(PARTS)}")
    passed, problems = 0, []
    for part in parts:
        began = time.monotonic()
        checks = importlib.import_module(f"checks.{part}").CHECKS
        for check in checks:
            found = list(check())
            problems += [f"{part}: {problem}" for problem in found]
            passed += not found
        print(f"check.sh: {part}: {len(checks)} checks, {time.monotonic() - began:.1f} s")
    for problem in problems:
        print(f"check.sh: {problem}", file=sys.stderr)
    print(f"check.sh: {passed} checks passed, {len(problems)} problems")
    sys.exit(1 if problems or not passed else 0)


main()
