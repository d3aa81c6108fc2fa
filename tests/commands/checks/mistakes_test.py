"""Several mistakes in one message."""

import pytest

from ner_plugins.commands.checks.mistakes import Mistake, raise_if_any
from ner_plugins.errors import ConfigError


def test_none_is_no_error() -> None:
    raise_if_any([])


def test_one_is_a_message_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        raise_if_any([Mistake("trainer.num_epochs", "trainer.num_epochs is 0")])
    assert str(caught.value) == "trainer.num_epochs is 0"


def test_several_are_numbered_and_one_of_several_keys_is_one() -> None:
    paths = [Mistake(f"{name}_data_path", "data: no such file") for name in ("train", "validation", "train")]
    with pytest.raises(ConfigError) as caught:
        raise_if_any([paths[0], Mistake("", "no folder"), *paths[1:]])
    assert str(caught.value) == (
        "the config has 2 mistakes:\n  1. train_data_path and validation_data_path: data: no such file\n  2. no folder"
    )
