"""The small network programs that some captures need: clients, servers, relays and a mirror port.

Run by make.py inside its network namespaces:  python3 peers.py COMMAND ARGUMENTS...
"""

import ctypes
import fcntl
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def options(args):
    """`key=value` words as a dict."""
    return dict(arg.split("=", 1) for arg in args)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listener(address, port):
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, int(port)))
    sock.listen(16)
    return sock


def each_client(sock, handle):
    """Calls `handle` in a thread of its own for every connection, and survives its failures."""

    def guarded(conn):
        try:
            handle(conn)
        except (OSError, ssl.SSLError) as error:
            print(error, file=sys.stderr)
        finally:
            conn.close()

    while True:
        conn, _ = sock.accept()
        threading.Thread(target=guarded, args=(conn,), daemon=True).start()


def read_record(sock):
    """One TLS record, header included."""
    data = b""
    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
        more = sock.recv(5 - len(data) if len(data) < 5 else 5 + int.from_bytes(data[3:5], "big") - len(data))
        if not more:
            return data
        data += more
    return data


def pump(a, b):
    """Copies bytes both ways until either side ends."""
    while True:
        for sock in select.select([a, b], [], [])[0]:
            data = sock.recv(65536)
            if not data:
                return
            (b if sock is a else a).sendall(data)


# ---------------------------------------------------------------- clients and servers


def python_client(address, port, *args):
    """Python's ssl module as a client: sni, min, max, ciphers, alpn, session=resume."""
    opt = options(args)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if "cafile" in opt:
        ctx.load_verify_locations(opt["cafile"])
        ctx.verify_mode = ssl.CERT_REQUIRED
    if "ciphers" in opt:
        ctx.set_ciphers(opt["ciphers"])
    if "min" in opt:
        ctx.minimum_version = getattr(ssl.TLSVersion, opt["min"])
    if "max" in opt:
        ctx.maximum_version = getattr(ssl.TLSVersion, opt["max"])
    if "alpn" in opt:
        ctx.set_alpn_protocols(opt["alpn"].split(","))
    if "cert" in opt:
        ctx.load_cert_chain(opt["cert"], opt["key"])
    with socket.create_connection((address, int(port)), timeout=5) as raw:
        with ctx.wrap_socket(raw, server_hostname=opt.get("sni")) as tls:
            tls.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            while tls.recv(4096):
                pass
            print(tls.version(), tls.cipher())


def half_client(address, port, *args):
    """A real ClientHello sent by half; then the client goes away."""
    opt = options(args)
    ctx = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(incoming, outgoing, server_hostname=opt["sni"])
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    with socket.create_connection((address, int(port)), timeout=5) as raw:
        raw.sendall(hello[: len(hello) // 2])
        time.sleep(0.2)


def newest_context():
    from OpenSSL import SSL  # PyPI pyOpenSSL: its wheel brings a newer OpenSSL than the distribution's

    ctx = SSL.Context(SSL.TLS_METHOD)
    ctx.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    return SSL, ctx


def newest_server(address, port, cert, key):
    """The OpenSSL that PyPI's `cryptography` carries, as a server."""
    SSL, ctx = newest_context()
    ctx.use_certificate_chain_file(cert)
    ctx.use_privatekey_file(key)

    def handle(conn):
        tls = SSL.Connection(ctx, conn)
        tls.set_accept_state()
        try:
            tls.do_handshake()
            tls.recv(4096)
            tls.sendall(ANSWER)
            tls.shutdown()
        except SSL.Error as error:
            print(error, file=sys.stderr)

    each_client(listener(address, port), handle)


def newest_client(address, port, sni):
    """The OpenSSL that PyPI's `cryptography` carries, as a client."""
    SSL, ctx = newest_context()
    raw = socket.create_connection((address, int(port)), timeout=5)
    raw.settimeout(None)
    tls = SSL.Connection(ctx, raw)
    tls.set_tlsext_host_name(sni.encode())
    tls.set_connect_state()
    tls.do_handshake()
    tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
    try:
        tls.recv(4096)
        tls.shutdown()
    except SSL.Error:
        pass
    raw.close()


def tlslite_client(address, port, *args):
    """tlslite-ng, a TLS stack in pure Python."""
    from tlslite.api import HandshakeSettings, TLSConnection

    opt = options(args)
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, int(opt["version"]))
    raw = socket.create_connection((address, int(port)), timeout=5)
    tls = TLSConnection(raw)
    tls.handshakeClientCert(settings=settings, serverName=opt["sni"])
    tls.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
    tls.read()
    tls.close()


def tls_context(cert, key):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert, key)
    return ctx


