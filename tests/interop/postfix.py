"""Postfix: one master with a listener for each way it is run, all of them on the same port."""

from dataclasses import dataclass, field

from tests.interop import name_server
from tests.interop.jail import Jail, Process
from tests.interop.name_server import Site

_FOLDER = "/srv/postfix"
_OWN_DOMAIN = name_server.ENVELOPE_SENDER.partition("@")[2]
_POSTGREY = "127.89.1.200:10023"
POSTGREY_DELAY = 2
GREET_WAIT = 2

# What an administrator writes for a mailbox that takes nothing: in a table of check_recipient_access.
_ACCESS = {
    "full": "552 5.2.2 Mailbox is full",
    "disabled": "550 5.2.1 Mailbox disabled, not accepting messages",
    "closed": "REJECT",
}


@dataclass(frozen=True, slots=True)
class Listener:
    """One address that Postfix listens at, and what is different there."""

    name: str
    number: int
    options: dict[str, str] = field(default_factory=dict[str, str])
    is_screened: bool = False

    @property
    def domain(self) -> str:
        """The domain whose MX host it is."""
        return f"postfix-{self.name}.example"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.89.1.{self.number}"


# How most are run: only our own domains, only mailboxes that exist, a table of exceptions.
_ASKED = "reject_unauth_destination,check_recipient_access texthash:/srv/postfix/access"
_STRICT = {
    "smtpd_delay_reject": "no",
    "smtpd_helo_required": "yes",
    "strict_rfc821_envelopes": "yes",
    "disable_vrfy_command": "yes",
    "smtpd_client_restrictions": "reject_unknown_client_hostname,reject_unauth_pipelining",
    "smtpd_helo_restrictions": "reject_invalid_helo_hostname,reject_non_fqdn_helo_hostname,reject_unknown_helo_hostname",
    "smtpd_sender_restrictions": "reject_non_fqdn_sender,reject_unknown_sender_domain,reject_unverified_sender",
    "smtpd_recipient_restrictions": f"reject_unauth_pipelining,reject_non_fqdn_recipient,{_ASKED}",
}
_ALL_MAILBOXES = {"local_recipient_maps": ""}
LISTENERS = (
    Listener("local", 1),
    Listener("virtual", 2),
    Listener("alias", 3),
    Listener("relay", 4),
    Listener("soft", 5, {"unknown_local_recipient_reject_code": "450"}),
    Listener("screened", 6, is_screened=True),
    Listener("greylisted", 7, {"smtpd_recipient_restrictions": f"{_ASKED},check_policy_service inet:{_POSTGREY}"}),
    Listener("single", 8, {"smtpd_recipient_limit": "1"}),
    Listener("pair", 9, {"smtpd_recipient_limit": "2"}),
    Listener("all", 10, _ALL_MAILBOXES),
    Listener("encrypted", 11, {"smtpd_tls_security_level": "encrypt"}),
    Listener("offered", 12, {"smtpd_tls_security_level": "may"}),
    Listener("strict", 13, _STRICT),
    Listener("unhurried", 14, {"smtpd_discard_ehlo_keywords": "pipelining"}),
    Listener("ascii", 15, {"smtputf8_enable": "no"}),
    Listener("listing", 16, {"smtpd_recipient_restrictions": f"reject_rbl_client bl.interop.example,{_ASKED}"}),
    Listener("choosy", 17, {"smtpd_sender_restrictions": "check_sender_access texthash:/srv/postfix/senders"}),
    Listener("foreign", 18),
    Listener("verifying", 19, {"smtpd_recipient_restrictions": f"{_ASKED},reject_unverified_recipient"}),
    Listener("backup", 20, _ALL_MAILBOXES),
    Listener("counting", 21, {"smtpd_client_connection_count_limit": "2"}),
    Listener("sender", 25),
)
BY_NAME = {listener.name: listener for listener in LISTENERS}
# Domains that share one MX host.
SHARED_DOMAINS = tuple(f"shared{number}.example" for number in range(1, 13))
# Domains whose MX records lead here by other ways, and one that Exim stands in front of.
MORE_DOMAINS = (
    "exim-callout.example",
    "implicit.example",
    "xn--bcher-kva.example",
    "fallback.example",
    "fallback-open.example",
    *SHARED_DOMAINS,
)
MORE_RECORDS = """
implicit 300 IN A 127.89.1.1
xn--bcher-kva 300 IN MX 10 mx.postfix-local
fallback 300 IN MX 10 mx.down
fallback 300 IN MX 20 mx.postfix-local
fallback-open 300 IN MX 10 mx.down
fallback-open 300 IN MX 20 mx.postfix-backup
mx.down 300 IN A 127.89.1.250
nullmx 300 IN MX 0 .
nomail 300 IN TXT "no mail here"
""" + "".join(f"{domain}. 300 IN MX 10 mx.postfix-counting\n" for domain in SHARED_DOMAINS)
MAILBOXES = ("known", "second", "third", "full", "disabled", "closed", "postmaster", "jörg", "probe", "moved")

