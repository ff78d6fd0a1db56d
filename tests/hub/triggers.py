"""Where a fault strikes, and how often."""

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .faults import Fault
from .wire import Request, Where


@dataclass
class Trigger:
    """A fault, where it strikes, and how often it has.

    Attributes:
        fault: The fault.
        where: The server it strikes at.
        match: A glob over the path of the request or `user/model/path` of the file it is for.
        times: How often; None: always.
        skip: How many fitting requests pass before.
        method: Only this one.
        when: One more condition.
        fired: How often it struck.
    """

    fault: Fault
    where: Where
    match: str = "*"
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    when: Callable[[Request], bool] | None = None
    fired: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def strikes(self, where: Where, request: Request, file: str) -> bool:
        """Whether it strikes now; counts."""
        if where != self.where or (self.method is not None and request.method != self.method):
            return False
        if not any(fnmatch.fnmatchcase(name, self.match) for name in (request.path, file)):
            return False
        if self.when is not None and not self.when(request):
            return False
        with self._lock:
            if self.skip > 0:
                self.skip -= 1
                return False
            if self.times is not None and self.fired >= self.times:
                return False
            self.fired += 1
            return True
