import pytest

from ner_plugins.data_tools.choices import check_choice
from ner_plugins.errors import ConfigError

CHOICES = ("alpha", "beta")


@pytest.mark.parametrize("choices", [CHOICES, dict.fromkeys(CHOICES, 0)])
def test_a_choice_that_there_is(choices) -> None:
    check_choice("letter", "beta", choices)


@pytest.mark.parametrize(
    "value, message",
    [
        ("Betta", "unknown letter 'Betta': did you mean 'beta'? It must be one of alpha, beta"),
        ("gamma ray", "unknown letter 'gamma ray': it must be one of alpha, beta"),
        ("", "unknown letter '': it must be one of alpha, beta"),
        (None, "unknown letter None: it must be one of alpha, beta"),
        (["beta"], "unknown letter ['beta']: did you mean 'beta'? It must be one of alpha, beta"),
    ],
)
def test_any_other_is_an_error(value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_choice("letter", value, CHOICES)
    assert str(caught.value) == message
