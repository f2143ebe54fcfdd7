"""Burns CPU in a function of a known name until the seconds are over."""

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


burn(float(sys.argv[1]))
