#!/usr/bin/python3
"""The frames of docs/odd-frames.md: for each row of its tables, over each IP version and in each encapsulation that it is
about. Prints a JSON object a line: row, family, encapsulation, frame (hex)."""

import json
import logging

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import (
    ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_Router_Alert, IPOption_RR, IPOption_SSRR,
)
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, Dot1AD, Dot1Q, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

MACS = {"src": "02:00:00:00:00:05", "dst": "02:00:00:00:00:0d"}
HOST = {4: "192.0.2.2", 6: "2001:db8:0:2::2"}
STRANGER = {4: "198.51.100.7", 6: "2001:db8:1::7"}
# On the block list of the test.
BLOCKED = {4: "203.0.113.66", 6: "2001:db8:bad::66"}
# In `protect`.
OURS = {4: "192.0.2.77", 6: "2001:db8:0:2::77"}

LINUX = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))
IPV4, IPV6, SCTP = 0x0800, 0x86DD, 132
FRAGMENT_HEADER, HIP = 44, 139


### IP

def ip(version, source=STRANGER, **fields):
    """An IP header without what follows it."""
    kind = IP if version == 4 else IPv6
    return kind(src=source[version], dst=HOST[version], **fields)


def tcp(flags=SYN, window=64240, options=LINUX, **fields):
    return TCP(sport=40000, dport=443, seq=0x01020304, flags=flags, window=window, options=options, **fields)


def scanner(flags=SYN, **fields):
    """A SYN of masscan: `1024:::`, which is blocked."""
    return tcp(flags, window=1024, options=[], **fields)


