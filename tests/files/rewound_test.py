import io

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.files.rewound import Rewound
from ner_plugins.files.text_lines import read_lines


@given(st.lists(st.sampled_from(["", "ab", "字\r", "x" * 9])), st.integers(0, 12))
def test_gives_all_lines_again(lines: list[str], looked_at: int) -> None:
    data = "\n".join(lines).encode()
    stream = io.BytesIO(data)
    again = Rewound(stream.read(looked_at), stream)
    assert list(read_lines(again, "f")) == list(read_lines(io.BytesIO(data), "f"))
