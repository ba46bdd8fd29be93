"""Sendmail: one daemon; its configuration is written by its own m4 macros, as ever."""

from tests.interop import postfix
from tests.interop.jail import Jail, Process
from tests.interop.name_server import Site

_FOLDER = "/srv/sendmail"
GREET_PAUSE_SECONDS = 1.5
_PROGRAMS = "/usr/libexec/sendmail"

# The kinds of domains, each with the flags of its listener: S is no STARTTLS.
_LISTENERS = {"plain": "S", "offered": "", "all": "S", "foreign": "S"}
_USERS = ("second", "third", "full", "disabled")
_SOURCE = """
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
VERSIONID(`for tests')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.sendmail-plain.example')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `{folder}/help')dnl
define(`ALIAS_FILE', `{folder}/aliases')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`confCW_FILE', `{folder}/domains')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/services')dnl
define(`confDEF_USER_ID', `61020:61020')dnl
define(`confLOG_LEVEL', `15')dnl
define(`confBAD_RCPT_THROTTLE', `2')dnl
define(`confMAX_RCPTS_PER_MESSAGE', `3')dnl
define(`confPRIVACY_FLAGS', `needmailhelo,noexpn,novrfy,restrictqrun')dnl
define(`confCACERT', `{folder}/tls.pem')dnl
define(`confCACERT_PATH', `{folder}')dnl
define(`confSERVER_CERT', `{folder}/tls.pem')dnl
define(`confSERVER_KEY', `{folder}/tls.pem')dnl
define(`LOCAL_MAILER_PATH', `/bin/true')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`use_cw_file')dnl
FEATURE(`greet_pause', `{pause}')dnl
FEATURE(`access_db', `hash -T<TMPF> {folder}/access')dnl
FEATURE(`blocklist_recipients')dnl
FEATURE(`virtusertable', `hash {folder}/virtual')dnl
FEATURE(`dnsbl', `bl.interop.example')dnl
{listeners}
MAILER(`local')dnl
MAILER(`smtp')dnl
"""


def domain_of(kind: str) -> str:
    """Return the domain of a kind."""
    return f"sendmail-{kind}.example"


def list_sites() -> list[Site]:
    """Return the domains and where their MX hosts listen."""
    return [Site(domain_of(kind), f"127.89.4.{number}") for number, kind in enumerate(_LISTENERS, 1)]


def start(jail: Jail, port: int) -> Process:
    """Start Sendmail; it logs to syslog."""
    jail.make_folder(_FOLDER)
    jail.make_folder(f"{_FOLDER}/queue", mode=0o700)
    sites = list_sites()
    postfix.make_certificate(jail, f"{_FOLDER}/tls.pem", "mx.sendmail-offered.example")
    listeners = "".join(
        f"DAEMON_OPTIONS(`Name={site.mx_host}, Family=inet, Addr={site.address}, Port={port}, M={flags}')dnl\n"
        for site, flags in zip(sites, _LISTENERS.values(), strict=True)
    )
    pause = int(GREET_PAUSE_SECONDS * 1000)
    jail.write(f"{_FOLDER}/sendmail.mc", _SOURCE.format(folder=_FOLDER, listeners=listeners, pause=pause))
    macros = ["/usr/bin/m4", "-D_CF_DIR_=/usr/share/sendmail/cf/", f"{_FOLDER}/sendmail.mc"]
    jail.write(f"{_FOLDER}/sendmail.cf", jail.run(*macros))
    _write_tables(jail)
    server = jail.start([f"{_PROGRAMS}/sendmail", "-bD", f"-C{_FOLDER}/sendmail.cf"], f"{_FOLDER}/log")
    for site in sites:
        server.wait_for_port(site.address, port)
    return server


def _write_tables(jail: Jail) -> None:
    own = [domain_of(kind) for kind in _LISTENERS if kind != "foreign"]
    jail.write(f"{_FOLDER}/domains", "".join(f"{domain}\n" for domain in own))
    jail.write(f"{_FOLDER}/services", "hosts dns files\naliases files\n")
    for empty in ("help", "statistics"):
        jail.write(f"{_FOLDER}/{empty}", "", 0o600)
    jail.write(f"{_FOLDER}/aliases", "postmaster: known\n")
    aliases = "".join(f"{name}@{domain}\tknown\n" for name in _USERS for domain in own)
    jail.write(f"{_FOLDER}/virtual", f"{aliases}@{domain_of('all')}\tknown\n")
    refused = {
        "full": "ERROR:5.2.2:552 Mailbox full",
        "disabled": "ERROR:5.2.1:550 Mailbox disabled for this recipient",
    }
    jail.write(
        f"{_FOLDER}/access",
        "".join(f"To:{name}@{domain}\t{said}\n" for name, said in refused.items() for domain in own),
    )
    for table in ("access", "virtual"):
        make = f"{_PROGRAMS}/makemap -C {_FOLDER}/sendmail.cf hash {_FOLDER}/{table} < {_FOLDER}/{table}"
        jail.run("/bin/sh", "-c", make)
