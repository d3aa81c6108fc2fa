"""The load of `benchmarks/serving.py`, on a server that is quick."""

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest
from served_models import Letters, served, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_in_an_open_loop_a_latency_counts_from_when_a_request_was_due(script: Any) -> None:
    load, backend = script("serving_load"), Letters(budget=1000)
    with served(backend) as server:
        client = load.Client(server.port, mixed=True, seed=1)
        backend.entered.acquire()
        backend.open.clear()

        async def run() -> int:
            asyncio.get_running_loop().call_later(0.5, backend.open.set)
            sent: int = await load.open_loop(client, rate=100, seconds=0.4, seed=1, even=False)
            return sent

        sent = asyncio.run(run())
        assert client.statuses == {"200": sent} and 20 < sent < 70 and client.lost == client.unreached == 0
        assert max(client.seconds) > 0.4 and min(client.seconds) > 0.09  # they left while nothing was answered
        closed = load.Client(server.port, mixed=False, seed=2)
        assert asyncio.run(load.closed_loop(closed, clients=3, seconds=0.2)) == sum(closed.statuses.values()) > 3
    wait_until(lambda: server.server.should_exit)
    gone = load.Client(server.port, mixed=False, seed=2)
    asyncio.run(gone.request(0.0))
    assert gone.unreached == 1 and not gone.statuses


def test_figures(script: Any) -> None:
    serving = script("serving")
    assert serving.quantiles([number / 1000 for number in range(100, 0, -1)]) == [51.0, 96.0, 100.0, 100.0]
    early, late, change = serving.growth([50.0] + [100.0] * 9 + [101.0])
    assert (early, late) == (100.0, 101.0) and change == pytest.approx(0.01)
