"""
`ner-bulk`, killed again and again: its results against those of an unbroken run, row for row.

The command is killed with SIGKILL at random moments, from its first second to its end, and started again at once, while
processes of the killed run may still be there. When a job is complete, its rows are compared with those of the unbroken
run, and another begins, until there were as many kills as wanted.

    python benchmarks/bulk_kills.py ARCHIVE [--kills 100] [--rows 20000] [--seed 1] [--write]
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from results import machine, replace_section, table, versions

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "fixtures/sample/train.json"


def make_input(path: Path, rows: int) -> None:
    """Lines of JSON with texts of the sample; every hundredth is bad."""
    texts = [json.loads(line)["text"] for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    with open(path, "w", encoding="utf-8") as file:
        for row in range(rows):
            record = {"id": row, "text": f"{texts[row % len(texts)]}{row}"}
            file.write("{\n" if row % 100 == 99 else json.dumps(record, ensure_ascii=False) + "\n")


def command(archive: str, data: Path, output: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("allennlp"))
    arguments = [archive, str(data), str(output), "--format", "json", "--cpu"]
    return [program, "ner-bulk", *arguments, "--include-package", "ner_plugins"]


def run(archive: str, data: Path, output: Path, seconds: float | None = None) -> int:
    """Run the command, and kill it after some seconds; returns its status, -9 if it was killed."""
    process = subprocess.Popen(
        command(archive, data, output), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, messages = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return -9
    if process.returncode:
        raise SystemExit(f"the command failed:\n{messages}")
    return 0


def rows_of(output: Path) -> dict[int, dict[str, Any]]:
    """The rows of an output by their numbers; none may be there twice."""
    found: dict[int, dict[str, Any]] = {}
    for path in sorted(output.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["row"] in found:
                raise SystemExit(f"{output}: row {row['row']} is there twice")
            found[row["row"]] = row
    return found


def differing(found: dict[int, dict[str, Any]], expected: dict[int, dict[str, Any]]) -> list[int]:
    """The rows that are lost, added or different; scores may differ by 2e-5."""
    wrong = sorted(found.keys() ^ expected.keys())
    for number in found.keys() & expected.keys():
        one, other = found[number], expected[number]
        pairs = zip(one["entities"] or (), other["entities"] or (), strict=False)
        close = all(abs(a["score"] - b["score"]) < 2e-5 for a, b in pairs)
        if not close or without_scores(one) != without_scores(other):
            wrong.append(number)
    return wrong


def without_scores(row: dict[str, Any]) -> dict[str, Any]:
    entities = row["entities"] and [{**entity, "score": None} for entity in row["entities"]]
    return {**row, "entities": entities}


def kill_jobs(archive: str, data: Path, folder: Path, kills: int, seed: int) -> list[list[object]]:
    """Kill jobs until there were as many kills; returns a row of the table for each job."""
    chance = random.Random(seed)
    began = time.perf_counter()
    run(archive, data, folder / "whole")
    whole = time.perf_counter() - began
    expected = rows_of(folder / "whole")
    killed, lines = 0, []
    while killed < kills:
        output = folder / f"job-{len(lines)}"
        before = killed
        while True:
            seconds = chance.uniform(0.5, whole + 1) if killed < kills else None
            if run(archive, data, output, seconds) == 0:
                break
            killed += 1
            settled = len(rows_of(output))  # of earlier runs, and none of them twice
            print(f"kill {killed} after {seconds:.1f} s; earlier runs have done {settled} rows", flush=True)
        wrong = differing(rows_of(output), expected)
        lines.append([len(lines) + 1, killed - before, f"{len(expected):,}", len(wrong)])
        print(f"job {len(lines)}: {killed - before} kills, {len(wrong)} of {len(expected)} rows differ", flush=True)
        if wrong:
            raise SystemExit(f"rows that differ: {wrong[:20]}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="replace the section of benchmarks/RESULTS.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_input(folder / "input.jsonl", args.rows)
        lines = kill_jobs(args.archive, folder / "input.jsonl", folder, args.kills, args.seed)
    text = (
        f"`python benchmarks/bulk_kills.py ARCHIVE --kills {args.kills} --rows {args.rows} --seed {args.seed}`:\n"
        f"the command `ner-bulk`, killed by SIGKILL at random moments and started again at once, against an unbroken "
        f"run.\n{machine()};\n"
        f"{versions('torch', 'ray', 'pyarrow')}.\n\n" + table("job | kills | rows | lost, doubled or different", lines)
    )
    print(text)
    if args.write:
        replace_section(ROOT / "benchmarks/RESULTS.md", "Bulk prediction, killed", text)


if __name__ == "__main__":
    main()
