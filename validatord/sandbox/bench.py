"""The world of the load tests: many healthy domains, shared providers, and a list with known truth."""

import random

from validatord.sandbox.worlds import Sample, SampleAddress, World, share_out

# What a local part begins with, and how often in a hundred.
_MIX = {"user": 80, "unknown": 13, "full": 3, "disabled": 3, "forward": 1}
_LATENCY = (0.020, 0.200)
_HOSTERS = 4
_ACCEPT_ALL_EVERY = 10


def bench_list(addresses: int = 20_000, domains: int = 400, seed: int = 1, speed: float = 1.0) -> Sample:
    """Make a list of different addresses over Zipf-sized domains, one in ten of which accepts all.

    A third of the domains is at one large provider, a fifth at another, a fifth at four hosters, and the
    rest has hosts of its own, most of which offer pipelining. Hosts answer after 20 to 200 ms.
    """
    rng = random.Random(seed)  # noqa: S311 nothing here is a secret
    world = World(rng, _LATENCY)
    names = _add_domains(world, domains)
    found: list[SampleAddress] = []
    for domain, count in zip(names, share_out(addresses, domains), strict=True):
        kinds = rng.choices(list(_MIX), list(_MIX.values()), k=count)
        found += [world.judge(f"{kind}{number:06}", domain) for number, kind in enumerate(kinds, 1)]
    rng.shuffle(found)
    return Sample(world.build(speed), tuple(found))


def _add_domains(world: World, count: int) -> list[str]:
    google = world.add_provider("google-like.example", "google", 3)
    hosters = [world.add_provider(f"hoster-{number}.example", "postfix-limits", 2) for number in range(1, _HOSTERS + 1)]
    found: list[str] = []
    for number in range(1, count + 1):
        name = f"acme-{number:03}.example"
        accepts_all = number % _ACCEPT_ALL_EVERY == 0
        match world.rng.choices(("google", "m365", "hoster", "own"), (35, 20, 20, 25))[0]:
            case "google":
                world.add_domain(name, google, accepts_all=accepts_all)
            case "m365":
                world.add_tenant(name, "m365-open" if accepts_all else "m365")
            case "hoster":
                world.add_domain(name, world.rng.choice(hosters), accepts_all=accepts_all)
            case _:
                personality = world.rng.choices(("postfix", "exim", "tls-offered", "no-pipelining"), (6, 2, 1, 1))[0]
                world.add_own(name, personality, accepts_all=accepts_all)
        found.append(name)
    return found
