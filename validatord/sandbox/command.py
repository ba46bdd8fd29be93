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
class Ports:
    """Where to listen; 0 takes a free port."""

    dns: int = 0
    smtp: int = 2525
    control: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which world to play, "demo" or "bench"; `addresses` of 0 gives the list its usual length."""

    name: str = "demo"
    seed: int = 1
    addresses: int = 0
    domains: int = 400  # of "bench"; the demo's are fixed

    def make_sample(self, speed: float = 1.0) -> Sample:
        """Build the world and the list that belongs to it, the same for the same scenario."""
        if self.name == "bench":
            return bench.bench_list(self.addresses or 20_000, self.domains, self.seed, speed)
        return sample.sample_list(self.seed, self.addresses or 2_200, speed)


def write_list(chosen: Sample, path: Path) -> None:
    """Write the list with its truth as CSV: address, status, reason, kind."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("email", "status", "reason", "kind"))
        writer.writerows((one.address, one.status.value, one.reason.value, one.kind) for one in chosen.addresses)


async def run_sandbox(
    ports: Ports = Ports(),
    *,
    scenario: Scenario = Scenario(),
    speed: float = 1.0,
    ready_file: Path | None = None,
    list_file: Path | None = None,
    stopping: asyncio.Event | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or `stopping`.

    Where everything is goes into `ready_file`, or to standard output without one, as one JSON line.
    `list_file` gets the list with its truth, as CSV. Every wait is divided by `speed`.
    """
    stopping = stopping or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    chosen = await asyncio.to_thread(scenario.make_sample, speed)
    if list_file:
        await asyncio.to_thread(write_list, chosen, list_file)
    spec = replace(chosen.spec, dns_port=ports.dns, smtp_port=ports.smtp, control_port=ports.control)
    async with Sandbox(spec) as sandbox:
        where = {
            **sandbox.where(),
            "pid": os.getpid(),
            "disposable_domains": chosen.disposable_domains,
            "free_domains": chosen.free_domains,
        }
        await asyncio.to_thread(_announce, json.dumps(where), ready_file)
        await stopping.wait()


def _announce(line: str, ready_file: Path | None) -> None:
    if ready_file is None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return
    # Whoever waits for the file must never see half of it.
    half = ready_file.with_name(ready_file.name + ".new")
    half.write_text(line + "\n", encoding="utf-8")
    half.replace(ready_file)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m validatord.sandbox.command", description=__doc__)
    parser.add_argument("--scenario", choices=("demo", "bench"), default="demo")
    defaults = {"seed": 1, "addresses": 0, "domains": 400, "dns-port": 0, "smtp-port": 2525, "control-port": 0}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--list-file", type=Path)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Run as a program of its own: `python -m validatord.sandbox.command`."""
    given = _parse(arguments)
    asyncio.run(
        run_sandbox(
            Ports(given.dns_port, given.smtp_port, given.control_port),
            scenario=Scenario(given.scenario, given.seed, given.addresses, given.domains),
            speed=given.speed,
            ready_file=given.ready_file,
            list_file=given.list_file,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
