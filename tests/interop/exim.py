"""Exim: one daemon at many addresses; what a domain is treated like stands in the ACL."""

from tests.interop import postfix
from tests.interop.jail import Jail, Process
from tests.interop.name_server import Site

_FOLDER = "/srv/exim"
GREYLIST_SECONDS = 2
TARPIT_SECONDS = 2

# The domain of each kind is exim-KIND.example; the order gives the addresses.
KINDS = ("plain", "callout", "sender", "listing", "dropping", "tarpit", "greylisted", "encrypted", "all")

_CONFIG = """
disable_ipv6
primary_hostname = mx.exim-plain.example
exim_user = Debian-exim
exim_group = Debian-exim
never_users = root
local_interfaces = {addresses}
daemon_smtp_ports = {port}
spool_directory = /srv/exim/spool
log_file_path = /srv/exim/log/%slog
pid_file_path = /srv/exim/pid
log_selector = +smtp_connection +smtp_protocol_error +smtp_syntax_error +lost_incoming_connection \\
  +smtp_incomplete_transaction +smtp_no_mail +incoming_interface
host_lookup = *
dns_csa_use_reverse = false
tls_advertise_hosts = *
tls_certificate = /srv/exim/tls.pem
smtputf8_advertise_hosts = *
# Both stricter than shipped: an envelope of more than three, and fewer commands that are no mail.
recipients_max = 3
smtp_accept_max_nonmail = 9
# Else a client may speak before the greeting, and the check of turns is no check.
pipelining_connect_advertise_hosts =
acl_smtp_helo = check_helo
acl_smtp_rcpt = check_rcpt

domainlist local_domains = {local_domains}
domainlist relayed_domains = exim-callout.example

begin acl

check_helo:
  require verify = helo
          message = HELO name does not fit your address
  accept

check_rcpt:
  deny domains = +local_domains
       local_parts = ^[./|] : ^.*[@%!/|] : ^.*/\\\\.\\\\./
       message = Restricted characters in address
  deny domains = exim-listing.example
       dnslists = bl.interop.example
       message = rejected because $sender_host_address is in a black list at $dnslist_domain
  drop domains = exim-dropping.example
       condition = ${{if >{{$rcpt_fail_count}}{{2}}}}
       message = Too many failed recipients - count = $rcpt_fail_count
  deny domains = exim-encrypted.example
       !encrypted = *
       message = Encryption is required: use STARTTLS
  defer domains = exim-greylisted.example
       !seen = -{greylist}s / key=${{sender_host_address}}_${{sender_address}}_$local_part@$domain
       message = Greylisted, please try again later
  deny domains = exim-sender.example
       !verify = reverse_host_lookup
       message = no PTR
  require verify = sender
  deny domains = exim-sender.example
       !verify = sender/callout=5s
  accept domains = exim-all.example
  deny domains = exim-tarpit.example
       !verify = recipient
       delay = {tarpit}s
  deny condition = ${{if and {{{{>{{$rcpt_count}}{{10}}}}{{<{{$recipients_count}}{{${{eval:$rcpt_count/2}}}}}}}}}}
       message = Rejected for too many bad recipients
  accept local_parts = postmaster
       domains = +local_domains
  require domains = +local_domains : +relayed_domains
       message = relay not permitted
  deny domains = +relayed_domains
       !verify = recipient/callout=5s
  deny domains = +local_domains
       !verify = recipient
  deny domains = +local_domains
       local_parts = full
       !verify = recipient/quota
       message = 552 Mailbox $local_part is over quota
  accept

begin routers

relayed:
  driver = manualroute
  domains = +relayed_domains
  route_list = * {backend}
  transport = to_backend
  self = send

abroad:
  driver = dnslookup
  domains = ! +local_domains
  transport = to_backend
  self = send
  no_more

system_aliases:
  driver = redirect
  allow_fail
  allow_defer
  data = ${{lookup{{$local_part}}lsearch{{/srv/exim/aliases}}}}

mailboxes:
  driver = accept
  local_parts = lsearch;/srv/exim/mailboxes
  transport = to_mailbox

begin transports

to_backend:
  driver = smtp
  port = {port}
  hosts_try_fastopen =

to_mailbox:
  driver = appendfile
  file = /srv/exim/mail/$local_part
  user = Debian-exim
  quota = 1K

begin retry
*  *  F,2h,15m
"""


def domain_of(kind: str) -> str:
    """Return the domain of a kind."""
    return f"exim-{kind}.example"


def list_sites() -> list[Site]:
    """Return the domains and where their MX hosts listen."""
    return [Site(domain_of(kind), f"127.89.2.{number}") for number, kind in enumerate(KINDS, 1)]


def start(jail: Jail, port: int) -> Process:
    """Start Exim; the callout domain's mailboxes are known to Postfix."""
    for folder in ("spool", "log"):
        jail.make_folder(f"{_FOLDER}/{folder}", "Debian-exim")
    jail.make_folder(f"{_FOLDER}/mail", "Debian-exim")
    jail.write(f"{_FOLDER}/mail/full", "x" * 4096)
    jail.give(f"{_FOLDER}/mail/full", "Debian-exim")
    jail.write(f"{_FOLDER}/mailboxes", "".join(f"{name}\n" for name in ("known", "second", "third", "full", "jörg")))
    jail.write(
        f"{_FOLDER}/aliases",
        "disabled: :fail: Account disabled\nlater: :defer: Temporary local problem - please try later\n",
    )
    postfix.make_certificate(jail, f"{_FOLDER}/tls.pem", "mx.exim-plain.example")
    jail.give(f"{_FOLDER}/tls.pem", "Debian-exim")
    sites = list_sites()
    config = _CONFIG.format(
        addresses=" : ".join(site.address for site in sites),
        port=port,
        local_domains=" : ".join(
            [*(site.domain for site in sites if "callout" not in site.domain), "postfix-verifying.example"]
        ),
        backend=postfix.BY_NAME["local"].address,
        greylist=GREYLIST_SECONDS,
        tarpit=TARPIT_SECONDS,
    )
    jail.write("/etc/exim4/exim4.conf", config)
    server = jail.start(["/usr/sbin/exim4", "-bdf"], f"{_FOLDER}/output")
    for site in sites:
        server.wait_for_port(site.address, port)
    return server
