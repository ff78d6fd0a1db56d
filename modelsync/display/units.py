"""Numbers and names as people read them."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """Bytes with a binary unit and one decimal: `512 B`, `4.6 GiB`."""
    value, unit = _scaled(count)
    return f"{_number(value, unit)} {unit}"


def progress(done: float, total: float) -> str:
    """So many bytes of so many, both in the unit of the total: `2.1/4.6 GiB`."""
    value, unit = _scaled(total)
    return f"{_number(done * value / total if total else 0, unit)}/{_number(value, unit)} {unit}"


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
    """A time to go, in little room: `0:42`, `12:05`, `3:05:00`."""
    whole = min(round(seconds), 99 * 3600)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 model`, `3 models`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _scaled(value: float) -> tuple[float, str]:
    for unit in UNITS[:-1]:
        # 1023.95 would be shown as 1024.0
        if value < (1024 if unit == "B" else 1023.95):
            return value, unit
        value /= 1024
    return value, UNITS[-1]


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "B" else f"{value:.1f}"
