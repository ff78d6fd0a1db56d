"""A proxy that leads any host to this machine."""

from tests.support.servers import proxy as proxy
