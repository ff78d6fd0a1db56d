"""A tracer that tells of waits alone."""

from collections.abc import Callable

from modelsync.net.trace import Tracer


class Waits(Tracer):
    """Calls a function with each host that asks to wait, and the seconds."""

    def __init__(self, told: Callable[[str, float], object]) -> None:
        super().__init__(lambda *_: None, str)
        self._told = told

    def waits(self, host: str, seconds: float) -> None:
        """Passes it on."""
        self._told(host, seconds)
