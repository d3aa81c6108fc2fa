"""
Processes forked from one that has imported everything and done nothing else.

Such a process is as good as a fresh one, without the seconds that a fresh one spends on importing torch and AllenNLP.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).resolve().parent
ROOT = HELPERS.parents[1]
TIMEOUT = 600  # seconds


@cache
def context() -> Any:
    """The `multiprocessing` context whose processes are forked from one that has imported `forked_preload`."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["forked_preload"])
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HELPERS), str(ROOT), *([paths] if paths else [])])
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if paths is not None:
            os.environ["PYTHONPATH"] = paths
    return made


class Forked:
    """
    `allennlp ARGUMENTS`, or `python SCRIPT ARGUMENTS`, running in a forked process.

    Its standard input, output and error are files of its own. `wait` returns text, or bytes if `input` is bytes.
    """

    def __init__(
        self,
        arguments: list[str],
        input: str | bytes | None = None,
        cwd: Path = ROOT,
        environment: dict[str, str] | None = None,
        script: Path | None = None,
    ) -> None:
        self.arguments, self.as_bytes = arguments, isinstance(input, bytes)
        self.folder = tempfile.TemporaryDirectory(prefix="forked-")
        self.path = Path(self.folder.name)
        (self.path / "stdin").write_bytes(input.encode() if isinstance(input, str) else input or b"")
        environment = dict(os.environ) if environment is None else environment
        self.process = context().Process(target=_main, args=(arguments, str(cwd), environment, self.path, script))
        self.process.start()

    def wait(self) -> subprocess.CompletedProcess:
        """Wait for the end, at most `TIMEOUT` seconds."""
        with self.folder:
            self.process.join(TIMEOUT)
            if self.process.exitcode is None:
                self.process.kill()
                raise subprocess.TimeoutExpired(self.arguments, TIMEOUT)
            outputs: list[Any] = [(self.path / stream).read_bytes() for stream in ("stdout", "stderr")]
        if not self.as_bytes:
            outputs = [output.decode("utf-8").replace("\r\n", "\n") for output in outputs]
        return subprocess.CompletedProcess(self.arguments, self.process.exitcode, *outputs)


def _main(arguments: list[str], cwd: str, environment: dict[str, str], folder: Path, script: Path | None) -> None:
    for number, stream in enumerate(("stdin", "stdout", "stderr")):
        file = os.open(folder / stream, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has closed the parent's
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = [str(script or "allennlp"), *arguments]
    try:
        if script is None:
            from allennlp.__main__ import run

            run()
        else:
            sys.path.insert(0, str(script.parent))
            runpy.run_path(str(script), run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a forked process without them


def run_forked(*arguments: Any, **options: Any) -> subprocess.CompletedProcess:
    """`Forked(arguments, **options)`, run to its end."""
    return Forked(list(map(str, arguments)), **options).wait()


def run_ranks(program: str, folder: Path, *arguments: str, ranks: int = 2) -> list[subprocess.CompletedProcess]:
    """Run the Python code `program` in processes at one time; the arguments of each begin with its rank."""
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    processes = [Forked([str(rank), *arguments], script=script) for rank in range(ranks)]
    return [process.wait() for process in processes]


def run_instead(
    command: list[str],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    input: str | None = None,
    stdout: int | None = None,
    capture_output: bool = False,
    check: bool = False,
    **text: Any,
) -> subprocess.CompletedProcess:
    """
    In place of `subprocess.run` in a script that runs `allennlp …`, `python SCRIPT …` or `python -c CODE …`.

    Output that the script does not capture goes to this process's.
    """
    program, *arguments = map(str, command)
    with tempfile.TemporaryDirectory(prefix="forked-") as folder:
        script: Path | None = None
        if Path(program).name != "allennlp":
            assert program == sys.executable, f"{program} cannot be forked"
            script = Path(arguments.pop(0))
            if str(script) == "-c":
                script = Path(folder) / "code.py"
                script.write_text(arguments.pop(0), encoding="utf-8")
        done = run_forked(*arguments, input=input, cwd=cwd, environment=env, script=script)
    if stdout is None and not capture_output:
        sys.stdout.write(done.stdout)
    if not capture_output:
        sys.stderr.write(done.stderr)
    if check:
        done.check_returncode()
    return done
