#!/usr/bin/python3
"""Sends a SYN of nmap (`1024:2:1460:`), hidden in overlapping fragments, to a host on the same wire.

  overlap.py HOW ADDRESS
"""

import logging
import random
import sys

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw
from scapy.sendrecv import send

how, address = sys.argv[1:]
version = 6 if ":" in address else 4
TCP_NUMBER, UDP_NUMBER = 6, 17
# Another in each run: a host keeps what is left of a packet for half a minute.
IDENTIFICATION = random.getrandbits(16)


def ip():
    return IP(dst=address, id=IDENTIFICATION) if version == 4 else IPv6(dst=address)


def segment(flags, options):
    """24 bytes of header, 8 of data, and the checksum of the packet that is to arrive."""
    tcp = TCP(sport=40000, dport=80, seq=1, flags=flags, window=1024, options=options)
    return bytes((ip() / tcp / Raw(b"evasions")).payload)


def fragment(offset, more, text, number=TCP_NUMBER):
    """A fragment, `offset` in units of 8 bytes."""
    if version == 4:
        return IP(dst=address, id=IDENTIFICATION, proto=number, frag=offset, flags="MF" if more else 0) / Raw(text)
    return IPv6(dst=address) / IPv6ExtHdrFragment(nh=number, offset=offset, m=int(more), id=IDENTIFICATION) / Raw(text)


SYN = segment("S", [("MSS", 1460)])
ACK = segment("A", [("MSS", 1460)])
UNLISTED = segment("S", [("NOP", None)] * 4)

TRIES = {
    # An ACK, and over it the rest of a SYN.
    "flags": [fragment(0, True, ACK[:24]), fragment(1, True, SYN[8:24]), fragment(3, False, SYN[24:])],
    "flags-first": [fragment(1, True, SYN[8:24]), fragment(0, True, ACK[:24]), fragment(3, False, SYN[24:])],
    # The second says that it is of UDP, which IPv6 does not ask about.
    "mislabelled": [
        fragment(0, True, ACK[:24]), fragment(1, True, SYN[8:24], UDP_NUMBER), fragment(3, False, SYN[24:]),
    ],
    # Ports in one, flags in the next, and flags of an ACK over them.
    "tiny": [fragment(0, True, SYN[:8]), fragment(1, True, SYN[8:24]), fragment(1, True, ACK[8:24]),
             fragment(3, False, SYN[24:])],
    # A SYN, with something harmless before and behind it.
    "hidden": [fragment(0, True, ACK[:24]), fragment(0, True, SYN[:24]), fragment(3, False, SYN[24:])],
    # Other options for an unlisted SYN: whoever can send that needs no overlap.
    "options": [fragment(0, True, UNLISTED[:24]), fragment(2, True, SYN[16:24]), fragment(3, False, SYN[24:])],
    # Without an overlap, to show that such fragments arrive.
    "none": [fragment(0, True, SYN[:24]), fragment(3, False, SYN[24:])],
}
for packet in TRIES[how]:
    send(packet, verbose=False)
