"""The servers, each started when a test first asks for it, and a check of its log after every test."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import complaints, exim, name_server, opensmtpd, packages, postfix, sendmail
from tests.interop.complaints import ServerLog
from tests.interop.jail import Jail, collect_syslog, is_listening
from tests.interop.probing import Prober
from validatord.store.database import Database

_EXIM_ADDRESS = "127.89.2.1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fetching and unpacking have limits of their own; whoever comes first waits for it."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(60, func_only=True))


@pytest.fixture(scope="session")
def jail() -> Iterator[Jail]:
    """The unpacked servers; where they cannot be had, the test is skipped and says why."""
    try:
        tree = packages.obtain()
    except packages.NotObtainableError as reason:
        pytest.skip(f"no mail servers here: {reason}")
    if is_listening(name_server.ADDRESS, name_server.PORT):
        pytest.skip(f"something listens at port {name_server.PORT} already")
    found = Jail(tree, name_server.ADDRESS)
    with packages.hold(tree.parent / "in-use"), found.guarded():
        yield found


@pytest.fixture(scope="session")
def port() -> int:
    """The port of all mail servers; each has an address of its own."""
    with socket.socket() as free:
        free.bind((name_server.ADDRESS, 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def syslog(jail: Jail) -> Iterator[Path]:
    """What the servers say that have no log of their own."""
    with collect_syslog(jail, "/srv/syslog") as log:
        yield log


@pytest.fixture(scope="session")
def names(jail: Jail, syslog: Path) -> Iterator[None]:
    """The name server."""
    kinds = (postfix, exim, opensmtpd, sendmail)
    server = name_server.start(jail, [site for kind in kinds for site in kind.list_sites()], postfix.MORE_RECORDS)
    yield
    server.stop()


@pytest.fixture(scope="session")
def postfix_log(jail: Jail, port: int, names: None) -> Iterator[Path]:
    """A running Postfix with its greylist; its log."""
    greylist = postfix.start_postgrey(jail)
    server = postfix.start(jail, port, _EXIM_ADDRESS)
    yield jail.path("/srv/postfix/maillog")
    server.stop()
    greylist.stop()


@pytest.fixture(scope="session")
def exim_log(jail: Jail, port: int, postfix_log: Path) -> Iterator[Path]:
    """A running Exim; its log. Postfix knows the mailboxes that it asks for, and our sender."""
    server = exim.start(jail, port)
    yield jail.path("/srv/exim/log/mainlog")
    server.stop()


@pytest.fixture(scope="session")
def opensmtpd_log(jail: Jail, port: int, names: None) -> Iterator[Path]:
    """A running OpenSMTPD; its log."""
    server = opensmtpd.start(jail, port)
    yield server.log
    server.stop()


@pytest.fixture(scope="session")
def sendmail_log(jail: Jail, port: int, names: None, syslog: Path) -> Iterator[Path]:
    """A running Sendmail; its log."""
    server = sendmail.start(jail, port)
    yield syslog
    server.stop()


@pytest.fixture
def of_postfix(postfix_log: Path) -> Iterator[ServerLog]:
    """Postfix, which at the end of the test must have nothing to complain about."""
    log = ServerLog(postfix_log, complaints.POSTFIX)
    yield log
    assert log.find_complaints() == []


@pytest.fixture
def of_exim(exim_log: Path) -> Iterator[ServerLog]:
    """Exim, which at the end of the test must have nothing to complain about."""
    log = ServerLog(exim_log, complaints.EXIM)
    yield log
    assert log.find_complaints() == []


@pytest.fixture
def of_opensmtpd(opensmtpd_log: Path) -> Iterator[ServerLog]:
    """OpenSMTPD, which at the end of the test must have nothing to complain about."""
    log = ServerLog(opensmtpd_log, complaints.OPENSMTPD)
    yield log
    assert log.find_complaints() == []


@pytest.fixture
def of_sendmail(sendmail_log: Path) -> Iterator[ServerLog]:
    """Sendmail, which at the end of the test must have nothing to complain about."""
    log = ServerLog(sendmail_log, complaints.SENDMAIL)
    yield log
    assert log.find_complaints() == []


@pytest.fixture
def prober(database: Database, port: int, tmp_path: Path) -> Prober:
    """Our side."""
    providers = tmp_path / "providers.toml"
    providers.touch()
    return Prober(database, port, str(providers))
