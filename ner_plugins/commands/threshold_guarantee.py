"""`ner-threshold --guarantee`: one threshold for all types, with a guaranteed recall."""

import argparse
from typing import Any

COARSE, FINE = [step / 20 for step in range(20)], [step / 1000 for step in range(1000)]
"""The thresholds tried: where the model runs anew for each, and where one run tells what each would drop."""


def guarantee(
    args: argparse.Namespace, archive: str, output: str, recall: float
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """
    Write an archive with a threshold that guarantees a recall (`guaranteed_threshold`).

    # Parameters

    args : `argparse.Namespace`
        Of `ner-threshold`.
    archive, output : `str`
        The archive, and the file to write.
    recall : `float`

    # Returns

    `tuple[dict[str, float], dict[str, float], dict[str, float]]`
        The metrics of the archive given, those of the one written, and its thresholds.

    # Raises

    `DataError` if the recall cannot be guaranteed.
    """
    from ner_plugins.archives.copying import copy_with_thresholds
    from ner_plugins.commands.loading import load_ours, mention_max_instances
    from ner_plugins.heads.tags import TagsHead
    from ner_plugins.reports.collect import run_model
    from ner_plugins.reports.guarantees import guaranteed_threshold, losses_at

    loaded = load_ours(archive, args.cuda_device)
    mention_max_instances(loaded, None)
    model, reader = loaded.model, loaded.validation_dataset_reader

    def run() -> Any:
        return run_model(model, reader, args.input_file, args.batch_size)

    def losses_of(threshold: float) -> list[float]:
        if drops_alone:
            return losses_at(unlimited.sentences, threshold)
        model.thresholds.fill_(threshold)
        return losses_at(run().sentences, 0.0)

    before = run()
    model.thresholds.zero_()
    unlimited = run()
    # A tagger's threshold drops entities of the best tagging; others choose among what reaches it, and rules follow.
    drops_alone = isinstance(getattr(model, "head", None), TagsHead) and not model.post_processing
    threshold = guaranteed_threshold(losses_of, FINE if drops_alone else COARSE, recall)
    thresholds = dict.fromkeys(model.types, threshold)
    copy_with_thresholds(archive, output, thresholds)
    written = load_ours(output, args.cuda_device)
    after = run_model(written.model, written.validation_dataset_reader, args.input_file, args.batch_size)
    return before.metrics, after.metrics, thresholds


def statement(recall: float) -> str:
    """What is guaranteed, and what it assumes."""
    return (
        f"guaranteed: a recall of at least {recall:g}, the mean over new sentences that have an entity, in expectation "
        "over the choice of the development data (conformal risk control).\n"
        "assumed: new sentences and these are exchangeable, as if drawn at random from one pool, and the model was "
        "neither trained nor selected on these"
    )
