"""With 0 or 2 workers, forked or spawned, every reader yields the same instances, each worker's in their order."""

import logging
import re
from collections import Counter, defaultdict

import pytest
from allennlp.data import Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.data_loaders.multiprocess_data_loader import WorkerError
from allennlp.data.dataset_readers import WorkerInfo
from allennlp.data.dataset_readers.dataset_reader import DistributedInfo
from reader_fixtures import ReadersInTurn, cluener_line, facts, fixture_paths, fixtures, make_reader, readers

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.errors import DataError
from ner_plugins.tokenizers import NerWordTokenizer

FOLDERS = sorted(fixtures())
# Its files are not text, and are made by spaCy, where that is installed.
_WITHOUT_FIXTURE = {"spacy_ner"}
# A spawned worker imports everything anew, for seconds; `test_two_workers` has one in any case.
FORK_AND_MAYBE_SPAWN = ["fork", pytest.param("spawn", marks=pytest.mark.exhaustive)]


def test_every_reader_has_a_fixture():
    assert set(readers()) - set(fixtures().values()) - _WITHOUT_FIXTURE == set()
    for folder in FOLDERS:
        assert fixture_paths(folder), folder


def seed_of_both(folder):
    """A seed with which some of the fixture's training texts are held out, and some are not."""
    for seed in range(100):
        for split in ("train", "dev"):
            try:
                list(make_reader(folder, dev_fraction=0.4, dev_seed=seed).read(f"{train(folder)}#{split}"))
            except DataError:
                break
        else:
            return seed
    raise AssertionError(f"fixtures/{folder} cannot be split")


def train(folder):
    return next(path for path in fixture_paths(folder) if path.endswith("#train")).removesuffix("#train")


def parts():
    """Each fixture's splits; its first sentences; its training texts parted in two; its words; its errors skipped."""
    found = []
    for folder in FOLDERS:
        found += [(make_reader(folder), path) for path in fixture_paths(folder)]
        first = fixture_paths(folder)[0]
        found.append((make_reader(folder, max_instances=3), first))
        found.append((make_reader(folder, max_instances=1, tokenizer=NerWordTokenizer()), first))
        options = {"dev_fraction": 0.4, "dev_seed": seed_of_both(folder)}
        found += [(make_reader(folder, **options), f"{train(folder)}#{split}") for split in ("train", "dev")]
        found.append((make_reader(folder, on_error="skip", encoding_errors="replace", boundary="drop"), first))
    return found


def grouped(instances):
    groups = defaultdict(list)
    for instance in instances:
        groups[instance["metadata"]["part"]].append(facts(instance))
    return groups


def load(parts, **options):
    return MultiProcessDataLoader(ReadersInTurn(parts), "all", batch_size=4, quiet=True, **options)


@pytest.fixture(scope="module")
def alone():
    """What one process reads, in order."""
    return grouped(load(parts()).iter_instances())


def check_same(found, alone):
    made = parts()
    assert set(alone) == set(range(len(made)))
    for place, expected in alone.items():
        path = made[place][1]
        assert Counter(found[place]) == Counter(expected), path
        # Worker w has the sentences w, w + 2, …; the two queue theirs side by side.
        for worker in range(2):
            share = expected[worker::2]
            assert is_subsequence(share, found[place]), path


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(item in rest for item in part)


def test_one_process_reads_what_the_reader_yields(alone):
    for place, (reader, path) in enumerate(parts()):
        if reader.max_instances is None:
            assert len(alone[place]) == sum(1 for _ in reader.sentences(path)) > 0
        else:
            unlimited = type(reader)(tokenizer=reader.tokenizer).read(path)
            first = [fact for fact, _ in zip(map(facts, unlimited), range(reader.max_instances), strict=False)]
            assert len(alone[place]) == len(first) and all("'part'" in fact for fact in alone[place])


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_two_workers(alone, start_method):
    check_same(grouped(load(parts(), num_workers=2, start_method=start_method).iter_instances()), alone)


@pytest.mark.parametrize("start_method", FORK_AND_MAYBE_SPAWN)
def test_two_workers_that_make_batches(alone, start_method):
    some = [part for part in parts() if "entities" in next(iter(part[0].read(part[1]))).fields]
    one = load(some)
    vocabulary = Vocabulary.from_instances(one.iter_instances())
    one.index_with(vocabulary)
    two = load(some, num_workers=2, start_method=start_method, max_instances_in_memory=8)
    two.index_with(vocabulary)
    found, expected = ([repr(m) for batch in loader for m in batch["metadata"]] for loader in (two, one))
    assert Counter(found) == Counter(expected)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("max_instances", [None, 3])
def test_ranks_and_their_workers_share_everything(folder, max_instances):
    path = fixture_paths(folder)[0]
    expected = [facts(instance) for instance in make_reader(folder, max_instances=max_instances).read(path)]
    found = []
    for rank in range(2):
        for worker in range(2):
            reader = make_reader(folder, max_instances=max_instances)
            reader._set_distributed_info(DistributedInfo(2, rank))
            reader._set_worker_info(WorkerInfo(2, worker))
            share = [facts(instance) for instance in reader.read(path)]
            assert is_subsequence(share, expected)
            found += share
    assert Counter(found) == Counter(expected)


@pytest.fixture
def troubled(tmp_path):
    """Two bad records, four entities that share tokens with other text, and a misspelt setting's type."""
    path = tmp_path / "troubled.json"
    line = cluener_line("ab cd", X=[0, 0], Y=[3, 4])
    path.write_text(line * 2 + "{\n" + line + "[]\n" + line, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("start_method", [None, *FORK_AND_MAYBE_SPAWN])
def test_each_thing_is_reported_once(troubled, tmp_path, start_method):
    reader = CluenerReader(tokenizer=NerWordTokenizer(), on_error="skip", entity_types=["X", "Z"])
    options = {} if start_method is None else {"num_workers": 2, "start_method": start_method}
    messages = messages_of(lambda: list(load([(reader, troubled)], **options).iter_instances()), tmp_path, start_method)
    assert len(re.findall(r"skipped: .*:3: ", messages)) == len(re.findall(r"skipped: .*:5: ", messages)) == 1
    assert messages.count("2 of 6 records skipped") == 1
    assert messages.count("no entity of the types Z") == 1
    moved = re.findall(r"(\d+) entities do not begin and end at token boundaries", messages)
    assert sum(map(int, moved)) == 4


def messages_of(do, tmp_path, start_method):
    """What is logged meanwhile, in this process and in workers."""
    path = tmp_path / "log"
    if start_method == "spawn":  # a worker writes to its standard error
        import os

        kept = os.dup(2)
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
            try:
                do()
            finally:
                os.dup2(kept, 2)
                os.close(kept)
    else:
        handler = logging.FileHandler(path)
        logger = logging.getLogger("ner_plugins")
        logger.addHandler(handler)
        try:
            do()
        finally:
            logger.removeHandler(handler)
            handler.close()
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("start_method", FORK_AND_MAYBE_SPAWN)
def test_an_error_in_a_worker_names_the_line(troubled, start_method):
    with pytest.raises(WorkerError, match=r"troubled\.json:3: the line ends in the middle of a JSON value"):
        load([(CluenerReader(), troubled)], num_workers=2, start_method=start_method)
