#!/usr/bin/env python3
"""Reads every file of a directory and computes its CRC-32C: the least that checking it can take.

read_crcs.py DIRECTORY
"""

import os
import sys

from crc32c import crc32c

CHUNK = 1 << 20


def main():
    buffer = memoryview(bytearray(CHUNK))
    for folder, _, names in os.walk(sys.argv[1]):
        for name in sorted(names):
            crc = 0
            with open(os.path.join(folder, name), "rb", buffering=0) as file:
                while True:
                    count = file.readinto(buffer)
                    if not count:
                        break
                    crc = crc32c(buffer[:count], crc)
            print(f"{crc:08x} {name}")


if __name__ == "__main__":
    main()