_MAIN = """
compatibility_level = 3.6
queue_directory = /srv/postfix/spool
data_directory = /srv/postfix/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
default_privs = known
myhostname = mx.postfix-local.example
mynetworks = 127.0.0.1/32
inet_interfaces = all
inet_protocols = ipv4
maillog_file = /srv/postfix/maillog
maillog_file_prefixes = /srv
mydestination = {local_domains}
alias_maps =
local_recipient_maps = texthash:/srv/postfix/mailboxes
relocated_maps = texthash:/srv/postfix/relocated
virtual_mailbox_domains = {virtual}
virtual_mailbox_maps = texthash:/srv/postfix/virtual
virtual_alias_domains = {alias}
virtual_alias_maps = texthash:/srv/postfix/aliases
relay_domains = {relay} {verifying} {own}
relay_recipient_maps = texthash:/srv/postfix/relayed
transport_maps = inline:{{ {verifying}=smtp:[{backend}]:{port}, {own}=smtp:[{own_address}]:{port} }}
smtp_tcp_port = {port}
smtp_bind_address = {local_address}
unverified_recipient_reject_code = 550
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = {asked}
smtpd_tls_chain_files = /srv/postfix/tls.pem
smtpd_tls_loglevel = 1
postscreen_greet_wait = {greet_wait}s
postscreen_greet_action = enforce
postscreen_pipelining_enable = yes
postscreen_non_smtp_command_enable = yes
postscreen_bare_newline_enable = yes
postscreen_cache_map = btree:$data_directory/screen
address_verify_map = btree:$data_directory/verify
address_verify_poll_delay = 1s
"""

