"""
How many of the errors that make_data.py put into the labels are among the first suspects of ner-audit.

    python found_errors.py FOLDER
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Print the share of the wrong addresses among the first 10, 20 and 40 suspects."""
    folder = Path(sys.argv[1])
    errors = {json.loads(line)["text"] for line in (folder / "data/errors.jsonl").read_text("utf-8").splitlines()}
    suspects = (folder / "audit/suspects.jsonl").read_text("utf-8").splitlines()
    for number in (10, 20, 40):
        found = errors & {json.loads(line)["text"] for line in suspects[:number]}
        print(f"first {number} suspects: {len(found)} of {len(errors)} addresses with a wrong label")


if __name__ == "__main__":
    main()
