"""Waiting for something to come true, never for time to pass."""

import time


class TimedOut(AssertionError):
    pass


def until(condition, seconds, what, every=0.05):
    """The first truthy value of condition(); TimedOut, naming `what` and the last value, when it has not come in time."""
    end = time.monotonic() + seconds
    value = None
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimedOut(f"waited {seconds:g} s in vain for: {what} (last seen: {value!r})")
        time.sleep(every)
