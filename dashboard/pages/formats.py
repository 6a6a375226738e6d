"""Figures and moments as people read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def moment(value: datetime | None, *, relative: bool = False) -> Markup:
    """A moment in UTC; the page's script turns it into the reader's zone, or with `relative` into "3 min ago"."""
    if value is None:
        return Markup("")
    there = value.astimezone(UTC)
    written = there.isoformat(timespec="milliseconds")
    day, time = written[:10], written[11:19]
    kind = ' data-relative=""' if relative else ""
    # Digits and our own words alone, so nothing is left to escape; put together by hand: a list has hundreds of them.
    return Markup(  # noqa: S704
        f'<time datetime="{written[:23]}Z" title="{day} {time} UTC"{kind}>'
        f"{day[8:]} {_MONTHS[there.month - 1]} {time}</time>"
    )


def ago(value: datetime | None) -> Markup:
    """The same, as how long ago it was."""
    return moment(value, relative=True)


def duration(value: float | timedelta | None) -> str:
    """`310 ms`, `3.1 s`, `12 s`, `3 min 05 s`, `2 h 05 min`, `3 d 4 h`; of two units, the second not where it is 0."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return _both(f"{whole // 60} min", f"{whole % 60:02} s")
    if whole < 86400:
        return _both(f"{whole // 3600} h", f"{whole % 3600 // 60:02} min")
    return _both(f"{whole // 86400} d", f"{whole % 86400 // 3600} h")


def _both(whole: str, rest: str) -> str:
    return whole if rest.startswith(("0 ", "00 ")) else f"{whole} {rest}"


def roughly(value: float | timedelta) -> str:
    """The same without seconds beside minutes, as an estimate is: `3 min`."""
    whole, minutes, _ = duration(value).partition(" min ")
    return f"{whole}{minutes.rstrip()}"


def since(value: datetime) -> str:
    """How long ago, in words, for where no `<time>` can stand."""
    return f"{roughly(datetime.now(UTC) - value)} ago"


def rate(value: float) -> str:
    """`0`, `0.4`, `12`, `1,204`."""
    return f"{value:,.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"


def size(value: float | None) -> str:
    """`61.6 kB`; units of a thousand, as stores have them."""
    if value is None:
        return ""
    scaled, units = float(value), iter(_UNITS)
    unit = next(units)
    while scaled >= 999.5 and unit != _UNITS[-1]:
        scaled, unit = scaled / 1000, next(units)
    return f"{scaled:.0f} {unit}" if unit == "B" or scaled >= 99.95 else f"{scaled:.1f} {unit}"


def count(value: int | None) -> str:
    """`1,234,567`."""
    return "" if value is None else f"{value:,}"


def many(value: int, one: str) -> str:
    """`1 job`, `1,234 jobs`."""
    return f"{value:,} {one}" if value == 1 else f"{value:,} {one}s"


def figure(value: float | None) -> str:
    """An error, as `2.6e-15`."""
    return "" if value is None else f"{value:.1e}"


def percent(value: float | None) -> str:
    """A share of 1, as `12.5 %`; all and nothing only where it is all or nothing."""
    if value is None:
        return ""
    if 0 < value < 0.001:
        return "< 0.1 %"
    if 0.999 < value < 1:
        return "> 99.9 %"
    return f"{value * 100:.1f} %".replace(".0 %", " %")


FILTERS: dict[str, Any] = {
    "moment": moment,
    "ago": ago,
    "duration": duration,
    "size": size,
    "roughly": roughly,
    "since": since,
    "rate": rate,
    "count": count,
    "many": many,
    "figure": figure,
    "percent": percent,
}