def starttls_server(protocol, address, port, cert, key):
    """Speaks the plaintext before TLS of one protocol, then TLS."""
    ctx = tls_context(cert, key)

    def line(conn):
        data = b""
        while not data.endswith(b"\n"):
            byte = conn.recv(1)
            if not byte:
                raise OSError("end of input")
            data += byte
        return data.strip()

    def smtp(conn):
        conn.sendall(b"220 mail.corp.example ESMTP ready\r\n")
        while True:
            command = line(conn).upper()
            if command.startswith(b"EHLO"):
                conn.sendall(b"250-mail.corp.example\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250 STARTTLS\r\n")
            elif command == b"STARTTLS":
                conn.sendall(b"220 2.0.0 Ready to start TLS\r\n")
                return
            else:
                conn.sendall(b"250 2.0.0 OK\r\n")

    def imap(conn):
        conn.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n")
        while True:
            tag, command = (line(conn).split(b" ", 1) + [b""])[:2]
            if command.upper() == b"STARTTLS":
                conn.sendall(tag + b" OK Begin TLS negotiation now\r\n")
                return
            conn.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + tag + b" OK done\r\n")

    def postgres(conn):
        conn.recv(8)  # SSLRequest
        conn.sendall(b"S")

    def ldap(conn):
        conn.recv(4096)  # the ExtendedRequest 1.3.6.1.4.1.1466.20037
        conn.sendall(bytes.fromhex("300c02010178070a010004000400"))

    speak = {"smtp": smtp, "imap": imap, "postgres": postgres, "ldap": ldap}[protocol]

    def handle(conn):
        conn.settimeout(5)
        speak(conn)
        with ctx.wrap_socket(conn, server_side=True) as tls:
            if protocol == "smtp":
                tls.recv(4096)
                tls.sendall(b"221 2.0.0 Bye\r\n")
            elif protocol == "imap":
                tls.recv(4096)
                tls.sendall(b"* BYE\r\n")
            tls.unwrap()

    each_client(listener(address, port), handle)


def irc_client(address, port, sni):
    """IRC's STARTTLS (IRCv3's tls extension), at TLS 1.2."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((address, int(port)), timeout=5) as conn:
        conn.sendall(b"CAP LS\r\nSTARTTLS\r\n")
        heard = b""
        while b" 670 " not in heard or not heard.endswith(b"\n"):
            more = conn.recv(4096)
            if not more:
                raise OSError("no STARTTLS")
            heard += more
        with ctx.wrap_socket(conn, server_hostname=sni) as tls:
            tls.sendall(b"QUIT\r\n")
            tls.recv(4096)


def nntp_client(address, port, sni):
    """NNTP's STARTTLS (RFC 4642), at TLS 1.2."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((address, int(port)), timeout=5) as conn:
        lines = conn.makefile("rb")
        for command, wanted in ((b"", b"200"), (b"CAPABILITIES\r\n", b"101"), (b"STARTTLS\r\n", b"382")):
            conn.sendall(command)
            line = lines.readline()
            if not line.startswith(wanted):
                raise OSError(line.decode())
            while wanted == b"101" and line != b".\r\n":
                line = lines.readline()
        with ctx.wrap_socket(conn, server_hostname=sni) as tls:
            tls.sendall(b"QUIT\r\n")
            tls.recv(4096)


