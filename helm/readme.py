#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the chart's README: helm/README.in.md with what Chart.yaml and the comments of values.yaml say.

In values.yaml a comment that begins with `# --` explains the key below it; a key without one is explained by its members."""

import json
import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "ringside"


def explained():
    """(path, explanation) of each explained key, in the file's order."""
    path, words = [], []
    for line in (CHART / "values.yaml").read_text().splitlines():
        comment = re.fullmatch(r"\s*# ?(.*)", line)
        key = re.match(r"( *)([A-Za-z]+):", line)
        if comment:
            text = comment[1]
            words = [text[3:]] if text.startswith("-- ") else words + [text] if words else []
        elif key:
            path[len(key[1]) // 2:] = [key[2]]
            if words:
                yield tuple(path), " ".join(words)
            words = []


def value_at(values, path):
    for key in path:
        values = values[key]
    return values


def table():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for path, words in explained():
        default = json.dumps(value_at(values, path))
        rows.append(f"| `{'.'.join(path)}` | `{default}` | {words.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def render():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    text = (HERE / "README.in.md").read_text()
    known = {"values": table(), **{key: str(value) for key, value in chart.items()}}
    known["kubeVersion"] = re.search(r"\d+\.\d+", known["kubeVersion"])[0] + " or newer"
    return re.sub(r"\{\{(\w+)\}\}", lambda name: known[name[1]], text)


if __name__ == "__main__":
    print(render(), end="")
