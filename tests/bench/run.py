"""All benchmarks of this machine's running cluster, one after the other.

Command: ``make bench``, or ``python -m tests.bench.run [--smoke] [scale_up scale_down no_op lossless crash]``.
``--smoke`` only shows that they work: few nodes, one round; its figures say nothing.  bare_machine.py is not among
them, because it removes Docker from this machine.
Each prints its table and writes its raw data to tests/bench/results/. The control of each, which
must fail, is in its own description.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from tests.bench import common, crash, lossless, no_op, scale_down, scale_up

Main = Callable[[Sequence[str] | None], int]

BENCHMARKS: dict[str, tuple[Main, list[str]]] = {
    "scale_up": (scale_up.main, ["--nodes", "6", "--rounds", "1"]),
    "scale_down": (scale_down.main, ["--nodes", "8", "--left", "2", "--rounds", "1"]),
    "no_op": (no_op.main, ["--nodes", "6", "--rounds", "1"]),
    "lossless": (lossless.main, ["--share", "0.03", "--rate", "200", "stop", "balancer"]),
    "crash": (crash.main, ["--settings", "0", "3", "--kills", "2", "--hangs", "2", "--seconds", "3"]),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run them; the first exit status that is not zero, at the end."""
    parser = argparse.ArgumentParser(description="measure this cluster beside other tools")
    parser.add_argument("names", nargs="*", metavar="benchmark", help=f"of {', '.join(BENCHMARKS)}; all when not given")
    parser.add_argument("--smoke", action="store_true", help="only show that they work")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.names) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"benchmark: got {', '.join(unknown)}, want {', '.join(BENCHMARKS)}")
    statuses = []
    for name, (benchmark, smoke) in BENCHMARKS.items():
        if not options.names or name in options.names:
            common.say(f"==> {name}")
            statuses.append(benchmark(smoke if options.smoke else []))
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    common.run_main(main)