def raw_options(text):
    """A SYN with this for its options: a multiple of 4 bytes."""
    return bytes(tcp(options=[], dataofs=5 + len(text) // 4)) + text


def protocol(version, number):
    return {"proto": number} if version == 4 else {"nh": number}


def carried(version, number, payload, **fields):
    """A packet of this protocol, whatever its payload is."""
    return ip(version, **protocol(version, number), **fields) / Raw(bytes(payload))


def fragment(version, offset, more, number, payload, source=STRANGER):
    """A fragment, `offset` in units of 8 bytes."""
    if version == 4:
        return carried(4, number, payload, frag=offset, flags="MF" if more else 0, source=source)
    header = IPv6ExtHdrFragment(nh=number, offset=offset, m=int(more), id=7)
    return ip(6, source) / header / Raw(bytes(payload))


def extended(count, payload):
    """Behind so many extension headers of IPv6."""
    packet = ip(6)
    for _ in range(count):
        packet /= IPv6ExtHdrDestOpt()
    return packet / payload


def segment(version, payload):
    """The bytes of a segment with the checksum that it has in a packet."""
    return bytes((ip(version) / payload).payload)


### Encapsulations

def ethertype(packet):
    return IPV4 if packet[0] >> 4 == 4 else IPV6


def untagged(kind, payload):
    return Ether(**MACS, type=kind) / Raw(payload)


def vlan(kind, payload):
    return Ether(**MACS) / Dot1Q(vlan=42, prio=5, type=kind) / Raw(payload)


def qinq(kind, payload):
    return Ether(**MACS) / Dot1AD(vlan=7) / Dot1Q(vlan=42, type=kind) / Raw(payload)


def pppoe(kind, payload):
    # Not scapy's PPP, which leaves out a byte of 0.
    number = {IPV4: b"\0\x21", IPV6: b"\0\x57"}[kind]
    return Ether(**MACS) / PPPoE(sessionid=9, len=len(payload) + 2) / Raw(number + payload)


def compressed_pppoe(kind, payload):
    number = {IPV4: 0x21, IPV6: 0x57}[kind]
    return Ether(**MACS) / PPPoE(sessionid=9, len=len(payload) + 1) / PPP(proto=number) / Raw(payload)


def mpls(kind, payload):
    return Ether(**MACS, type=0x8847) / MPLS(label=16, s=0, ttl=64) / MPLS(label=17, s=1, ttl=64) / Raw(payload)


TAGS = [untagged, vlan, qinq]
BY_NUMBER = [*TAGS, pppoe]
ALL = [*BY_NUMBER, mpls]


def tell(row, family, encapsulation, frame):
    print(json.dumps({"row": row, "family": family, "encapsulation": encapsulation, "frame": bytes(frame).hex()}))


def row(name, packet, padding=b"", within=ALL, kind=None):
    """Tells a packet in each encapsulation, with padding behind."""
    packet = bytes(packet)
    family = "IPv4" if packet[0] >> 4 == 4 else "IPv6"
    for wrap in within:
        tell(name, family, wrap.__name__, bytes(wrap(kind or ethertype(packet), packet)) + padding)


def of_link(name, within, kind, payload):
    """Tells what is no IP, or has no IP header that can be read."""
    for wrap in within:
        tell(name, "-", wrap.__name__, wrap(kind, bytes(payload)))


### The rows

def syns():
    for version in (4, 6):
        for name, flags in [("syn", SYN), ("syn_psh_urg", SYN | PSH | URG), ("syn_ecn", SYN | ECE | CWR | AE)]:
            row(name, ip(version) / tcp(flags), within=[*ALL, compressed_pppoe])
            row(f"scanner_{name}", ip(version) / scanner(flags), within=[*ALL, compressed_pppoe])
        row("syn_data", ip(version) / tcp(options=[*LINUX, (34, b"cookie")]) / Raw(b"GET / HTTP/1.1"))
        row("scanner_syn_data", ip(version) / scanner() / Raw(b"GET / HTTP/1.1"))
        row("scanner_syn_bad_tcp_checksum", ip(version) / scanner(chksum=0x1234))
        row("scanner_syn_padded", ip(version) / scanner(), padding=bytes([2, 4, 5, 180]) * 5)
        row("scanner_syn_ack", ip(version) / scanner(SYN | ACK))
        row("syn_fin", ip(version) / tcp(SYN | FIN))
        row("scanner_syn_fin", ip(version) / scanner(SYN | FIN))
        row("syn_fin_ack", ip(version) / tcp(SYN | FIN | ACK))
        row("syn_rst", ip(version) / tcp(SYN | RST))
        row("null", ip(version) / tcp(0))
        row("null_ecn", ip(version) / tcp(ECE | CWR))
        row("xmas", ip(version) / tcp(FIN | PSH | URG))
        row("spoofed_source", ip(version, OURS) / tcp())
        row("blocked_source", ip(version, BLOCKED) / UDP(sport=53, dport=40000) / Raw(b"x" * 30))
    bad = ip(4, chksum=0x1234) / scanner()
    row("scanner_syn_bad_ip_checksum", bad, within=BY_NUMBER)
    row("bad_ip_checksum_behind_mpls", bad, within=[mpls])


def tcp_headers():
    for version in (4, 6):
        row("data_offset_short", ip(version) / scanner(dataofs=4))
        # Past the end of the packet, not of the frame.
        row("data_offset_long", ip(version) / scanner(dataofs=15), padding=bytes(40))
        row("options_of_length_0", carried(version, 6, raw_options(b"\2\0\5\xb4")))
        row("options_past_the_end", carried(version, 6, raw_options(b"\2\x28\5\xb4")))
        row("options_of_wrong_length", carried(version, 6, raw_options(b"\3\4\7\1")))
        cut = bytes(ip(version) / scanner())
        length = {"len": 35} if version == 4 else {"plen": 15}
        row("length_cuts_tcp", bytes(ip(version, **protocol(version, 6), **length)) + cut[-20:])


def fragments():
    for version in (4, 6):
        whole, syn = segment(version, tcp()), segment(version, scanner())
        row("scanner_first_fragment", fragment(version, 0, True, 6, syn + b"data" * 3))
        row("first_fragment", fragment(version, 0, True, 6, whole))
        row("tiny_fragment" if version == 4 else "incomplete_chain", fragment(version, 0, True, 6, whole[:16]))
        for more in (True, False):
            row("offset_1", fragment(version, 1, more, 6, whole[8:]))
            row("later_fragment", fragment(version, 3, more, 6, b"data" * 8))
            row("later_fragment_udp", fragment(version, 3, more, 17, b"data" * 8))
            row("blocked_later_fragment", fragment(version, 3, more, 6, b"data" * 8, BLOCKED))
    row("offset_1_udp_ipv4", fragment(4, 1, True, 17, b"data" * 8))
    row("offset_1_mislabelled", fragment(6, 1, True, 17, b"data" * 8))
    row("incomplete_chain", fragment(6, 0, True, 17, b""))
    row("incomplete_chain", fragment(6, 0, True, 60, bytes([6, 4, 1, 4, 0, 0, 0, 0])))
    row("later_fragment_of_chain", fragment(6, 3, True, 60, b"data" * 8))


def ip_headers():
    alert, recorded = IPOption_Router_Alert(), IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])
    row("ip_options", ip(4, options=[alert]) / tcp())
    row("ip_options", ip(4, options=[recorded]) / ICMP())
    row("scanner_syn_ip_options", ip(4, options=[recorded]) / scanner())
    for option in (IPOption_LSRR, IPOption_SSRR):
        row("source_route", ip(4, options=[recorded, option(length=7, pointer=4, routers=["203.0.113.9"])]) / tcp())
    row("ihl_short", ip(4, ihl=4) / tcp(), within=BY_NUMBER)
    row("total_length_short", ip(4, len=19) / tcp(), within=BY_NUMBER)
    for version in (4, 6):
        longer = {"len": 1400} if version == 4 else {"plen": 1400}
        row("ip_length_long", ip(version, **longer) / tcp(), within=BY_NUMBER)
        row("ip_length_long_behind_mpls", ip(version, **longer) / tcp(), within=[mpls])
        other = IPV6 if version == 4 else IPV4
        row("wrong_version", ip(version) / tcp(), within=BY_NUMBER, kind=other)
        of_link("cut_ip_header", BY_NUMBER, IPV4 if version == 4 else IPV6, bytes(ip(version) / tcp())[:19])
    row("jumbogram", ip(6, plen=0) / IPv6ExtHdrHopByHop() / tcp())


