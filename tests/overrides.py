# SPDX-License-Identifier: Apache-2.0
"""Values that a user gives, right and wrong, for `ringside inject` and the chart alike: of the annotations of a pod, and names of
secrets."""

DIGEST = "@sha256:" + 64 * "0"
RIGHT = {
    "ringside.io/probes": ["process", "process,getaddrinfo,syscalls,write,profile", " write , process\n", "process\nwrite\n"],
    "ringside.io/latency": ["1", "true", "0", "false"],
    "ringside.io/standby": ["1", "true", "0", "false"],
    "ringside.io/image": ["ringside", "a/b_c/d__e-f.g:V_1.2-3", f"r.example:5000/a{DIGEST}", f"[::1]:5000/a:1{DIGEST}",
                          "localhost/a", "A-b.C/d", "a:" + 128 * "t"],
    "ringside.io/cpu": ["0", "1", "1.5", ".5", "1.", "+1", "1500m", "100u", "1n", "1e-1", "2E0", "1k"],
    "ringside.io/memory": ["134217728", "1.5Gi", ".5G", "128M", "+64Mi", "16.5Mi", "10M", "65536Ki", "50000k", "1T", "1Ti"],
    "ringside.io/seccomp": ["RuntimeDefault", "Unconfined"],
}  # fmt: skip
QUANTITIES = ["-1", "-0.1", "--1", "lots", "1 ", " 1", "1 k", ".", "1..2", "1,5", "1K", "1ki", "1Mb", "1e", "1e999", "0x10", "\u0661",
              "1\n", "NaN", "Infinity", 16 * "9"]  # fmt: skip
WRONG = {
    "ringside.io/probes": ["proces", "process,,write", "process write", ",", " ", "Process", "process;write", '"; rm -rf $(A) \\ \n'],
    "ringside.io/latency": ["yes", "2", "True", " 1", "1\n"],
    "ringside.io/standby": ["yes", "2", "True", " 1", "1\n"],
    "ringside.io/image": [" ", " a", "a ", "a b", "a\n", "A", "a:", "a:b c", "a:" + 129 * "t", "a//b", "/a", "a/", "http://a/b", "a@sha256:0",
                          "-a", "a.-b/c:1:2", '"\\\n{{x}}$(A)', "\u00e4"],
    "ringside.io/cpu": QUANTITIES,
    "ringside.io/memory": [*QUANTITIES, "0", "64", "64m", "64u", "1e-3", "64k", "64Ki", "9M", "9.9Mi", "9999999"],
    "ringside.io/seccomp": ["Localhost", "runtimeDefault", "runtime/default", "Unconfined ", "\u00e4 \U0001f600"],
}  # fmt: skip
SECRETS_RIGHT = ["a", "0", "a-b", "a--b.0.c", "1.2", 253 * "a"]
SECRETS_WRONG = ["A", "a b", "-a", "a-", "a_b", ".a", "a.", "a..b", "a.-b", "a-.b", "a/b", "\u00e9", "a\n", "\n", ".", "-", 254 * "a"]


def pairs(values):
    return [(annotation, value) for annotation, them in values.items() for value in them]
