"""NSD as the name server of all tests: the domains of the mail servers, our own, and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.interop.jail import Jail, Process

ADDRESS = "127.89.0.1"
PORT = 53  # /etc/resolv.conf, which the mail servers read, knows no other

# We, as the servers see us: an address with a name that leads back to it. The other one has come to be listed.
SOURCE_ADDRESS = "127.89.0.25"
LISTED_ADDRESS = "127.89.0.26"
LIST = "bl.interop.example"
HELO_NAME = "probe.validatord.example"
ENVELOPE_SENDER = "probe@validatord.example"

_FOLDER = "/srv/nsd"
_SOA = "@ 300 IN SOA ns.interop.example. hostmaster.interop.example. 1 3600 900 86400 60\n@ 300 IN NS ns.interop.example.\n"
_CONFIG = f"""
server:
    ip-address: {ADDRESS}@{PORT}
    do-ip6: no
    server-count: 1
    username: nsd
    zonesdir: "{_FOLDER}"
    database: ""
    pidfile: "{_FOLDER}/nsd.pid"
    xfrdfile: "{_FOLDER}/xfrd.state"
    zonelistfile: "{_FOLDER}/zone.list"
    xfrdir: "{_FOLDER}"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: root.zone
zone:
    name: "example"
    zonefile: example.zone
zone:
    name: "89.127.in-addr.arpa"
    zonefile: reverse.zone
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A mail domain and the address its one MX host listens at."""

    domain: str
    address: str

    @property
    def mx_host(self) -> str:
        """The MX host's name; each site has its own, so that none shares a lane."""
        return f"mx.{self.domain}"


def start(jail: Jail, sites: Iterable[Site], more: str = "") -> Process:
    """Start the name server with the sites' records and `more` in the zone example."""
    jail.make_folder(_FOLDER, "nsd")
    jail.write(f"{_FOLDER}/nsd.conf", _CONFIG)
    jail.write(f"{_FOLDER}/root.zone", "$ORIGIN .\n" + _SOA)
    jail.write(f"{_FOLDER}/example.zone", "$ORIGIN example.\n" + _SOA + _own_records() + _records(sites) + more)
    jail.write(f"{_FOLDER}/reverse.zone", "$ORIGIN 89.127.in-addr.arpa.\n" + _SOA + _reverse(sites))
    server = jail.start(["/usr/sbin/nsd", "-d", "-c", f"{_FOLDER}/nsd.conf"], f"{_FOLDER}/log")
    server.wait_for_port(ADDRESS, PORT)
    return server


def _records(sites: Iterable[Site]) -> str:
    return "".join(
        f"{site.domain}. 300 IN MX 10 {site.mx_host}.\n{site.mx_host}. 300 IN A {site.address}\n" for site in sites
    )


def _own_records() -> str:
    ours = "".join(f"{HELO_NAME}. 300 IN A {address}\n" for address in (SOURCE_ADDRESS, LISTED_ADDRESS))
    listed = f"{'.'.join(reversed(LISTED_ADDRESS.split('.')))}.{LIST}. 300 IN A 127.0.0.2\n"
    return f"ns.interop 300 IN A {ADDRESS}\n{ours}{listed}"


def _reverse(sites: Iterable[Site]) -> str:
    names = {SOURCE_ADDRESS: HELO_NAME, LISTED_ADDRESS: HELO_NAME} | {site.address: site.mx_host for site in sites}
    return "".join(f"{_reverse_label(address)} 300 IN PTR {name}.\n" for address, name in names.items())


def _reverse_label(address: str) -> str:
    return ".".join(address.split(".")[:1:-1])
