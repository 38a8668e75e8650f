# SPDX-License-Identifier: Apache-2.0
"""The layer `helm`: the chart as helm renders it. No cluster is needed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
