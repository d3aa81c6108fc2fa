"""
`allennlp ner-serve` under load: capacity, latency at 80 % of it, memory, overload, and its end.

The load comes from a process of its own (`benchmarks/serving_load.py`), in an open loop: requests leave at times
set before, whether or not earlier ones are answered, and a latency counts from that time. So a server that stands still
is seen. Load comes at equal distances, as load generators with a constant rate send it, and at random ones (a Poisson
process). Random arrivals queue up before any server; for comparison, such a queue is simulated with answers that all
take the same time. Capacity is measured in a closed loop of 64 clients.

    python benchmarks/serving.py ARCHIVE_OR_EXPORT [--minutes 3] [--requests 100000] [--write]
"""

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
GOAL_TAIL, GOAL_MEMORY, LOAD = 2.0, 0.02, 0.8


class Server:
    """The command in a process of its own."""

    def __init__(self, archive: str) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (as long as the server)
        command = [str(Path(sys.executable).with_name("allennlp")), "ner-serve", archive, "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--cuda-device", "-1"], cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.port = self._wait_for(r"http://127\.0\.0\.1:(\d+)/")
        self._wait_for(r"(ready): ")

    def _wait_for(self, pattern: str) -> str:
        while not (found := re.search(pattern, self.log())):
            if self.process.poll() is not None:
                raise SystemExit(self.log())
            time.sleep(0.1)
        return found[1]

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def memory(self) -> float:
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(120) != 0 or "Traceback" in self.log():
            raise SystemExit(f"the server ended with status {self.process.returncode}: {self.log()[-3000:]}")


class Load:
    """The process that sends requests."""

    def __init__(self, server: Server, **options: Any) -> None:
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks/serving_load.py"), server.port, *arguments],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def result(self) -> dict[str, Any]:
        out, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise SystemExit("the load generator failed")
        found: dict[str, Any] = json.loads(out)
        return found


def run(server: Server, **options: Any) -> dict[str, Any]:
    found = Load(server, **options).result()
    print(options, {name: value for name, value in found.items() if name != "seconds"}, flush=True)
    return found


def memory_over(server: Server, rate: float, requests: int) -> tuple[list[float], dict[str, Any]]:
    """Megabytes over the time of some requests of mixed length, and what became of them."""
    load = Load(server, rate=rate, seconds=requests / rate, mixed=1, seed=2)
    samples: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.5):
            samples.append(server.memory())

    thread = threading.Thread(target=sample)
    thread.start()
    found = load.result()
    done.set()
    thread.join()
    return samples, found


def at_its_end(server: Server, rate: float) -> dict[str, Any]:
    """What becomes of the requests around SIGTERM."""
    load = Load(server, rate=rate, seconds=8, seed=4)
    time.sleep(5)
    server.end()
    return load.result()


def queue_alone(load: float, requests: int = 200_000) -> float:
    """p99 / p50 of a queue with random arrivals in which every answer takes the same time (M/D/1), simulated."""
    draw, free, now, waits = random.Random(0), 0.0, 0.0, []
    for _ in range(requests):
        now += draw.expovariate(load)  # the unit is the time of an answer
        free = max(free, now) + 1.0
        waits.append(free - now)
    p50, _, p99, _ = quantiles(waits)
    return p99 / p50


def growth(samples: list[float]) -> tuple[float, float, float]:
    """Means of the second and of the last tenth of samples, and the relative change."""
    tenth = max(1, len(samples) // 10)
    early, late = statistics.mean(samples[tenth : 2 * tenth]), statistics.mean(samples[-tenth:])
    return early, late, late / early - 1


def quantiles(seconds: list[float]) -> list[float]:
    """p50, p95, p99 and the highest, in milliseconds."""
    ranked = sorted(seconds)
    return [1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in (0.5, 0.95, 0.99, 1.0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", metavar="ARCHIVE_OR_EXPORT")
    parser.add_argument("--minutes", type=float, default=3.0, help="of the steady load")
    parser.add_argument("--requests", type=int, default=100_000, help="while memory is watched")
    parser.add_argument("--what", default="a model", help="a description of the archive for the results")
    parser.add_argument("--title", default="Serving", help="of the section")
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    server = Server(os.path.abspath(args.archive))
    run(server, clients=64, seconds=10)  # warm
    capacity = statistics.median(run(server, clients=64, seconds=15)["rate"] for _ in range(3))
    load = {"rate": LOAD * capacity, "seconds": 60 * args.minutes}
    steady = {name: run(server, **load, seed=1, even=even) for name, even in (("equal", 1), ("random", 0))}
    run(server, clients=64, seconds=10, mixed=1)  # the caches of longer texts
    mixed = statistics.median(run(server, clients=64, seconds=10, mixed=1)["rate"] for _ in range(2))
    samples, watched = memory_over(server, LOAD * mixed, args.requests)
    early, late, change = growth(samples)
    overload = run(server, rate=3 * capacity, seconds=20, seed=3)
    after = run(server, clients=1, seconds=2)
    ended = at_its_end(server, LOAD * capacity)
    text = report(args, capacity, steady, mixed, (early, late, change), watched, overload, after, ended)
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", args.title, text)


def report(
    args: argparse.Namespace, capacity: float, steady: dict[str, dict[str, Any]], mixed: float,
    memory: tuple[float, float, float], watched: dict[str, Any], overload: dict[str, Any], after: dict[str, Any],
    ended: dict[str, Any],
) -> str:  # fmt: skip
    """The section of the results."""
    early, late, change = memory
    slowest = quantiles(overload["seconds"])[3] / 1000
    rows = [
        ["capacity, 64 clients, one sentence each", f"{capacity:.0f} requests/s; mixed lengths {mixed:.0f}"],
        *(_latencies(name, found, args.minutes) for name, found in steady.items()),
        ["p99 / p50 of a queue of equal answers at random distances, simulated", f"{queue_alone(LOAD):.2f}"],
        [f"memory over {watched['sent']:,} requests of 5 to 400 characters (goal ± 2 %)", f"{early:.0f} MB, then "
         f"{late:.0f} MB: **{100 * change:+.2f} %**; {_counts(watched)}"],
        ["three times the capacity for 20 s", f"{_counts(overload)}; the last answer after {slowest:.2f} s; then "
         f"{_counts(after)}"],
        ["SIGTERM at 80 %", f"{_counts(ended)}; **{ended['lost']} lost**, {ended['unreached']} came after the end"],
    ]  # fmt: skip
    command = f"python benchmarks/serving.py ARCHIVE_OR_EXPORT --minutes {args.minutes:g} --requests {args.requests}"
    return (
        f"`{command}`: {args.what}, one process,\n`OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}`; the load "
        f"in an open loop from a process of its own.\n{machine()};\n"
        f"{versions('torch', 'onnxruntime', 'fastapi', 'uvicorn')}.\n\n"
        + table("what | measured", rows)
    )


def _latencies(name: str, found: dict[str, Any], minutes: float) -> list[str]:
    p50, p95, p99, highest = quantiles(found["seconds"])
    return [
        f"80 % of it for {minutes:g} minutes, {name} distances (goal: p99 / p50 {GOAL_TAIL:g})",
        f"{_counts(found)}; p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, highest {highest:.1f} ms; p99 / p50 "
        f"**{p99 / p50:.2f}**",
    ]


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{number:,} × {status}" for status, number in sorted(found["statuses"].items()))


if __name__ == "__main__":
    main()