def extension_headers():
    row("eight_extension_headers", extended(8, tcp()))
    row("scanner_eight_extension_headers", extended(8, scanner()))
    row("nine_extension_headers", extended(9, scanner()))
    row("unwalked_extension_header", carried(6, HIP, bytes([6, 0, 0, 0, 0, 0, 0, 0]) + bytes(scanner())))
    row("routing_type_0", ip(6) / IPv6ExtHdrRouting(type=0, addresses=["2001:db8::9"]) / tcp())
    row("routing_type_2", ip(6) / IPv6ExtHdrRouting(type=2, addresses=["2001:db8::9"]) / scanner())


def link_layer():
    for version in (4, 6):
        packet, syn = bytes(ip(version) / tcp()), bytes(ip(version) / scanner())
        kind, family = ethertype(packet), f"IPv{version}"
        for wrap in TAGS:
            for name, inner in [("llc_snap", packet), ("scanner_llc_snap", syn)]:
                payload = bytes(LLC() / SNAP(code=kind) / Raw(inner))
                tell(name, family, wrap.__name__, wrap(len(payload), payload))
        for name, inner in [("four_tags", packet), ("scanner_four_tags", syn)]:
            for first in (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300):
                tags = bytes(Dot1Q(vlan=1, type=0x88A8) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / Dot1Q(vlan=4, type=kind))
                tell(name, family, f"{first:#x} and three more", Ether(**MACS, type=first) / Raw(tags + inner))
        tags = Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / Dot1Q(vlan=4) / Dot1Q(vlan=5, type=kind)
        tell("five_tags", family, "five tags", Ether(**MACS) / tags / Raw(syn))
        labels = b"".join(bytes(MPLS(label=16 + n, s=int(n == 8), ttl=9)) for n in range(9))
        tell("nine_labels", family, "nine labels", Ether(**MACS, type=0x8847) / Raw(labels + syn))
    of_link("runt", TAGS, 0x8847, b"\0\1")
    of_link("unknown_ethertype", TAGS, 0x9999, b"unknown" * 9)
    of_link("arp", TAGS, 0x0806, ARP())
    stp = bytes(LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP())
    of_link("llc", TAGS, len(stp), stp)
    lcp = Ether(**MACS) / PPPoE(sessionid=9) / PPP(proto=0xC021) / Raw(bytes([9, 1, 0, 8, 1, 2, 3, 4]))
    tell("pppoe_control", "-", "pppoe", lcp)
    of_link("pseudowire", [mpls], IPV4, bytes(Ether(dst="48:a9:8a:01:02:03") / ip(4) / scanner()))