_SERVICES = """
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace", "private")


def list_sites() -> list[Site]:
    """Return the domains and where their MX hosts listen."""
    own = Site(_OWN_DOMAIN, BY_NAME["sender"].address)
    return [*(Site(listener.domain, listener.address) for listener in LISTENERS), own]


def start(jail: Jail, port: int, backend: str) -> Process:
    """Start Postfix; `backend` is who knows the mailboxes of the domain it verifies."""
    for folder in ("spool", "spool/pid"):
        jail.make_folder(f"{_FOLDER}/{folder}")
    for name in _QUEUES:
        jail.make_folder(f"{_FOLDER}/spool/{name}", "postfix", 0o700)
    jail.make_folder(f"{_FOLDER}/spool/public", "postfix", 0o755)
    jail.make_folder(f"{_FOLDER}/data", "postfix")
    _write_tables(jail)
    make_certificate(jail, f"{_FOLDER}/tls.pem", "mx.postfix-encrypted.example")
    jail.write(f"{_FOLDER}/main.cf", _make_main(port, backend))
    jail.write(f"{_FOLDER}/master.cf", "".join(_make_service(listener, port) for listener in LISTENERS) + _SERVICES)
    server = jail.start(["/usr/lib/postfix/sbin/master", "-c", _FOLDER, "-d"], f"{_FOLDER}/output")
    for listener in LISTENERS:
        server.wait_for_port(listener.address, port)
    return server


def start_postgrey(jail: Jail) -> Process:
    """Start the greylist that one of the listeners asks."""
    jail.make_folder("/srv/postgrey", "postgrey")
    host, _, port = _POSTGREY.partition(":")
    options = [
        f"--inet={_POSTGREY}",
        f"--delay={POSTGREY_DELAY}",
        "--dbdir=/srv/postgrey",
        "--pidfile=/srv/postgrey/pid",
    ]
    server = jail.start(["/usr/sbin/postgrey", *options, "--user=postgrey", "--group=postgrey"], "/srv/postgrey/log")
    server.wait_for_port(host, int(port))
    return server


def make_certificate(jail: Jail, inside: str, name: str) -> None:
    """Write a key and a certificate that nobody vouches for, as most MX hosts have, into one file."""
    key = f"{inside}.key"
    subject = ["-subj", f"/CN={name}", "-days", "30"]
    made = [
        "/usr/bin/openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        *subject,
        "-keyout",
        key,
        "-out",
        inside,
    ]
    jail.run(*made)
    jail.write(inside, jail.path(key).read_text() + jail.path(inside).read_text(), 0o600)
    jail.path(key).unlink()


def _write_tables(jail: Jail) -> None:
    names = "".join(f"{name} x\n" for name in MAILBOXES)
    jail.write(f"{_FOLDER}/mailboxes", names)
    jail.write(f"{_FOLDER}/relocated", "moved new@elsewhere.example\n")
    virtual, relayed = ([f"{name}@{BY_NAME[kind].domain}" for name in MAILBOXES] for kind in ("virtual", "relay"))
    verified = BY_NAME["verifying"].domain  # every name: the backend knows better
    jail.write(f"{_FOLDER}/virtual", "".join(f"{address} x\n" for address in virtual))
    jail.write(
        f"{_FOLDER}/relayed",
        "".join(f"{address} x\n" for address in (*relayed, f"@{verified}", name_server.ENVELOPE_SENDER)),
    )
    domain = BY_NAME["alias"].domain
    jail.write(f"{_FOLDER}/aliases", "".join(f"{name}@{domain} {name}@postfix-local.example\n" for name in MAILBOXES))
    jail.write(f"{_FOLDER}/access", "".join(f"{name}@ {said}\n" for name, said in _ACCESS.items()))
    jail.write(f"{_FOLDER}/senders", f"{name_server.ENVELOPE_SENDER} REJECT\n")


def _make_main(port: int, backend: str) -> str:
    apart = {"virtual", "alias", "relay", "foreign", "verifying", "sender"}
    local = [listener.domain for listener in LISTENERS if listener.name not in apart]
    return _MAIN.format(
        local_domains=" ".join([*local, *MORE_DOMAINS]),
        asked=_ASKED,
        port=port,
        backend=backend,
        greet_wait=GREET_WAIT,
        own=_OWN_DOMAIN,
        local_address=BY_NAME["local"].address,
        own_address=BY_NAME["sender"].address,
        **{name: BY_NAME[name].domain for name in ("virtual", "alias", "relay", "verifying")},
    )


def _make_service(listener: Listener, port: int) -> str:
    program, most = ("postscreen", "1") if listener.is_screened else ("smtpd", "-")
    options = {"syslog_name": f"postfix/{listener.name}", "myhostname": f"mx.{listener.domain}"} | listener.options
    texts = "".join(f"  -o {{ {name} = {value} }}\n" for name, value in options.items())
    return f"{listener.address}:{port} inet n - n - {most} {program}\n{texts}"
