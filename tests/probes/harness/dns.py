# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback with a few fixed names, and the files in /etc that lead a workload to it.

    v4.test         A 192.0.2.1, 192.0.2.2, no AAAA        alias.test   CNAME v4.test
    v6.test         AAAA 2001:db8::1, no A                 broken.test  SERVFAIL
    both.test       A 192.0.2.3 and AAAA 2001:db8::3       silent.test  no answer at all
    anything else   NXDOMAIN
    many.hosts      40 addresses, in /etc/hosts
    crowd.hosts     100 addresses, in /etc/hosts
"""

import socket
import struct
import threading

ADDRESS = "127.77.77.53"
A, CNAME, AAAA = 1, 5, 28
IN = 1
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3

RECORDS = {
    "v4.test": [(A, "192.0.2.1"), (A, "192.0.2.2")],
    "v6.test": [(AAAA, "2001:db8::1")],
    "both.test": [(A, "192.0.2.3"), (AAAA, "2001:db8::3")],
    "alias.test": [(CNAME, "v4.test")],
}
MANY = [f"10.1.0.{i}" for i in range(1, 41)]
CROWD = [f"10.2.0.{i}" for i in range(1, 101)]


def _encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _decode_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def _resource(name, kind, value):
    data = {
        A: lambda: socket.inet_pton(socket.AF_INET, value),
        AAAA: lambda: socket.inet_pton(socket.AF_INET6, value),
        CNAME: lambda: _encode_name(value),
    }[kind]()
    return _encode_name(name) + struct.pack("!HHIH", kind, IN, 60, len(data)) + data


def _answers(name, kind):
    for has, value in RECORDS.get(name, []):
        if has == CNAME:
            yield _resource(name, CNAME, value)
            yield from _answers(value, kind)
        elif has == kind:
            yield _resource(name, has, value)


def reply(packet):
    """The answer to a query; None: silence."""
    (number,) = struct.unpack("!H", packet[:2])
    name, end = _decode_name(packet, 12)
    kind, _ = struct.unpack("!HH", packet[end : end + 4])
    if name == "silent.test":
        return None
    code = NOERROR if name in RECORDS else SERVFAIL if name == "broken.test" else NXDOMAIN
    answers = list(_answers(name, kind))
    head = struct.pack("!HHHHHH", number, 0x8580 | code, 1, len(answers), 0, 0)
    return head + packet[12 : end + 4] + b"".join(answers)


class Dns:
    def __init__(self, directory):
        self.etc = directory / "etc"
        self.etc.mkdir()
        hosts = ["127.0.0.1 localhost", "::1 localhost"]
        hosts += [f"{address} many.hosts" for address in MANY]
        hosts += [f"{address} crowd.hosts" for address in CROWD]
        files = {
            "hosts": "\n".join(hosts) + "\n",
            "resolv.conf": f"nameserver {ADDRESS}\noptions timeout:1 attempts:1\n",
            "nsswitch.conf": "hosts: files dns\nservices: files\n",
        }
        for name, text in files.items():
            (self.etc / name).write_text(text)
        self.queries = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            packet, sender = self._socket.recvfrom(4096)
            if packet == b"end":
                return
            self.queries.append(_decode_name(packet, 12)[0])
            answer = reply(packet)
            if answer:
                self._socket.sendto(answer, sender)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", (ADDRESS, 53))
        self._thread.join(5)
        self._socket.close()
