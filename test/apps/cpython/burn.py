"""Burns CPU in a function of a known name until the seconds are over.

With PACE in its environment it prints the microseconds that each piece of work took.
"""

import os
import sys
import time


def hot_leaf(rounds):
    total = 0
    for index in range(rounds):
        total += index * index
    return total


def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hot_leaf(20000)


def burn_at_pace(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        for _ in range(20):
            hot_leaf(20000)
        print(f"{(time.perf_counter() - began) * 1e6:.1f}", flush=True)


(burn_at_pace if "PACE" in os.environ else burn)(float(sys.argv[1]))
