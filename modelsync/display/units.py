"""Numbers as people read them: sizes, times, counts."""

from modelsync.sizes import progress, size

__all__ = ("clock", "count", "duration", "progress", "size")


def duration(seconds: float) -> str:
    """`0.3 s`, `42 s`, `2 min 31 s`, `3 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def clock(seconds: float) -> str:
    """A short form for time left: `0:42`, `12:05`, `3:05:00`."""
    whole = min(round(seconds), 99 * 3600)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 model`, `3 models`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def amount(count: int) -> str:
    """A number of parameters as people say it: `8.03B`."""
    for unit, name in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= unit:
            return f"{count / unit:.3g}{name}" if count < 999.5 * unit else f"{count / unit:,.0f}{name}"
    return str(count)
