# SPDX-License-Identifier: Apache-2.0
"""Many connections of somebody who may not stream: a bounded part of the collector's memory and log, and agents get in."""

import re
import socket
import ssl
import struct
import threading

import pytest

from certificates import Authority
from stream import Agent, wait_for, writes

ONE_ADDRESS, IN_ALL = 256, 1024  # connections without a Hello


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def client_hello(authority):
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        authority.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


class Flood:
    """Opens connections and keeps them open, from one address."""

    def __init__(self, address, first, source="127.0.0.1"):
        self.address, self.first, self.source, self.open = address, first, source, []

    def more(self, count):
        for _ in range(count):
            one = socket.create_connection(self.address, timeout=20, source_address=(self.source, 0))
            if self.first:
                one.sendall(self.first)
            self.open.append(one)

    def alive(self):
        """How many the collector has not closed."""
        def is_open(one):
            one.setblocking(False)
            try:
                while one.recv(65536):
                    pass
                return False
            except BlockingIOError:
                return True
            except OSError:
                return False
        return sum(map(is_open, self.open))

    def close(self):
        for one in self.open:
            one.close()


@pytest.fixture
def flood():
    made = []

    def make(*how, **more):
        made.append(Flood(*how, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def resident(c):
    with open(f"/proc/{c.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def speaks(a):
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)


@pytest.mark.parametrize("how", ["plain", "tls"])
def test_idle_connections_of_one_address_are_few_and_agents_get_in(collector, agent, flood, authority, how):
    tls = how == "tls"
    server = authority.sign("server", "DNS:localhost")
    c = collector(*server.options() if tls else [], format="none")
    context = authority.context() if tls else None
    early = agent(c, b"early", tls=context)
    before = resident(c)
    crowd = flood(c.address, client_hello(authority) if tls else b"")
    crowd.more(1500)
    wait_for(lambda: crowd.alive() == ONE_ADDRESS, f"{ONE_ADDRESS} connections, there are {crowd.alive()}")
    assert resident(c) - before < ONE_ADDRESS * 90  # KiB
    late = Agent(c.address, b"late", epoch=2, tls=context)  # of the same address
    speaks(early)
    speaks(late)
    late.close()
    assert crowd.alive() == ONE_ADDRESS - 1


def test_handshakes_that_stand_still_are_bounded_in_all(collector, agent, flood, authority):
    c = collector(*authority.sign("server", "DNS:localhost").options(), format="none")
    before = resident(c)
    crowds = [flood(c.address, client_hello(authority), source=f"127.0.0.{i}") for i in range(2, 8)]
    for crowd in crowds:
        crowd.more(ONE_ADDRESS)
    wait_for(lambda: sum(crowd.alive() for crowd in crowds) == IN_ALL, f"{IN_ALL} connections")
    grown = resident(c) - before
    print(f"{grown} KiB for {IN_ALL} connections")
    assert grown < IN_ALL * 90
    speaks(agent(c, tls=authority.context()))


def test_agents_get_in_while_the_flood_goes_on(collector, agent, flood):
    c = collector(format="none")
    crowd, over = flood(c.address, b"", source="127.0.0.2"), threading.Event()

    def go_on():
        while not over.is_set():
            crowd.more(100)
            for one in crowd.open[:-ONE_ADDRESS]:
                one.close()
            del crowd.open[:-ONE_ADDRESS]

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for i in range(50):
            speaks(agent(c, b"agent-%d" % i, epoch=i + 1))
    finally:
        over.set()
        thread.join()
    assert c.process.poll() is None


def test_whatever_the_flood_the_log_has_ten_lines_a_second_and_says_how_many_it_left_out(collector, flood):
    c = collector(format="none")
    crowd = flood(c.address, b"\0" * 8)
    crowd.more(1000)

    def told():
        lines = [line for line in c.log if " cut off" in line]
        left_out = sum(int(number) for line in lines for number in re.findall(r" not_said=(\d+)", line))
        return len([line for line in lines if " peer=" in line]) + left_out, len(lines)

    wait_for(lambda: told()[0] == 1000, "a thousand, told or counted")
    assert told()[1] < 200


def retry_hello(hello):
    """The ClientHello without a key share, so that the collector asks for another one."""
    body = bytearray(hello[9:])
    at = 34 + 1 + body[34]
    at += 2 + int.from_bytes(body[at:at + 2], "big")
    at += 1 + body[at]
    out, extensions = bytes(body[:at]), bytes(body[at + 2:])
    kept = b""
    while extensions:
        kind, length = struct.unpack(">HH", extensions[:4])
        kept += struct.pack(">HHH", 51, 2, 0) if kind == 51 else extensions[:4 + length]
        extensions = extensions[4 + length:]
    out += struct.pack(">H", len(kept)) + kept
    message = b"\x01" + len(out).to_bytes(3, "big") + out
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def test_the_second_hello_is_bounded_too(collector, agent, authority):
    c = collector(*authority.sign("server", "DNS:localhost").options())
    with socket.create_connection(c.address, timeout=20) as plain:
        plain.sendall(retry_hello(client_hello(authority)))
        assert plain.recv(65536)[:1] == b"\x16"  # a HelloRetryRequest
        plain.sendall(b"\x16\x03\x03\x00\xc8\x01\x01\xff\xff")  # 128 KiB are promised
        c.wait_log("peer cut off", "its hello is too long")
    speaks(agent(c, tls=authority.context()))
