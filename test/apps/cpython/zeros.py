"""Spends half of its CPU time in the kernel and half in a function of its own."""

import sys
import time


def read_zeros(source, buffer):
    source.readinto(buffer)


def count(rounds):
    total = 0
    for index in range(rounds):
        total += index * index
    return total


def spend(seconds):
    end = time.monotonic() + seconds
    # Above what the kernel clears without being interrupted, below what takes long.
    buffer = bytearray(1 << 20)
    with open('/dev/zero', 'rb', buffering=0) as source:
        while time.monotonic() < end:
            read_zeros(source, buffer)
            count(2000)


spend(float(sys.argv[1]))
