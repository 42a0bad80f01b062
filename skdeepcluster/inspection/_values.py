"""Values in words, and round values between two others, as one would choose them to tell these apart."""

import math

import numpy as np

_UNITS_OF_DURATION = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_UNITS_OF_DATE = ("Y", "M", "D", "h", "m", "s", "us")


def in_words(value):
    """A value as a condition has it."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
    if isinstance(value, np.datetime64):
        return _date_in_words(value)
    if isinstance(value, np.timedelta64):
        seconds = seconds_of(value)
        unit = _unit_of_duration(seconds)
        return f"{seconds / _UNITS_OF_DURATION[unit]:.4g} {unit}"
    return " ".join(str(value).split())


def mean_in_words(value, kind):
    """The mean of a feature of that kind: a share, a number of a few digits, a date or a duration."""
    if np.isnan(value):
        return "unknown"
    if kind in ("category", "word", "missing", "boolean"):
        is_near_a_limit = 0.0 < value < 0.01 or 0.99 < value < 1.0
        return f"{abs(value):.1%}" if is_near_a_limit else f"{abs(value):.0%}"
    if kind == "date":
        return str(date_of(value).astype("M8[D]"))
    if kind == "duration":
        return in_words(duration_of(value))
    if value == 0 or not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"


def date_of(seconds):
    """Seconds since 1970 as a date."""
    return np.datetime64(round(seconds * 1e6), "us")


def duration_of(seconds):
    """Seconds as a duration."""
    return np.timedelta64(round(seconds * 1e6), "us")


def seconds_of(value):
    """A number as it is; seconds of a duration, and seconds since 1970 of a date."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        precise = value.astype("M8[us]" if isinstance(value, np.datetime64) else "m8[us]")
        return precise.astype(np.int64) / 1e6
    return value


def number_between(low, high):
    """A number of few digits that is not below `low`, but below `high`: midway, if this takes but a digit more.

    It is 0 if `low` is, and an integer if both are.
    """
    if low == 0:
        return 0.0
    least = 0 if float(low).is_integer() and float(high).is_integer() else -np.inf
    quarter, below = (high - low) / 4, np.nextafter(high, low)
    number, exponent = _of_fewest_digits(low + quarter, min(high - quarter, below), least)
    shorter, higher = _of_fewest_digits(low, below, least)
    return shorter if higher > exponent + 1 else number


def _of_fewest_digits(low, high, least):
    """A multiple of the largest power of ten from low to high, and the exponent; low, if there is none."""
    middle = low + (high - low) / 2
    magnitude = math.floor(math.log10(max(abs(low), abs(high))))
    exponent = magnitude + 1
    while exponent >= max(least, magnitude - 17):
        rounded = round(middle, -exponent)
        if low <= rounded <= high:
            return rounded, exponent
        exponent -= 1
    return (float(math.floor(middle)) if least == 0 else low), exponent


def duration_between(low, high):
    """`number_between` in the unit that suits it, as a duration."""
    unit = _UNITS_OF_DURATION[_unit_of_duration(high)]
    return duration_of(number_between(low / unit, high / unit) * unit)


def date_between(low, high):
    """The roundest date that is after `low` and not after `high`: the first day of a year, of a month, a day, ..."""
    earliest, latest = date_of(low), date_of(high)
    middle = earliest + (latest - earliest) // 2
    for unit in _UNITS_OF_DATE:
        before = middle.astype(f"M8[{unit}]")
        dates = (before.astype("M8[us]"), (before + np.timedelta64(1, unit)).astype("M8[us]"))
        for date in sorted(dates, key=lambda date: abs(date - middle)):
            if earliest < date <= latest:
                return date
    return latest


BETWEEN = {"number": number_between, "date": date_between, "duration": duration_between}


def _unit_of_duration(seconds):
    return next((unit for unit, length in _UNITS_OF_DURATION.items() if abs(seconds) >= length), "seconds")


def _date_in_words(date):
    for unit in ("D", "m", "s"):
        if date.astype(f"M8[{unit}]") == date:
            return str(date.astype(f"M8[{unit}]")).replace("T", " ")
    return str(date).replace("T", " ")
