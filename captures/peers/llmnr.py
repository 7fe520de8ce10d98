#!/usr/bin/env python3
"""LLMNR (RFC 4795) as far as a capture needs it: one host asks its neighbours for a name, the one that has it answers.

    llmnr.py answer ADDRESS NAME
    llmnr.py ask ADDRESS NAME
"""

import socket
import struct
import sys

GROUP, PORT = "224.0.0.252", 5355
TYPE_A, CLASS_IN = 1, 1


def question(name):
    return bytes([len(name)]) + name.encode() + b"\0" + struct.pack(">HH", TYPE_A, CLASS_IN)


def opened(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.bind(("", port))
    return sock


def answer(address, name):
    sock = opened(address, PORT)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(address))
    while True:
        query, who = sock.recvfrom(512)
        if query[12:] == question(name):
            header = query[:2] + struct.pack(">5H", 0x8000, 1, 1, 0, 0)
            owner = question(name)
            record = owner + struct.pack(">IH", 30, 4) + socket.inet_aton(address)
            sock.sendto(header + question(name) + record, who)


def ask(address, name):
    sock = opened(address, 0)
    sock.settimeout(2)
    sock.sendto(struct.pack(">6H", 0x5A17, 0, 1, 0, 0, 0) + question(name), (GROUP, PORT))
    print(socket.inet_ntoa(sock.recv(512)[-4:]))


{"answer": answer, "ask": ask}[sys.argv[1]](*sys.argv[2:4])
