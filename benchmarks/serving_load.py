"""
The load of `benchmarks/serving.py`: requests of one sentence each, in an open loop (`--rate`) or a closed one
(`--clients`). Prints JSON: how many were sent, statuses, and the seconds of each answer.

    python benchmarks/serving_load.py PORT --rate 100 --seconds 60
"""

import argparse
import asyncio
import gc
import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "fixtures/sample"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
TIMEOUT = 60.0
HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def sentences() -> list[str]:
    """The sentences of the bundled sample."""
    lines = [line for name in ("train.json", "dev.json") for line in (SAMPLE / name).read_text("utf-8").splitlines()]
    return [json.loads(line)["text"] for line in lines]


class Client:
    """
    Sends requests over connections that are kept.

    # Parameters

    port : `int`
    mixed : `bool`
        Whether texts have 5 to 400 characters instead of being sentences.
    """

    def __init__(self, port: int, mixed: bool, seed: int) -> None:
        self._port, self._mixed, self._random = port, mixed, random.Random(seed)
        self._texts = sentences()
        self._idle: list[Connection] = []
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.lost = self.unreached = 0

    def body(self) -> bytes:
        if not self._mixed:
            text = self._random.choice(self._texts)
        else:
            length = int(5 * 80 ** self._random.random())
            text = "".join(self._random.choices(self._texts, k=1 + length // 10))[:length]
        return json.dumps({"text": text}, ensure_ascii=False).encode()

    async def request(self, due: float) -> None:
        """One request, whose latency counts from when it was due."""
        body = self.body()
        head = f"{HEAD}Content-Length: {len(body)}\r\n\r\n"
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection[0].at_eof():
            try:
                connection = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.unreached += 1  # the server does not listen
                return
        reader, writer = connection
        try:
            writer.write(head.encode() + body)
            status, kept = await asyncio.wait_for(_answer(reader), TIMEOUT)
        except asyncio.TimeoutError:
            self.statuses["hang"] += 1
            writer.close()
            return
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.lost += 1
            writer.close()
            return
        self.statuses[status] += 1
        self.seconds.append(time.perf_counter() - due)
        if kept:
            self._idle.append(connection)
        else:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """Status, and whether the connection is kept."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(length)
    return head.split(" ", 2)[1], "connection: close" not in head


async def open_loop(client: Client, rate: float, seconds: float, seed: int, even: bool) -> int:
    """Requests at equal distances, or at the times of a Poisson process; waits for the last answers."""
    draw, tasks, sent = random.Random(seed), set(), 0
    began = due = time.perf_counter()
    while (due := due + (1 / rate if even else draw.expovariate(rate))) < began + seconds:
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.ensure_future(client.request(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
    await asyncio.gather(*tasks)
    return sent


async def closed_loop(client: Client, clients: int, seconds: float) -> int:
    """Clients that send the next request when the last is answered."""
    end, sent = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal sent
        while (now := time.perf_counter()) < end:
            sent += 1
            await client.request(now)

    await asyncio.gather(*(one() for _ in range(clients)))
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, help="requests per second, in an open loop")
    parser.add_argument("--clients", type=int, default=1, help="of a closed loop")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--even", type=int, default=0, help="in an open loop: 1 for equal distances, 0 for random ones")
    parser.add_argument("--mixed", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection for each request that waits
    client = Client(args.port, bool(args.mixed), args.seed)
    gc.disable()
    began = time.perf_counter()
    run = (
        closed_loop(client, args.clients, args.seconds)
        if args.rate is None
        else open_loop(client, args.rate, args.seconds, args.seed, bool(args.even))
    )
    sent = asyncio.run(run)
    rate = client.statuses["200"] / (time.perf_counter() - began)
    json.dump(
        {"sent": sent, "rate": rate, "statuses": client.statuses, "lost": client.lost, "unreached": client.unreached,
         "seconds": client.seconds}, sys.stdout,
    )  # fmt: skip


if __name__ == "__main__":
    main()
