"""How many requests the hub allows, and the headers in which every answer tells it."""

import math
import threading
import time
from typing import Literal

Kind = Literal["api", "resolvers"]


class Quotas:
    """Counts requests in fixed windows; an anonymous user's quotas are told, only `limit` enforces one."""

    def __init__(self) -> None:
        self._allowed: dict[Kind, tuple[int, float]] = {"api": (500, 300.0), "resolvers": (3000, 300.0)}
        self._enforced: set[Kind] = set()
        self._spent: dict[Kind, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def limit(self, kind: Kind, requests: int, seconds: float) -> None:
        """Allow so many requests in a window of so many seconds, from now on."""
        with self._lock:
            self._allowed[kind] = (requests, seconds)
            self._enforced.add(kind)
            self._spent.pop(kind, None)

    def spend(self, kind: Kind) -> tuple[bool, dict[str, str]]:
        """Count one request: whether it is allowed, and the headers to answer with."""
        now = time.monotonic()
        with self._lock:
            quota, window = self._allowed[kind]
            begun, spent = self._spent.get(kind, (now, 0))
            if now - begun >= window:
                begun, spent = now, 0
            self._spent[kind] = (begun, spent + 1)
            enforced = kind in self._enforced
        left, reset = max(0, quota - spent - 1), math.ceil(begun + window - now)
        headers = {
            "RateLimit": f'"{kind}";r={left};t={reset}',
            "RateLimit-Policy": f'"fixed window";"{kind}";q={quota};w={math.ceil(window)}',
        }
        return spent < quota or not enforced, headers
