import random

import numpy
import torch

from ner_plugins.archives import weights as safe_load
from ner_plugins.training.engine.random_states import random_states, restore_random_states


def draw() -> list[float]:
    return [random.gauss(0, 1), random.random(), numpy.random.normal(), numpy.random.rand(), float(torch.rand(()))]


def test_what_follows_is_drawn_again_also_from_a_file(tmp_path) -> None:
    draw()  # an odd number of normal numbers: the generators keep the other one of a pair
    states = random_states()
    safe_load.save(states, tmp_path / "states.th")
    first = [draw() for _ in range(3)]
    assert [draw() for _ in range(3)] != first
    restore_random_states(states)
    assert [draw() for _ in range(3)] == first
    restore_random_states(safe_load.load(tmp_path / "states.th"))
    assert [draw() for _ in range(3)] == first
