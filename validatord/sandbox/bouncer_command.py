"""Run the sandbox Bouncer until a signal ends it; a child process of the demo, the benchmark and the tests."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from validatord.sandbox.bouncer import SandboxBouncer
from validatord.sandbox.bouncer_world import BouncerSpec


async def run_bouncer(spec: BouncerSpec, port: int = 0, ready_file: str = "") -> None:
    """Run until SIGTERM or SIGINT; where it listens stands in the ready file, or on standard output without one."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service = SandboxBouncer(spec)
    await service.start(port)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(service.aclose)
        where = {"url": service.url, "key": spec.keys[0][0], "deep_key": spec.keys[1][0], "pid": os.getpid()}
        await asyncio.to_thread(_announce, json.dumps(where), ready_file)
        await stopping.wait()


def _announce(line: str, ready_file: str) -> None:
    if not ready_file:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return
    # Whoever waits for the file must never see half of it.
    half = Path(ready_file + ".new")
    half.write_text(line + "\n", encoding="utf-8")
    half.replace(ready_file)


def _parse(arguments: list[str]) -> tuple[BouncerSpec, int, str]:
    parser = argparse.ArgumentParser(prog="python -m validatord.sandbox.bouncer_command", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-file", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds in a real one")
    parser.add_argument("--credits", type=int, default=1_000_000)
    parser.add_argument("--slots", type=int, default=1, help="batches worked off at the same time")
    parser.add_argument("--unlimited", action="store_true", help="no rate limits")
    parser.add_argument("--control", action="store_true", help="take commands at /_control/")
    found = parser.parse_args(arguments)
    spec = BouncerSpec(
        seed=found.seed,
        speed=found.speed,
        credits=found.credits,
        slots=found.slots,
        is_limited=not found.unlimited,
        has_control=found.control,
    )
    return spec, found.port, found.ready_file


if __name__ == "__main__":
    asyncio.run(run_bouncer(*_parse(sys.argv[1:])))
