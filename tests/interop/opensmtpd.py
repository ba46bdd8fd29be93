"""OpenSMTPD: one daemon with a listener for each way it is run."""

from tests.interop import postfix
from tests.interop.jail import Jail, Process
from tests.interop.name_server import Site

_FOLDER = "/srv/opensmtpd"
_USERS = ("known", "second", "third", "full", "disabled", "postmaster")

# What a listener is given besides its address, by kind.
_LISTENERS = {
    "plain": 'filter "mailboxes"',
    "offered": 'tls pki "mx" filter "mailboxes"',
    "encrypted": 'tls-require pki "mx"',
    "strict": 'filter "strict"',
    "all": "",
}
_CONFIG = """
pki "mx" cert "/srv/opensmtpd/tls.pem"
pki "mx" key "/srv/opensmtpd/tls.pem"
table users file:/srv/opensmtpd/users
table everybody {{ "@" = "known" }}
table aliases {{ "abuse" = "known" }}
filter "full" phase rcpt-to match rcpt-to regex "^full@" reject "552 5.2.2 Mailbox full"
filter "disabled" phase rcpt-to match rcpt-to regex "^disabled@" reject "550 5.2.1 Mailbox disabled"
filter "mailboxes" chain {{ "full", "disabled" }}
filter "named" phase connect match !rdns reject "550 your address has no name"
filter "twice named" phase connect match !fcrdns reject "550 your name does not lead back"
filter "hello" phase helo match !fcrdns reject "550 no"
filter "strict" chain {{ "named", "twice named", "hello", "full", "disabled" }}
smtp limit max-rcpt 3
{listeners}
action "to users" maildir "/tmp/mail" userbase <users> alias <aliases>
action "to everybody" maildir "/tmp/mail" userbase <users> virtual <everybody>
match from any for domain "opensmtpd-all.example" action "to everybody"
match from any for domain {{ {domains} }} action "to users"
"""


def domain_of(kind: str) -> str:
    """Return the domain of a kind."""
    return f"opensmtpd-{kind}.example"


def list_sites() -> list[Site]:
    """Return the domains and where their MX hosts listen."""
    foreign = Site(domain_of("foreign"), "127.89.3.1")
    return [*(Site(domain_of(kind), f"127.89.3.{number}") for number, kind in enumerate(_LISTENERS, 1)), foreign]


def start(jail: Jail, port: int) -> Process:
    """Start OpenSMTPD."""
    jail.make_folder(_FOLDER)
    jail.make_folder("/var/lib/opensmtpd/empty")
    jail.write(f"{_FOLDER}/users", "".join(f"{name} 61020:61020:/var/empty\n" for name in _USERS))
    postfix.make_certificate(jail, f"{_FOLDER}/tls.pem", "mx.opensmtpd-offered.example")
    sites = list_sites()
    listeners = "".join(
        f"listen on {site.address} port {port} hostname {site.mx_host} {options}\n"
        for site, options in zip(sites, _LISTENERS.values(), strict=False)
    )
    domains = ", ".join(f'"{domain_of(kind)}"' for kind in _LISTENERS if kind != "all")
    jail.write(f"{_FOLDER}/smtpd.conf", _CONFIG.format(listeners=listeners, domains=domains), 0o600)
    server = jail.start(["/usr/sbin/smtpd", "-d", "-f", f"{_FOLDER}/smtpd.conf"], f"{_FOLDER}/log")
    for site in sites:
        server.wait_for_port(site.address, port)
    return server


def can_hold_tls(jail: Jail, port: int) -> bool:
    """Whether STARTTLS works with the tool that OpenSSL brings."""
    address = list_sites()[1].address
    command = ["/usr/bin/openssl", "s_client", "-starttls", "smtp", "-connect", f"{address}:{port}", "-brief"]
    try:
        jail.run(*command)
    except RuntimeError:
        return False
    return True
