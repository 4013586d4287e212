"""Generated requests at the console's web process: none gets a 5xx, all get what the description says.

Command: ``PYTHONPATH=collections:files/console/agent:files/console/web python -m tests.bench.console_api [CASES]``

The web process and the agent are the real ones; the cluster is in memory. CASES (default 240) is per operation and kind
of request (valid, invalid).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.unit.console.api_cases import judge
from tests.unit.fakes.console import running

WANTED = 5000


def main() -> int:
    """Entry point; 1 if a request was not answered as described, or if there were too few."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 240
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for console in running(Path(folder)):
            found = judge(console, cases, seed=5000)
            changed = console.audit.page()
    broken = sum(count for status, count in found.statuses.items() if status >= 500)
    print(f"{found.total} requests to {len(found.operations)} operations in {time.monotonic() - began:.0f} s")
    print("statuses:", ", ".join(f"{status}: {count}" for status, count in sorted(found.statuses.items())))
    print(f"{broken} with 5xx, {len(found.failures)} not as described, {len(changed)} changes of the cluster")
    for line in found.failures[:20]:
        print(line)
    return 1 if broken or found.failures or changed or found.total < WANTED else 0


if __name__ == "__main__":
    sys.exit(main())
