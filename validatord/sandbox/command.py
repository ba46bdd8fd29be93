"""Run a sandbox until a signal ends it: `validatord sandbox`, or a child process of a test."""

import argparse
import asyncio
import csv
import json
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from validatord.sandbox import bench, sample
from validatord.sandbox.internet import Sandbox
from validatord.sandbox.worlds import Sample


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What can be chosen on the command line; ports of 0 are free ones."""

    scenario: str = "demo"  # or "bench"
    seed: int = 1
    speed: float = 1.0
    dns_port: int = 0
    smtp_port: int = 2525
    control_port: int = 0
    addresses: int = 0  # length of the list; 0: the scenario's own
    domains: int = 400  # of the scenario "bench"
    ready_file: str = ""  # gets one JSON line once everything listens
    list_file: str = ""  # gets the list with its truth, as CSV


def make_sample(options: SandboxOptions) -> Sample:
    """Build the world of the scenario and the list that belongs to it, the same for the same options."""
    if options.scenario == "bench":
        return bench.bench_list(options.addresses or 20_000, options.domains, options.seed, options.speed)
    return sample.sample_list(options.seed, options.addresses or 2_200, options.speed)


def write_list(chosen: Sample, path: Path) -> None:
    """Write the list with its truth as CSV: address, status, reason, kind."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("email", "status", "reason", "kind"))
        writer.writerows((one.address, one.status.value, one.reason.value, one.kind) for one in chosen.addresses)


async def run_sandbox(options: SandboxOptions, stopping: asyncio.Event | None = None) -> None:
    """Run until SIGTERM, SIGINT or `stopping`.

    Where everything is goes to standard output, and into the ready file if there is one, as one JSON line.
    """
    stopping = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    chosen = await asyncio.to_thread(make_sample, options)
    ports = replace(
        chosen.spec, dns_port=options.dns_port, smtp_port=options.smtp_port, control_port=options.control_port
    )
    if options.list_file:
        await asyncio.to_thread(write_list, chosen, Path(options.list_file))
    async with Sandbox(ports) as sandbox:
        where = {
            **sandbox.where(),
            "pid": os.getpid(),
            "disposable_domains": chosen.disposable_domains,
            "free_domains": chosen.free_domains,
        }
        await asyncio.to_thread(_announce, json.dumps(where), options.ready_file)
        await stopping.wait()


def _announce(line: str, ready_file: str) -> None:
    if ready_file:
        # Whoever waits for the file must never see half of it.
        half = Path(ready_file + ".new")
        half.write_text(line + "\n", encoding="utf-8")
        half.replace(ready_file)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parse(arguments: list[str]) -> SandboxOptions:
    parser = argparse.ArgumentParser(prog="python -m validatord.sandbox.command", description=__doc__)
    defaults = SandboxOptions()
    parser.add_argument("--scenario", choices=("demo", "bench"), default=defaults.scenario)
    for name in ("seed", "dns-port", "smtp-port", "control-port", "addresses", "domains"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name.replace("-", "_")))
    parser.add_argument("--speed", type=float, default=defaults.speed)
    parser.add_argument("--ready-file", default="")
    parser.add_argument("--list-file", default="")
    return SandboxOptions(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    asyncio.run(run_sandbox(_parse(sys.argv[1:])))
