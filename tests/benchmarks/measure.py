"""Time and memory of one case in one process, printed as a line of JSON."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def report(cases: Mapping[str, Callable[[int], Callable[[], object]]]) -> None:
    """Run the case and size of the command line; print rate, memory above what the set-up took, and the set-up time."""
    case, n = sys.argv[1], int(float(sys.argv[2]))
    start = time.perf_counter()
    call = cases[case](n)
    ready = time.perf_counter()
    before = peak_mb()
    call()
    first = time.perf_counter() - ready
    times = []
    while len(times) < 3 or (sum(times) < 10.0 and len(times) < 7):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    rows = getattr(call, "rows", n)  # as many as it made, where it says so
    result = {"per_s": rows / statistics.median(times), "peak_mb": peak_mb() - before, "first_s": first}
    print(json.dumps({**result, "set_up_s": ready - start, "import_mb": before}), flush=True)


def peak_mb() -> float:
    """Peak memory of this process [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def measured(module: str, case: str, n: int, timeout: float = 900.0) -> dict[str, float] | None:
    """Run a case of a module in a process of its own; None, with the reason on stderr, where it does not finish."""
    # the peer's batched Cholesky deadlocks with two threads; see the module `peer`
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"NPROC": "4"} if module.endswith("peer") else {})}
    command = [sys.executable, "-m", module, case, str(n)]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        print(f"{module} {case} {n}: not done in {timeout:.0f} s", file=sys.stderr)
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        print(f"{module} {case} {n}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(lines[-1])
