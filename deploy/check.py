"""Called by check.sh, which says what is checked. Each part is a module of deploy/checks; a check adds to `problems`."""

import atexit
import importlib
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

PARTS = ["lint", "tests", "match", "start", "live"]


def part(name):
    """What a part has found, and how many checks found nothing."""
    began = time.monotonic()
    found = [list(check()) for check in importlib.import_module(f"checks.{name}").CHECKS]
    print(f"check.sh: {name}: {len(found)} checks, {time.monotonic() - began:.1f} s", flush=True)
    return sum(not problems for problems in found), [f"{name}: {problem}" for problems in found for problem in problems]


def stop(number, _):
    """Ends at once, and with it the cluster of the live part."""
    print("check.sh: stopped", file=sys.stderr, flush=True)
    atexit._run_exitfuncs()
    os._exit(128 + number)


def main():
    parts = sys.argv[1:] or PARTS
    for name in parts:
        if name not in PARTS:
            sys.exit(f"check.sh: no part {name}; there are: {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # The live part mostly waits.
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(part, parts))
    passed, problems = sum(count for count, _ in results), [problem for _, found in results for problem in found]
    for problem in problems:
        print(f"check.sh: {problem}", file=sys.stderr)
    print(f"check.sh: {passed} checks passed, {len(problems)} problems")
    sys.exit(1 if problems or not passed else 0)


main()