def tds_server(address, port, cert, key):
    """MS-SQL's way to TLS (MS-TDS 2.2.6.5): the handshake in PRELOGIN packets, by OpenSSL; then it goes away."""
    ctx = tls_context(cert, key)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    prelogin = 0x12

    def packet(conn):
        header = exactly(conn, 8)
        return header[0], exactly(conn, int.from_bytes(header[2:4], "big") - 8)

    def exactly(conn, size):
        data = b""
        while len(data) < size:
            more = conn.recv(size - len(data))
            if not more:
                raise OSError("end of input")
            data += more
        return data

    def send(conn, kind, data, size=4096 - 8):
        while data:
            part, data = data[:size], data[size:]
            conn.sendall(struct.pack(">BBHHBB", kind, 0 if data else 1, len(part) + 8, 0, 1, 0) + part)

    def handle(conn):
        conn.settimeout(5)
        packet(conn)
        # VERSION 15.0.2000 and ENCRYPTION required, then their values.
        options = bytes.fromhex("00000b0006" "0100110001" "ff")
        send(conn, 0x04, options + bytes.fromhex("0f0007d00000" "03"))
        inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ctx.wrap_bio(inside, outside, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outside.pending:
                    send(conn, prelogin, outside.read())
                inside.write(packet(conn)[1])
            except ssl.SSLError:
                if outside.pending:
                    send(conn, prelogin, outside.read())
                raise
        if outside.pending:
            send(conn, prelogin, outside.read())
        inside.write(conn.recv(16384))  # LOGIN7, no longer in packets

    each_client(listener(address, port), handle)


# ---------------------------------------------------------------- QUIC


def quic_server(address, port, cert, key, *args):
    """An HTTP/3 server with one page. `version`: 1 or 2; `retry=1` asks for a token; `package`: aioquic or qh3."""
    wanted = options(args)
    asyncio, part, configuration = quic_parts(False, wanted)
    configuration.load_cert_chain(cert, key)
    http, events = part("h3.connection"), part("h3.events")

    class Page(part("asyncio").QuicConnectionProtocol):
        http = None

        def quic_event_received(self, event):
            self.http = self.http or http.H3Connection(self._quic)
            for what in self.http.handle_event(event):
                if isinstance(what, events.HeadersReceived):
                    self.http.send_headers(what.stream_id, [(b":status", b"200"), (b"content-type", b"text/plain")])
                    self.http.send_data(what.stream_id, b"ok", True)
                    self.transmit()

    async def run():
        more = {"retry": True} if wanted.get("retry") == "1" else {}
        await part("asyncio").serve(address, int(port), configuration=configuration, create_protocol=Page, **more)
        await asyncio.Future()

    asyncio.run(run())


def quic_client(address, port, sni, *args):
    asyncio, part, configuration = quic_parts(True, options(args))
    configuration.verify_mode = ssl.CERT_NONE
    configuration.server_name = sni

    async def run():
        async with part("asyncio").connect(address, int(port), configuration=configuration) as connection:
            await connection.ping()

    asyncio.run(asyncio.wait_for(run(), 8))


def quic_parts(is_client, wanted):
    import asyncio
    import importlib

    part = lambda name: importlib.import_module(f"{wanted.get('package', 'aioquic')}.{name}")  # noqa: E731
    configuration = part("quic.configuration").QuicConfiguration(is_client=is_client, alpn_protocols=["h3"])
    if wanted.get("version") == "2":
        versions = part("quic.packet").QuicProtocolVersion
        configuration.original_version = versions.VERSION_2
        configuration.supported_versions = [versions.VERSION_2]
    return asyncio, part, configuration


# ---------------------------------------------------------------- between client and server


def connect_proxy(address, port):
    """An HTTP proxy that knows CONNECT, and one that takes names for addresses of the test network."""
    names = {"org42.crm4.dynamics.com": "10.20.1.10"}

    def handle(conn):
        request = b""
        while b"\r\n\r\n" not in request:
            request += conn.recv(4096)
        target = request.split()[1].decode()
        host, _, target_port = target.rpartition(":")
        with socket.create_connection((names.get(host, host), int(target_port)), timeout=5) as upstream:
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump(conn, upstream)

    each_client(listener(address, port), handle)


def intolerant(address, port, target, target_port):
    """In front of a server: resets every connection whose ClientHello offers more than TLS 1.0, as broken boxes did."""

    def handle(conn):
        hello = read_record(conn)
        if hello[9:11] > b"\x03\x01":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with socket.create_connection((target, int(target_port)), timeout=5) as upstream:
            upstream.sendall(hello)
            pump(conn, upstream)

    each_client(listener(address, port), handle)


def attacker(address, port, target, target_port):
    """In front of a server: overwrites the type of supported_versions, so that the server sees no TLS 1.3 offer."""

    def handle(conn):
        hello = bytearray(read_record(conn))
        at = 9 + 2 + 32
        at += 1 + hello[at]
        at += 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 1 + hello[at]
        at += 2
        while at + 4 <= len(hello):
            if hello[at : at + 2] == b"\x00\x2b":
                hello[at : at + 2] = b"\xfa\xce"
            at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
        with socket.create_connection((target, int(target_port)), timeout=5) as upstream:
            upstream.sendall(hello)
            pump(conn, upstream)

    each_client(listener(address, port), handle)


def tun_link(mode, *ends):
    """Two point-to-point IP interfaces, each END `namespace,name,address,peer`, with this program as the wire.

    Mode `plain` carries every packet; `rough` drops one and delays others, so that there are retransmissions and
    packets out of order.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fds = []
    for end in ends:
        namespace, name, address, peer = end.split(",")
        with open(f"/run/netns/{namespace}", encoding="ascii") as handle:
            if libc.setns(handle.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000))
        subprocess.run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"], check=True)
        subprocess.run(["ip", "address", "add", address, "peer", peer, "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up", "mtu", "1400"], check=True)
        fds.append(fd)
    print("ready", flush=True)
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    from_server = 0
    held = []  # (when, fd, packet)
    while True:
        wait = None if not held else max(0, int(1000 * (held[0][0] - time.monotonic()))) + 1
        ready = [fd for fd, _ in poll.poll(wait)]
        while held and held[0][0] <= time.monotonic():
            _, fd, packet = held.pop(0)
            os.write(fd, packet)
        for fd in ready:
            packet = os.read(fd, 65536)
            other = fds[1] if fd == fds[0] else fds[0]
            header = 4 * (packet[0] & 15)
            data = len(packet) - header - 4 * (packet[header + 12] >> 4)
            if mode == "rough" and fd == fds[1] and data > 0:
                from_server += 1
                if from_server == 2:  # lost
                    continue
                if from_server in (1, 4):  # late
                    held.append((time.monotonic() + 0.03, other, packet))
                    continue
            os.write(other, packet)


def mirror(source, target, *tags):
    """A mirror port: every frame that passes `source` goes out at `target`, with VLAN tags `tpid:id` put in."""
    extra = b""
    for tag in tags:
        tpid, vlan = tag.split(":")
        extra += struct.pack("!HH", int(tpid, 16), int(vlan))
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.bind((source, 0))
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind((target, 0))
    print("ready", flush=True)
    while True:
        frame = tap.recv(65536)
        out.send(frame[:12] + extra + frame[12:])


COMMANDS = {
    "python-client": python_client,
    "half-client": half_client,
    "newest-server": newest_server,
    "newest-client": newest_client,
    "tlslite-client": tlslite_client,
    "starttls-server": starttls_server,
    "irc-client": irc_client,
    "quic-server": quic_server,
    "quic-client": quic_client,
    "nntp-client": nntp_client,
    "tds-server": tds_server,
    "connect-proxy": connect_proxy,
    "intolerant": intolerant,
    "attacker": attacker,
    "tun-link": tun_link,
    "mirror": mirror,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
