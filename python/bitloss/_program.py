"""The program that comes with the package, run as a process: what it prints, and how it fails."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import BY_EXIT_CODE, Error, NotFound


def path() -> pathlib.Path:
    """Where the program lies: BITLOSS_PROGRAM, or within the package."""
    named = os.environ.get("BITLOSS_PROGRAM")
    program = pathlib.Path(named or pathlib.Path(__file__).parent / "program" / "bin" / "bitloss")
    if not program.is_file():
        raise NotFound(f"'{program}': the program is not there; install the package again")
    return program


def flags(options: Mapping[str, Any]) -> list[str]:
    """`max_samples=8` as `--max-samples 8`; True is a flag alone; None and False are left out; of
    several values, one separated by commas."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is True:
            continue
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike)):
            value = ",".join(str(part) for part in value)
        words.append(os.fspath(value) if isinstance(value, os.PathLike) else str(value))
    return words


def run(words: Iterable[str | os.PathLike[str]], *, show_progress: bool = False, stdin: str | None = None) -> str:
    """What the program prints. Its progress goes to standard error, if asked for. Ctrl-C reaches it,
    and is raised here when it has stopped; what it had stored stays."""
    command = [os.fspath(path()), *(os.fspath(word) for word in words)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=None if show_progress else subprocess.PIPE,
                          text=True) as process:
        try:
            out, err = process.communicate(stdin)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if process.returncode == 0:
        return out
    if process.returncode < 0:
        raise Error(f"bitloss was ended by {signal.Signals(-process.returncode).name}")
    line = (err or "").strip().rsplit("\n", 1)[-1].removeprefix("bitloss: ")
    kind = BY_EXIT_CODE.get(process.returncode, Error)
    raise kind(line or f"bitloss ended with {process.returncode}; its message is on standard error")


def main() -> None:
    """The command `bitloss`: becomes the program."""
    program = os.fspath(path())
    os.execv(program, [program, *sys.argv[1:]])
