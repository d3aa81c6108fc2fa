"""`allennlp ner-compare`: models side by side over their seeds, with significance."""

import argparse
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError

TABLE, FIGURES, DIFFERENCES, PICTURE = "comparison.md", "comparison.csv", "differences.csv", "comparison.png"
DESCRIPTION = "Compare models: mean and deviation over seeds, per type, with the significance of differences."
_DETAILS = (
    "Runs whose configs differ only in their seeds are one model. Without --data the figures are those of the best "
    "epoch on the validation data, from metrics.json. With --data the archives are run over these data, once: the "
    "predictions are kept in the folder `predictions` of each run. Only then is there a test of significance."
)


class NerCompareCommand(Subcommand):
    """Compares training runs and files of predictions."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-compare", description=f"{DESCRIPTION} {_DETAILS}", help=DESCRIPTION
        )
        subparser.add_argument(
            "runs",
            nargs="*",
            metavar="RUN",
            help="the folder of a run (the -s of `allennlp train`) or of a sweep (that of `allennlp ner-sweep`); or a "
            "file of predictions (`allennlp predict --use-dataset-reader --output-file`, `allennlp evaluate "
            "--predictions-output-file`), a model of its own",
        )
        subparser.add_argument(
            "--group",
            nargs="+",
            action="append",
            default=[],
            metavar=("NAME", "RUN"),
            help="a model's name and its runs, which may differ in more than seeds; can be repeated",
        )
        subparser.add_argument(
            "--where", action="append", default=[], metavar="AXIS=POINT", help="of sweeps, only these runs; repeatable"
        )
        subparser.add_argument("--data", metavar="PATH", help="labelled data, PATH or PATH#SPLIT, to predict")
        subparser.add_argument(
            "--reader", metavar="SPEC", help="of --data, if only files of predictions are compared (default: guessed)"
        )
        subparser.add_argument("--metric", choices=("seqeval", "typed_span_f1"), default="seqeval")
        subparser.add_argument("--baseline", metavar="MODEL", help="compare the others with it (default: all pairs)")
        subparser.add_argument("--resamples", type=int, default=10_000, metavar="N", help="of each test")
        subparser.add_argument("--level", type=float, default=0.95, help="of the intervals")
        subparser.add_argument("--seed", type=int, default=1, help="of the tests: equal seeds give equal results")
        subparser.add_argument(
            "--any-training-data", action="store_true", help="compare runs that were trained on different data too"
        )
        written = ", ".join((TABLE, FIGURES, DIFFERENCES, PICTURE))
        subparser.add_argument("-o", "--output", type=output_name, metavar="DIR", help=f"folder for {written}")
        subparser.add_argument("--force", action="store_true", help="write into DIR even if it is not empty")
        subparser.add_argument("--batch-size", type=int, default=32, help="sentences in a batch")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, compare_from_args)
        return subparser


def compare_from_args(args: argparse.Namespace) -> None:
    """
    Print the comparison as Markdown, and write it with a picture if there is an output folder.

    # Raises

    `ConfigError` if the runs cannot be compared, with the difference; `DataError` about the data.
    """
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.commands.ner_report import check_folder
    from ner_plugins.comparison.tables import markdown

    _check(args)
    if args.output is not None:
        check_folder(Path(args.output), args.force)
    comparison = _compare(args)
    text = markdown(comparison)
    print_report(text.rstrip("\n"))
    if args.output is not None:
        _write(comparison, text, Path(args.output))
    elif comparison.significance is None and len(comparison.models) > 1:
        print_report("\nTests of significance need predictions: add --data")


def _check(args: argparse.Namespace) -> None:
    if args.resamples < 1:
        raise ConfigError(f"--resamples is {args.resamples}; it must be >= 1")
    if not 0.0 < args.level < 1.0:
        raise ConfigError(f"--level is {args.level}; it must be between 0 and 1")
    if args.seed < 0:
        raise ConfigError(f"--seed is {args.seed}; it must be >= 0")
    if not args.runs and not args.group:
        raise ConfigError("name the runs to compare: folders of `allennlp train`, or files of predictions")
    for name, *runs in args.group:
        if not runs:
            raise ConfigError(f"--group {name} names no run: --group NAME RUN [RUN …]")
    if args.baseline is not None and args.data is None:
        raise ConfigError("--baseline is for the tests of significance, which need predictions: add --data")


def _compare(args: argparse.Namespace) -> Any:
    """The comparison of the recorded figures, or of predictions."""
    from ner_plugins.comparison.agreement import check_figures, check_runs
    from ner_plugins.comparison.compare import compare_recorded
    from ner_plugins.comparison.inputs import read_models
    from ner_plugins.comparison.runs import TrainedRun

    models = read_models(args.runs, args.group, args.where)
    runs = [run for members in models.values() for run in members]
    trained = [run for run in runs if isinstance(run, TrainedRun)]
    check_runs(trained, args.any_training_data)
    if args.data is not None:
        return _compare_predictions(args, models)
    if len(trained) < len(runs):
        file = next(run.name for run in runs if not isinstance(run, TrainedRun))
        raise ConfigError(f"{file}: a file of predictions needs the gold: add --data, the data that were predicted")
    check_figures(trained, args.metric)
    groups = {
        name: {run.name: run.figures_of(args.metric) for run in members if isinstance(run, TrainedRun)}
        for name, members in models.items()
    }
    return compare_recorded("the validation data", args.metric, groups, args.level)


def _compare_predictions(args: argparse.Namespace, models: Any) -> Any:
    from ner_plugins.comparison.agreement import check_sentences
    from ner_plugins.comparison.compare import compare_counted
    from ner_plugins.comparison.inputs import read_all_predictions
    from ner_plugins.comparison.span_counts import count_spans

    found = read_all_predictions(models, args.data, args.reader, lambda archive: _predict(archive, args))
    runs = {run: sentences for members in found.values() for run, sentences in members.items()}
    check_sentences(list(runs), list(runs.values()))
    groups = {
        name: {run: count_spans(sentences, args.metric) for run, sentences in members.items()}
        for name, members in found.items()
    }
    data = f"{args.data} ({len(next(iter(runs.values()))):,} sentences)"
    return compare_counted(data, args.metric, groups, args.baseline, args.resamples, args.level, args.seed)


def _predict(archive_file: str, args: argparse.Namespace) -> list[Any]:
    from ner_plugins.commands.loading import load_ours, mention_max_instances
    from ner_plugins.comparison.span_counts import PredictedSentence
    from ner_plugins.reports.collect import run_model

    archive = load_ours(archive_file, args.cuda_device)
    mention_max_instances(archive, None)
    run = run_model(archive.model, archive.validation_dataset_reader, args.data, args.batch_size)
    return [PredictedSentence(one.text, one.gold, one.predicted) for one in run.sentences]


def _write(comparison: Any, text: str, folder: Path) -> None:
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.comparison.picture import draw_comparison
    from ner_plugins.comparison.tables import differences_csv, figures_csv
    from ner_plugins.files.output_files import open_output

    contents = {TABLE: text.encode("utf-8", "backslashreplace"), FIGURES: figures_csv(comparison)}
    if comparison.significance is not None:
        contents[DIFFERENCES] = differences_csv(comparison)
    contents[PICTURE] = draw_comparison(comparison, str(folder / PICTURE))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with open_output(str(folder / name), force=True) as stream:
            stream.write(content)
    print_report(f"\ncomparison: {folder / TABLE}")
