"""`allennlp ner-audit`: suspected label errors, ranked, with a page to decide on them."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Optional, Sequence

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.errors import ConfigError

if TYPE_CHECKING:
    from ner_plugins.audit.suspects import Suspect
    from ner_plugins.files.folds_file import FoldRecord
    from ner_plugins.files.folds_manifest import FoldsManifest

PAGE, LINES, TABLE = "audit.html", "suspects.jsonl", "suspects.csv"
DESCRIPTION = "Rank suspected label errors by out-of-fold predictions, with an HTML page to decide on them."
KINDS = "missed, spurious, boundary, type, unlabelled"  # those of ner_plugins.audit, which is slow to import
_FIRST, _WIDEST, _LIKELY = 5, 60, 0.5


class NerAuditCommand(Subcommand):
    """Finds labels that are likely wrong: missing, spurious, with wrong edges or the wrong type."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-audit",
            description=f"{DESCRIPTION} `ner-data apply` applies the decisions that the page saves.",
            help=DESCRIPTION,
        )
        subparser.add_argument("folds", metavar="DIR", help="a folder with out-of-fold predictions (ner-folds)")
        written = ", ".join((PAGE, LINES, TABLE))
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="OUT", help=f"folder for {written}"
        )
        subparser.add_argument("--force", action="store_true", help="write into OUT even if it is not empty")
        subparser.add_argument(
            "--top", type=int, default=1000, metavar="N", help="keep the N most likely errors, 0 for all"
        )
        subparser.add_argument("--kinds", metavar="KIND,…", help=f"look for these kinds only: {KINDS}")
        subparser.add_argument(
            "--error-rate", type=float, default=0.01, metavar="RATE",
            help="the share of labels that is assumed to have an error of each kind; it scales the scores and does not "
            "change the order of labels",
        )  # fmt: skip
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(func=audit_from_args)
        return subparser


def audit_from_args(args: argparse.Namespace) -> None:
    """
    Read the folds, rank the suspects, write the files, and print the counts and the first suspects.

    # Raises

    `ConfigError` for an option out of range, or if OUT is not empty and there is no `--force`; `DataError` about the
    folds.
    """
    from ner_plugins.audit.ranking import audit
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.commands.ner_report import check_folder
    from ner_plugins.files.folds_file import read_records

    if args.top < 0:
        raise ConfigError(f"--top is {args.top}; it must be >= 0")
    if not 0.0 < args.error_rate < 1.0:
        raise ConfigError(f"--error-rate is {args.error_rate}; it must be between 0 and 1")
    kinds = _kinds(args.kinds)
    check_folder(Path(args.output), args.force)
    manifest, stream = read_records(args.folds)
    records = list(stream)
    suspects = audit(records, kinds=kinds, rate=args.error_rate, nested=manifest.nested)
    kept = suspects[: args.top] if args.top else suspects
    write_audit(kept, manifest, records, args.folds, Path(args.output))
    print_report("\n".join(_summary(kept, records)))
    print_report(f"\npage: {Path(args.output, PAGE)}")


def write_audit(
    suspects: "Sequence[Suspect]",
    manifest: "FoldsManifest",
    records: "Sequence[FoldRecord]",
    name: str,
    folder: Path,
) -> None:
    """
    Write the files of an audit.

    # Parameters

    suspects : `Sequence[Suspect]`
        In order.
    manifest : `FoldsManifest`
    records : `Sequence[FoldRecord]`
        All sentences.
    name : `str`
        The folds, for the page.
    folder : `Path`
        Created if missing; files of an earlier audit are replaced.
    """
    from ner_plugins.audit.files import suspects_csv, suspects_jsonl
    from ner_plugins.audit.page import audit_page
    from ner_plugins.files.output_files import open_output

    lines = [suspect.to_json(rank) for rank, suspect in enumerate(suspects, 1)]
    about = f"{name}: {len(records):,} sentences, config {manifest.config}, {manifest.k} folds"
    contents = {
        PAGE: audit_page(lines, sorted(manifest.types), about).encode("utf-8"),
        LINES: suspects_jsonl(lines),
        TABLE: suspects_csv(lines),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        with open_output(str(folder / file), force=True) as stream:
            stream.write(content)


def _kinds(option: Optional[str]) -> Optional[list[str]]:
    from ner_plugins.audit.suspects import KINDS as known
    from ner_plugins.options import check_name

    if option is None:
        return None
    kinds = [kind.strip() for kind in option.split(",")]
    for kind in kinds:
        check_name("--kinds", kind, known)
    return kinds


def _summary(kept: "Sequence[Suspect]", records: "Sequence[FoldRecord]") -> Iterator[str]:
    """The number of suspects of each kind, and the first ones."""
    from ner_plugins.audit.suspects import KINDS as known
    from ner_plugins.data_tools.statistics.tables import format_columns

    labels = sum(len(record.gold) for record in records)
    yield f"{len(records):,} sentences, {labels:,} labels; the {len(kept):,} most doubtful places are written"
    likely = [suspect for suspect in kept if suspect.score >= _LIKELY]
    counts, of_likely = Counter(suspect.kind for suspect in kept), Counter(suspect.kind for suspect in likely)
    rows = [[kind, f"{counts[kind]:,}", f"{of_likely[kind]:,}"] for kind in known if counts[kind]]
    yield from format_columns([["kind", "suspects", f"score >= {_LIKELY}"], *rows])
    unseen = sum(suspect.seen_suggested == 0 for suspect in kept)
    yield f"{unseen:,} suggestions are of surfaces that the model has not seen so labelled"
    for rank, suspect in enumerate(kept[:_FIRST], 1):
        yield f"{rank}. {_in_line(suspect)}"


def _in_line(suspect: "Suspect") -> str:
    """`0.98 type, train.json:7: address 北京 -> organization 北京大学`, shortened."""
    from ner_plugins.visible import in_one_line

    record = suspect.record
    sides = [
        ", ".join(f"{_cut(e.type)} {_cut(record.text[e.start : e.end])}" for e in side) or "nothing"
        for side in (suspect.remove, suspect.add)
    ]
    place = ":".join(str(part) for part in (record.file, record.line) if part not in ("", None))
    return in_one_line(f"{suspect.score:.2f} {suspect.kind}, {place or record.id}: {sides[0]} -> {sides[1]}")


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
