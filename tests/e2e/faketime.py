"""The clock of a program moved with libfaketime."""

import glob


def clock_moved_by(days):
    """The environment of a program whose clock is so many days off; the monotonic clocks stay true."""
    if days == 0:
        return {}
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        raise AssertionError("libfaketime is not installed (scripts/setup installs faketime)")
    return {"LD_PRELOAD": libraries[0], "FAKETIME": f"{days:+d}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
