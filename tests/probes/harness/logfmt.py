# SPDX-License-Identifier: Apache-2.0
"""Reads one line of logfmt: key=value, values with blanks in double quotes."""

import re

_PAIR = re.compile(r'([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse(line):
    pairs = {}
    for key, value in _PAIR.findall(line):
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        pairs[key] = value
    return pairs