def tunnels_of(version, inner):
    """All tunnels that are opened, over an IP version, with an IP packet in them."""
    kind, inner = ethertype(bytes(inner)), bytes(inner)
    frame = bytes(Ether(**MACS, type=kind) / Raw(inner))
    yield carried(version, 4 if kind == IPV4 else 41, inner)
    yield ip(version) / GRE(proto=kind) / Raw(inner)
    yield ip(version) / GRE(proto=kind, chksum_present=1, key_present=1, seqnum_present=1) / Raw(inner)
    yield ip(version) / GRE(proto=0x6558) / Raw(frame)
    yield ip(version) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=7, flags="Instance") / Raw(frame)


def tunnels():
    contents = [
        ("clean", lambda version: ip(version) / tcp()),
        ("scanner", lambda version: ip(version) / scanner()),
        ("blocked", lambda version: ip(version, BLOCKED) / ICMP() if version == 4 else ip(6, BLOCKED) / ICMPv6EchoRequest()),
        ("syn_fin", lambda version: ip(version) / tcp(SYN | FIN)),
        ("null", lambda version: ip(version) / tcp(0)),
        ("lan", lambda version: ip(version, OURS) / tcp()),
        ("nested", lambda version: ip(version) / GRE(proto=IPV4) / ip(4) / scanner()),
        ("cut", lambda version: bytes(ip(version) / tcp())[:-50]),
    ]
    for version in (4, 6):
        for name, content in contents:
            for inner in (content(4), content(6)):
                for packet in tunnels_of(version, inner):
                    row(f"tunnel_{name}", packet)
        geneve = UDP(sport=50000, dport=6081, chksum=0) / GENEVE(vni=7)
        row("tunnel_geneve", ip(version) / geneve / Raw(bytes(Ether(**MACS) / ip(4) / scanner())))
        row("tunnel_pptp", carried(version, 47, bytes.fromhex("3001880b0004000100000001ff030021") + bytes(ip(4) / scanner())))
        row("tunnel_arp", ip(version) / GRE(proto=0x6558) / Raw(bytes(Ether(**MACS, type=0x0806) / ARP())))
        gre = bytes(GRE(proto=IPV4) / ip(4) / scanner() / Raw(b"data" * 9))
        row("tunnel_scanner_first_fragment", fragment(version, 0, True, 47, gre[:48]))
        row("tunnel_tiny_fragment", fragment(version, 0, True, 47, gre[:40]))
        row("tunnel_later_fragment", fragment(version, 6, False, 47, gre[48:]))
        row("tunnel_blocked_outer", ip(version, BLOCKED) / GRE(proto=IPV4) / ip(4) / tcp())


for rows in (syns, tcp_headers, fragments, ip_headers, extension_headers, link_layer, tunnels):
    rows()
