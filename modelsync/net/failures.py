"""Messages for transport errors: what happened, with which server, and the setting that mends it."""

import socket
import ssl

import httpx2

from modelsync.errors import NetworkError
from modelsync.net.deadline import TooSlowError
from modelsync.net.dial import Timeouts
from modelsync.net.http1 import ExcessError
from modelsync.net.origin import Origin
from modelsync.net.proxies import Proxy
from modelsync.net.retry import FinalNetworkError, StalledError
from modelsync.net.server_text import server_text
from modelsync.spec.names import printable

# What a transport and the sockets below it raise.
TRANSPORT_ERRORS = (OSError, httpx2.TransportError)

_UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_PROXY_HINT = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY lists the hosts that need none"


class UntrustedError(FinalNetworkError):
    """A server speaks TLS, and its certificate is not to be trusted."""


def explain(error: Exception, origin: Origin, proxy: Proxy | None, timeouts: Timeouts) -> NetworkError:
    """The error for people that stands for a transport's error.

    Args:
        error: One of `TRANSPORT_ERRORS`.
        origin: The server.
        proxy: The proxy on the way, or None.
        timeouts: Seconds after which it was given up.
    """
    if isinstance(error, httpx2.ProxyError):
        return _proxy_refusal(error, origin, proxy)
    if isinstance(error, TooSlowError):
        return FinalNetworkError(
            f"{origin} is too slow: {error}", hint="try again later, or over another network"
        )
    if isinstance(error, ExcessError):
        return FinalNetworkError(f"{origin} gives no usable answer: {error}")
    if isinstance(error, httpx2.TimeoutException):
        return _silence(error, origin, proxy, timeouts)
    if isinstance(error, ssl.SSLError):
        return _tls(error, origin)
    if isinstance(error, OSError):
        return _unreachable(error, origin, proxy)
    if isinstance(error, httpx2.LocalProtocolError):
        return FinalNetworkError(f"the request to {origin} cannot be sent: {printable(str(error))}")
    if isinstance(error, httpx2.ProtocolError):
        return NetworkError(f"{origin} broke off or answered in no HTTP: {server_text(str(error))}")
    return NetworkError(f"the connection to {origin} broke: {_reason(error.__cause__ or error)}")


def _proxy_refusal(error: Exception, origin: Origin, proxy: Proxy | None) -> NetworkError:
    said = server_text(str(error))
    message = f"the proxy {proxy} does not connect to {origin}: {said}"
    if said.startswith("407") or "username" in said.lower():
        return FinalNetworkError(
            message, hint="put the proxy's user and password into HTTPS_PROXY: http://user:password@host:port"
        )
    if said.startswith("4") or isinstance(error.__cause__, ExcessError | TooSlowError):
        return FinalNetworkError(message, hint=_PROXY_HINT)
    return NetworkError(message, hint=_PROXY_HINT)


def _silence(error: Exception, origin: Origin, proxy: Proxy | None, timeouts: Timeouts) -> NetworkError:
    connecting = isinstance(error, httpx2.ConnectTimeout)
    timeout = timeouts.get("connect" if connecting else "read") or 0.0
    hint = f"if it is only slow, MODELSYNC_HTTP_TIMEOUT={timeout * 3:g} waits longer"
    if connecting:
        whom = f"the proxy {proxy}" if proxy else origin
        return NetworkError(
            f"cannot reach {whom}: no answer in {timeout:g} s", hint=_PROXY_HINT if proxy else hint
        )
    return StalledError(f"{origin} went silent for {timeout:g} s", hint=hint)


def _tls(error: ssl.SSLError, origin: Origin) -> NetworkError:
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"cannot trust {origin}: {printable(error.verify_message or str(error))}"
        hint = "if your network has a certificate authority of its own, set SSL_CERT_FILE to its PEM file"
        if "expired" in message or "not yet valid" in message:
            hint = "check this machine's clock, then the server's certificate"
        return UntrustedError(message, hint=hint)
    if isinstance(error, ssl.SSLEOFError):
        return NetworkError(f"{origin} broke off while TLS was being set up")
    return FinalNetworkError(
        f"no TLS with {origin}: {_reason(error)}",
        hint="check that this port speaks https, and with which version of TLS",
    )


def _unreachable(error: OSError, origin: Origin, proxy: Proxy | None) -> NetworkError:
    whom = f"the proxy {proxy}" if proxy else origin
    if isinstance(error, socket.gaierror):
        kind = FinalNetworkError if error.errno in _UNKNOWN_NAME else NetworkError
        hint = _PROXY_HINT if proxy else "check the name and the network; behind a proxy, set HTTPS_PROXY"
        return kind(f"cannot reach {whom}: its name does not resolve ({_reason(error)})", hint=hint)
    return NetworkError(f"cannot reach {whom}: {_reason(error)}", hint=_PROXY_HINT if proxy else None)


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return printable(error.reason.replace("_", " ").lower())
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror.lower())
    return printable(str(error)) or type(error).__name__
