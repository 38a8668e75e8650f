# SPDX-License-Identifier: Apache-2.0
"""What a run of the sidecar told: `records` (objects of stdout) and `errors` (lines of stderr), and how tests ask for them."""

from harness import logfmt


class Transcript:
    records = errors = ()

    def messages(self, msg):
        return [pairs for pairs in map(logfmt.parse, list(self.errors)) if pairs.get("msg") == msg]

    def kind(self, *kinds, **fields):
        """Records of these kinds so far whose fields have these values."""
        return [
            record
            for record in self.records
            if record.get("kind") in kinds and all(record.get(key) == value for key, value in fields.items())
        ]

    def counters(self, **fields):
        """The newest row of each (cgroup, hierarchy, name, number) so far."""
        rows = {}
        for row in self.kind("syscalls", **fields):
            rows[row.get("cgroup_id"), row.get("hierarchy"), row["syscall"], row["nr"]] = row
        return list(rows.values())

    def counted(self, syscall, cgroup):
        rows = [row for row in self.counters(syscall=syscall) if row.get("cgroup_id") == cgroup.id]
        assert len(rows) <= 1, f"more than one row for {syscall}: {rows}"
        return rows[0] if rows else {"count": 0, "errors": 0}
