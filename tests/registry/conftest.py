"""The proxy of the tests of `net`: it leads any host to this machine."""

from tests.net.conftest import proxy as proxy
