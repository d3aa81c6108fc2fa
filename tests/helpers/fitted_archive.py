"""Archives of small models that are right about a good part of their training data, and wrong about the rest."""

import argparse
import functools
import tempfile
from pathlib import Path

import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.data import Batch
from allennlp.models.archival import archive_model, load_archive

DATA = "fixtures/sample#dev"
SENTENCES = 60  # of these, which is what the archive's reader takes
STEPS = {"biaffine": 110, "span": 110, "crf_tagger": 35}  # more, and they would be right about everything

_folder = tempfile.TemporaryDirectory(prefix="fitted-")


def run_here(command: Subcommand, name: str, *arguments: object) -> None:
    """`allennlp NAME ARGUMENTS` in this process, which has imported everything already."""
    parser = argparse.ArgumentParser()
    command.add_subparser(parser.add_subparsers())
    args = parser.parse_args([name, *map(str, arguments)])
    args.func(args)


def fitted_archive(repository: Path, experiment: str = "biaffine") -> Path:
    """Made once, in a folder that is there until the tests end."""
    return _fit(repository, experiment, STEPS[experiment])


@functools.cache
def _fit(repository: Path, experiment: str, steps: int) -> Path:
    folder = Path(_folder.name) / experiment
    params = Params.from_file(repository / f"fixtures/experiments/{experiment}.json")
    params["dataset_reader"]["max_instances"] = SENTENCES
    params["train_data_path"] = str(repository / DATA)
    params["trainer"]["num_epochs"] = 1
    params.pop("validation_data_path")
    train_model(params, str(folder))
    archive = load_archive(folder / "model.tar.gz")
    model = archive.model.train()
    instances = list(archive.dataset_reader.read(str(repository / DATA)))
    torch.manual_seed(3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    batches = []
    for first in range(3):
        batch = Batch(instances[first::3])
        batch.index_instances(model.vocab)
        batches.append(batch.as_tensor_dict())
    for step in range(steps):
        optimizer.zero_grad()
        model(**batches[step % 3])["loss"].backward()
        optimizer.step()
    torch.save(model.state_dict(), folder / "best.th")
    return Path(archive_model(folder))
