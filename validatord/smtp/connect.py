"""The TCP connection: to exactly the address that was checked, from the identity's source address.

No MX name is looked up here, so nothing can point elsewhere between check and connect.
"""

import asyncio
import errno
import ipaddress
import socket

from python_socks import ProxyConnectionError, ProxyError
from python_socks.async_.asyncio import Proxy

from validatord.errors import ConnectFailed, ConnectTimeout
from validatord.settings import IdentitySettings

# Our own trouble: no descriptors, no memory, a source address that is not ours, a local firewall.
_OURS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EAFNOSUPPORT,
        errno.EACCES,
        errno.EPERM,
        errno.ENETDOWN,
    }
)
# RFC 1928 6: network or host unreachable, refused, expired: the proxy speaks about the host.
_SOCKS_ABOUT_HOST = frozenset({3, 4, 5, 6})


async def connect(
    protocol: asyncio.BaseProtocol, address: str, port: int, identity: IdentitySettings, timeout_seconds: float
) -> None:
    """Connect `protocol` to `address`, which must be an IP address.

    Raises:
        ConnectTimeout: no connection in time.
        ConnectFailed: refused or unreachable; `is_ours` where the host has no part in it.
    """
    proxy = identity.proxy.get_secret_value()
    try:
        ipaddress.ip_address(address)
        async with asyncio.timeout(timeout_seconds):
            if proxy:
                await _adopt(protocol, await _dial_proxy(proxy, address, port, timeout_seconds))
            else:
                await _dial(protocol, address, port, identity.source_address)
    except TimeoutError as error:
        raise ConnectTimeout(f"no connection to {address} in time") from error
    except OSError as error:
        raise _failed(f"no connection to {address}: {error}", is_ours=_is_ours(error)) from error
    except ValueError as error:
        raise _failed(f"nothing to connect to: {error}", is_ours=True) from error


async def _dial(protocol: asyncio.BaseProtocol, address: str, port: int, source_address: str) -> None:
    local = (source_address, 0) if source_address else None
    await asyncio.get_running_loop().create_connection(lambda: protocol, address, port, local_addr=local)


async def _adopt(protocol: asyncio.BaseProtocol, held: socket.socket) -> None:
    """Give a connected socket to the protocol; it is closed if that fails."""
    try:
        await asyncio.get_running_loop().create_connection(lambda: protocol, sock=held)
    except BaseException:
        held.close()
        raise


async def _dial_proxy(url: str, address: str, port: int, timeout_seconds: float) -> socket.socket:
    """Let the identity's SOCKS proxy connect; its own troubles are ours."""
    try:
        return await Proxy.from_url(url).connect(address, port, timeout=timeout_seconds)
    except ProxyConnectionError as error:
        raise _failed(f"the proxy cannot be reached: {error.strerror}", is_ours=True) from error
    except ProxyError as error:
        is_ours = error.error_code not in _SOCKS_ABOUT_HOST
        raise _failed(f"the proxy says: {error}", is_ours=is_ours) from error


def _is_ours(error: OSError) -> bool:
    return error.errno is None or error.errno in _OURS


def _failed(message: str, *, is_ours: bool) -> ConnectFailed:
    failure = ConnectFailed(message)
    failure.is_ours = is_ours
    return failure
