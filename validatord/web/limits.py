"""How often: requests of a key, refused keys of an address. All in memory, all bounded."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from validatord.clock import Clock
from validatord.settings import WebSettings
from validatord.web import problems
from validatord.web.problems import Problem

_BURST_SECONDS = 10.0
_MINUTE = 60.0
_MOST_COUNTED = 10_000


@dataclass(slots=True)
class _Bucket:
    """What is left, and since when that is true."""

    left: float
    since: float


class Buckets:
    """Token buckets by key; the oldest are forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def take(self, key: object, *, per_second: float, burst: float, count: float = 1.0) -> float:
        """Take tokens; return 0, or in how many seconds there are enough: then nothing was taken."""
        bucket = self._fill(key, per_second, burst)
        if bucket.left >= count:
            bucket.left -= count
            return 0.0
        return (count - bucket.left) / per_second

    def wait_for(self, key: object, *, per_second: float, burst: float) -> float:
        """Return in how many seconds there is a token, without taking it."""
        if key not in self._buckets:
            return 0.0
        return max(0.0, (1.0 - self._fill(key, per_second, burst).left) / per_second)

    def _fill(self, key: object, per_second: float, burst: float) -> _Bucket:
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(burst, now)
            while len(self._buckets) > _MOST_COUNTED:
                self._buckets.popitem(last=False)
        else:
            bucket.left = min(burst, bucket.left + (now - bucket.since) * per_second)
            bucket.since = now
            self._buckets.move_to_end(key)
        return bucket


class Limits:
    """The limits in force; `settings` is asked each time, since they may be reloaded."""

    def __init__(self, settings: Callable[[], WebSettings], clock: Clock) -> None:
        self._settings = settings
        self._requests = Buckets(clock)
        self._failures = Buckets(clock)

    def take(self, key_id: int) -> None:
        """Count a request of a key, or raise 429."""
        rate = self._settings().requests_per_second
        if rate:
            wait = self._requests.take(key_id, per_second=rate, burst=max(1.0, rate * _BURST_SECONDS))
            if wait:
                raise Problem(problems.TOO_MANY_REQUESTS, "this key asks too often", retry_after=wait)

    def check_failures(self, address: str) -> None:
        """Raise 429 for an address that was refused too often."""
        most = self._settings().failures_per_minute
        if most:
            wait = self._failures.wait_for(address, per_second=most / _MINUTE, burst=most)
            if wait:
                detail = "too many refused keys from this address"
                raise Problem(problems.TOO_MANY_REQUESTS, detail, retry_after=wait)

    def count_failure(self, address: str) -> None:
        """Count a refused key."""
        most = self._settings().failures_per_minute
        if most:
            self._failures.take(address, per_second=most / _MINUTE, burst=most)

    def find_address(self, request: web.Request) -> str:
        """Return who is at the other end; behind a trusted proxy, whom the last untrusted hop names."""
        remote = request.remote or ""
        trusted = self._settings().trusted_proxies
        if not trusted or not _lies_in(remote, trusted):
            return remote
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
            remote = hop
            if not _lies_in(hop, trusted):
                break
        return remote[:64]


def _lies_in(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)
