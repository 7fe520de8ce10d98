#!/usr/bin/env python3
"""Makes the captures in this folder: real TLS stacks talk to one another in network namespaces, tcpdump listens.

    python3 captures/make.py                   make all captures (as root), then verify them and write the table
    python3 captures/make.py --only NAME       make some only (repeatable; a part of a name is enough)
    python3 captures/make.py --out DIR         write into another folder
    python3 captures/make.py --verify          read the captures with tshark, write expected.json and the table
    python3 captures/make.py --list            name them

The test network is one Ethernet segment: hosts 10.20.0.N (fd20::N), each in a namespace of its own, and servers
10.20.1.N (fd20::1:N), which share one. Frames are recorded at the switch port of the servers. All certificates come
from a private CA that lives in a temporary folder and is thrown away; only its root certificate is kept, for `--trust`.
"""

import argparse
import contextlib
import datetime
import functools
import importlib.metadata
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import naming
import servers

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers" / "peers.py"
MAX_SIZE = 100_000
TLS_PORTS = (443, 465, 636, 853, 993, 1812, 2222, 4433, 5061, 8443, 9443)

# program -> Debian package
PROGRAMS = {
    "certutil": "libnss3-tools",
    "chromium": "chromium",
    "curl": "curl",
    "dumpcap": "wireshark-common",
    "ethtool": "ethtool",
    "gnutls-cli": "gnutls-bin",
    "gnutls-serv": "gnutls-bin",
    "go": "golang-go",
    "ip": "iproute2",
    "java": "openjdk-17-jdk-headless",
    "javac": "openjdk-17-jdk-headless",
    "node": "nodejs",
    "openssl": "openssl",
    "pk12util": "libnss3-tools",
    "selfserv": "libnss3-tools",
    "ss": "iproute2",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
    "tstclnt": "libnss3-tools",
    "wget": "wget",
}
MODULES = {"OpenSSL": "pyOpenSSL", "tlslite": "tlslite-ng"}  # module -> PyPI package

# The order of Schannel's list on old Windows releases, spelled as OpenSSL spells it. They are OpenSSL's hellos with
# that list, not Schannel's.
SERVER_2008 = "AES128-SHA:AES256-SHA:RC4-SHA:DES-CBC3-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"
SERVER_2012R2 = (
    "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:"
    "AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA"
)
RSA_ONLY = "AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"
LEGACY = "@SECLEVEL=0"


class Failure(Exception):
    """Something that ends the run with one line."""


def run(*argv, data=None, check=True, timeout=30, env=None, cwd=None):
    """Runs a program to its end; its output as text."""
    done = subprocess.run(
        [str(a) for a in argv],
        input=data if isinstance(data, bytes) or data is None else data.encode(),
        stdin=subprocess.DEVNULL if data is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
    text = done.stdout.decode(errors="replace")
    if check and done.returncode:
        raise Failure(f"{' '.join(str(a) for a in argv)}: exit {done.returncode}\n{text}")
    return text


# ---------------------------------------------------------------- certificates


class Certificate:
    """A certificate with its key and the chain that a server sends with it."""

    def __init__(self, folder, name, issuer):
        self.name = name
        self.pem = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        self.issuer = issuer

    def intermediates(self, root=False):
        """The chain above this certificate, nearest first."""
        out, above = [], self.issuer
        while above is not None and (above.issuer is not None or root):
            out.append(above)
            above = above.issuer
        return out

    def bundle(self, root=False, leaf=True):
        """A PEM file with the chain, as servers want it."""
        path = self.pem.with_suffix(f".{'r' if root else ''}{'l' if leaf else ''}bundle")
        parts = ([self] if leaf else []) + self.intermediates(root)
        path.write_text("".join(part.pem.read_text() for part in parts))
        return path

    def pkcs12(self):
        path = self.pem.with_suffix(".p12")
        run("openssl", "pkcs12", "-export", "-name", self.name, "-inkey", self.key, "-in", self.pem,
            "-certfile", self.bundle(leaf=False), "-passout", "pass:changeit", "-out", path)
        return path


class Pki:
    """A private certification authority in a folder."""

    CONFIG = """
[ca]
default_ca = d
[d]
new_certs_dir = {dir}
database = {dir}/index
serial = {dir}/serial
policy = p
unique_subject = no
copy_extensions = none
email_in_dn = no
[p]
countryName = optional
organizationName = optional
commonName = supplied
"""

    def __init__(self, folder):
        self.dir = folder
        self.config = folder / "ca.cnf"
        if not self.config.exists():
            self.config.write_text(self.CONFIG.format(dir=folder))
            (folder / "index").touch()
            (folder / "serial").write_text("10000000000000000000000000000001\n")

    def issue(self, name, subject, issuer, *, key="rsa:2048", days=("20240101", "20491231"), md="sha256", ext=()):
        """Makes a certificate, or finds the one made before under that name."""
        cert = Certificate(self.dir, name, issuer)
        if cert.pem.exists():
            return cert
        kind, _, size = key.partition(":")
        if kind == "rsa":
            run("openssl", "genrsa", "-out", cert.key, size)
        elif kind == "ec":
            run("openssl", "ecparam", "-genkey", "-noout", "-name", size, "-out", cert.key)
        else:
            run("openssl", "genpkey", "-algorithm", kind, "-out", cert.key)
        request = cert.pem.with_suffix(".csr")
        run("openssl", "req", "-new", "-key", cert.key, "-subj", subject, "-out", request, "-config", "/dev/null")
        extensions = cert.pem.with_suffix(".ext")
        extensions.write_text("[e]\n" + "\n".join(ext) + "\n")
        signer = ["-selfsign", "-keyfile", cert.key] if issuer is None else ["-cert", issuer.pem, "-keyfile", issuer.key]
        run("openssl", "ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out", cert.pem,
            "-startdate", days[0] + "000000Z", "-enddate", days[1] + "235959Z", "-md", md, "-preserveDN",
            "-extfile", extensions, "-extensions", "e", *signer)
        return cert

    def authority(self, name, subject, issuer, days=("20200101", "20501231"), **more):
        ext = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash"]
        if issuer is not None:
            ext.append("authorityKeyIdentifier=keyid")
        return self.issue(name, subject, issuer, ext=ext, days=days, **more)

    root = property(lambda self: self.authority("root", "/C=XX/O=Corp Example/CN=Corp Example Root CA", None))
    issuing = property(
        lambda self: self.authority("issuing", "/C=XX/O=Corp Example/CN=Corp Example Issuing CA 1", self.root))
    issuing_ec = property(
        lambda self: self.authority("issuing-ec", "/C=XX/O=Corp Example/CN=Corp Example ECC Issuing CA 1", self.root,
                                    key="ec:prime256v1"))
    foreign = property(lambda self: self.authority("foreign", "/C=XX/O=Appliance Vendor/CN=Appliance Root", None))

    def other_issuing(self, label, **more):
        """One more issuing CA under the root."""
        return self.authority(label, f"/C=XX/O=Corp Example/CN=Corp Example {label} CA", self.root, **more)

    def leaf(self, name, *, label=None, issuer=None, url=True, purpose="serverAuth", **more):
        """A server's certificate for a DNS name (or a client's, by `purpose`)."""
        issuer = issuer or self.issuing
        ext = ["basicConstraints=CA:FALSE", f"extendedKeyUsage={purpose}", "authorityKeyIdentifier=keyid"]
        if purpose == "serverAuth":
            ext.append(f"subjectAltName=DNS:{name}")
        if url and issuer.issuer is not None:
            ext.append(f"authorityInfoAccess=caIssuers;URI:http://pki.corp.example/{issuer.name}.crt")
        return self.issue(label or name, f"/O=Corp Example/CN={name}", issuer, ext=ext, **more)

    def self_signed(self, name, **more):
        return self.issue(f"self-{name}", f"/CN={name}", None, ext=[f"subjectAltName=DNS:{name}"], **more)


# ---------------------------------------------------------------- the test network


class Lab:
    """The test network, its servers and its recorder."""

    SERVERS = range(10, 30)

    def __init__(self, folder, pki):
        self.dir = folder
        self.pki = pki
        self.tag = f"tlsc{os.getpid()}"
        self.switch = f"{self.tag}-switch"
        self.servers = f"{self.tag}-servers"
        self.hosts = {}
        self.namespaces = []
        self.running = []
        self.tools = set()
        (folder / "www").mkdir()
        (folder / "www" / "index.html").write_text("<!doctype html><title>ok</title>ok\n")
        self.permissive = folder / "openssl-permissive.cnf"
        self.permissive.write_text(
            "openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n"
            "[d]\nMinProtocol = None\nCipherString = DEFAULT:@SECLEVEL=0\n")

    # -- namespaces

    def __enter__(self):
        self._namespace(self.switch)
        self._ip(self.switch, "link", "add", "lan", "type", "bridge", "mcast_snooping", "0")
        self._sysctl(self.switch, "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self._ip(self.switch, "link", "set", "lan", "up", "mtu", "1500")
        self._namespace(self.servers)
        self._wire(self.servers, "srv", "02:20:00:00:01:00")
        for n in self.SERVERS:
            self._address(self.servers, f"10.20.1.{n}/16", f"fd20::1:{n}/64")
        self._ip(self.switch, "link", "add", "span0", "mtu", "1600", "type", "veth", "peer", "name", "span1",
                 "mtu", "1600")
        for end in ("span0", "span1"):
            self._ip(self.switch, "link", "set", end, "up")
        return self

    def __exit__(self, *_):
        self.stop_servers()
        for name in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")

    def _ip(self, namespace, *args):
        run("ip", "-n", namespace, *args)

    def _sysctl(self, namespace, *args):
        run("ip", "netns", "exec", namespace, "sysctl", "-qw", *args)

    def _namespace(self, name):
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        self._ip(name, "link", "set", "lo", "up")

    def _wire(self, namespace, port, mac):
        """A cable from a namespace's eth0 to a port of the switch, without offloads: segments are what the wire has."""
        self._ip(self.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        self._ip(namespace, "link", "set", "eth0", "address", mac)
        self._sysctl(namespace, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.eth0.accept_dad=0",
                     "net.ipv6.conf.eth0.router_solicitations=0", "net.ipv6.conf.eth0.addr_gen_mode=1",
                     "net.ipv4.tcp_no_metrics_save=1")
        self._ip(self.switch, "link", "set", port, "master", "lan", "up")
        self._ip(namespace, "link", "set", "eth0", "up")
        self.offloads(namespace, port, "off")

    def offloads(self, namespace, port, state):
        for where, device in ((self.switch, port), (namespace, "eth0")):
            run("ip", "netns", "exec", where, "ethtool", "-K", device, "tso", state, "gso", state, "gro", state,
                "tx", state, "rx", state)

    def _address(self, namespace, *addresses):
        for address in addresses:
            self._ip(namespace, "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))

    def host(self, number):
        """The namespace of host 10.20.0.NUMBER, made at first use."""
        if number not in self.hosts:
            name = f"{self.tag}-h{number}"
            self._namespace(name)
            self._wire(name, f"h{number}", f"02:20:00:00:00:{number:02x}")
            self._address(name, f"10.20.0.{number}/16", f"fd20::{number}/64")
            self.hosts[number] = name
        return self.hosts[number]

    def names(self, number, **names):
        """Names that a host knows: its own /etc/hosts."""
        folder = Path("/etc/netns") / self.host(number)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name.replace('__', '.')}\n" for name, address in names.items()]
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))

    # -- programs in it

    def spawn(self, namespace, *argv, env=None, ready=None):
        """Starts a program that runs until stop_servers; `ready` is a line that it prints when it is."""
        log = open(self.dir / "servers.log", "ab")
        process = subprocess.Popen(
            [*(["ip", "netns", "exec", namespace] if namespace else []), *map(str, argv)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE if ready else log, stderr=log,
            env={**os.environ, **(env or {})}, cwd=self.dir / "www", start_new_session=True)
        log.close()
        self.running.append(process)
        if ready and ready.encode() not in process.stdout.readline():
            raise Failure(f"{argv[0]} did not start")
        return process

    def listen(self, address, port, *argv, env=None, namespace=None, udp=False):
        """Starts a server and waits until it listens."""
        namespace = namespace or self.servers
        listening = "-Hlun" if udp else "-Hltn"
        process = self.spawn(namespace, *argv, env=env)
        for _ in range(200):
            if re.search(rf"(\[?{re.escape(address)}\]?|\*|0\.0\.0\.0|\[::\]):{port} ",
                         run("ip", "netns", "exec", namespace, "ss", listening)):
                return process
            if process.poll() is not None:
                raise Failure(f"{argv}: ended at once; {(self.dir / 'servers.log').read_text()[-500:]}")
            time.sleep(0.05)
        raise Failure(f"{argv}: does not listen on {address}:{port}")

    def bridge(self, *setting):
        """Sets a property of the switch."""
        self._ip(self.switch, "link", "set", "lan", "type", "bridge", *setting)

    def server_names(self, **names):
        """Names that the servers know."""
        folder = Path("/etc/netns") / self.servers
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}\n" for name, address in names.items()]
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))

    def dh_parameters(self):
        """RFC 7919's ffdhe2048."""
        path = self.dir / "ffdhe2048.pem"
        if not path.exists():
            run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path)
        return path

    def stop_servers(self):
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        # What servers have started in groups of their own: all that lives in these namespaces is ours.
        for namespace in [self.servers, *self.hosts.values()] if self.running else []:
            for pid in run("ip", "netns", "pids", namespace).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for process in self.running:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self.running.clear()

    def client(self, number, *argv, data=None, env=None, timeout=20):
        """Runs a client on a host; whether it succeeds is for the capture to say."""
        text = run("ip", "netns", "exec", self.host(number), *argv, data=data, env=env, check=False, timeout=timeout,
                   cwd=self.dir / "www")
        with open(self.dir / "clients.log", "a", encoding="utf-8") as log:
            log.write(f"== {' '.join(map(str, argv))}\n{text}\n")
        return text

    # -- OpenSSL's programs

    def s_server(self, cert, *args, server=10, port=443, address=None, bundle="chain", web=True):
        """openssl s_server. `bundle`: chain (leaf and intermediates), full (with the root), leaf."""
        self.tools.add("openssl")
        address = address or f"10.20.1.{server}"
        argv = ["openssl", "s_server", "-accept", f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
        if cert is None:
            argv.append("-nocert")
        else:
            argv += ["-cert", cert.pem, "-key", cert.key]
            if bundle != "leaf" and cert.intermediates(bundle == "full"):
                argv += ["-cert_chain", cert.bundle(root=bundle == "full", leaf=False)]
        self.listen(address, port, *argv, *(["-WWW"] if web else ["-quiet"]), *args)

    def s_client(self, *args, host=11, server=10, port=443, address=None, sni="erp.corp.example", web=True, **more):
        """openssl s_client that fetches a page."""
        self.tools.add("openssl")
        address = address or f"10.20.1.{server}"
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        argv = ["openssl", "s_client", "-connect", target, *(["-servername", sni] if sni else ["-noservername"])]
        if web:
            more.setdefault("data", "GET /index.html HTTP/1.0\r\n\r\n")
            argv.append("-ign_eof")
        return self.client(host, *argv, *args, **more)

    def peer(self, *args):
        return [sys.executable, PEERS, *args]

    # -- the JDK

    @functools.cached_property
    def java_classes(self):
        folder = self.dir / "classes"
        run("javac", "-d", folder, HERE / "peers" / "TlsEnd.java", timeout=120)
        override = folder / "everything.security"
        override.write_text("jdk.tls.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\njdk.certpath.disabledAlgorithms=\n")
        return folder

    def java(self, *args, everything=True):
        self.tools.add("java")
        override = [f"-Djava.security.properties={self.java_classes / 'everything.security'}"] if everything else []
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", *override, "-cp", self.java_classes, "TlsEnd", *args]

    def java_server(self, cert, *args, server=10, port=443):
        keystore = [f"keystore={cert.pkcs12()}"] if cert else []
        self.listen(f"10.20.1.{server}", port, *self.java("server", f"10.20.1.{server}", port, *keystore, *args))

    def java_client(self, *args, host=11, server=10, port=443, everything=True):
        return self.client(host, *self.java("client", f"10.20.1.{server}", port, *args, everything=everything))

    # -- recording

    @contextlib.contextmanager
    def record(self, path, *, interface="srv", namespace=None, filter="tcp", args=(), tool="tcpdump", snaplen=65535):
        """Records what passes an interface while the body runs."""
        namespace = namespace or self.switch
        interfaces = [word for name in interface.split() for word in ("-i", name)]
        raw = self.dir / "recording"
        raw.unlink(missing_ok=True)
        if tool == "tcpdump":
            argv = ["tcpdump", "-U", "-n", "-s", str(snaplen), "--immediate-mode", "-Z", "root", *interfaces, *args,
                    "-w", str(raw), *filter.split()]
            sign = "istening on"
        else:
            argv = ["dumpcap", "-q", "-s", str(snaplen), *interfaces, *args, "-f", filter, "-w", str(raw)]
            sign = "Capturing on" if len(interfaces) == 2 else "File:"
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *argv], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for line in process.stderr:
                if sign in line:
                    break
            else:
                raise Failure(f"{tool} did not start")
            time.sleep(0.1)
            yield
            size, quiet = -1, 0
            while quiet < 3:
                time.sleep(0.1)
                now = raw.stat().st_size if raw.exists() else -1
                quiet = quiet + 1 if now == size else 0
                size = now
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
        data = raw.read_bytes()
        raw.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


# ---------------------------------------------------------------- files


def big_endian(data):
    """The same pcap file as a big-endian machine writes it: the packets are untouched, the headers swapped."""
    out = bytearray(struct.pack(">IHHiIII", *struct.unpack("<IHHiIII", data[:24])))
    at = 24
    while at < len(data):
        header = struct.unpack("<IIII", data[at : at + 16])
        out += struct.pack(">IIII", *header) + data[at + 16 : at + 16 + header[2]]
        at += 16 + header[2]
    return bytes(out)


def anonymous(data):
    """The same pcapng file without the options that describe the machine that wrote it."""
    out, at = bytearray(), 0
    while at < len(data):
        kind, length = struct.unpack("<II", data[at : at + 8])
        body = data[at + 8 : at + length - 4]
        if kind == 0x0A0D0D0A:  # section header: no options at all
            body = body[:16]
        elif kind == 1:  # interface description: all but if_os
            kept, option = bytearray(body[:8]), 8
            while option < len(body):
                code, size = struct.unpack("<HH", body[option : option + 4])
                end = option + 4 + (size + 3) // 4 * 4
                if code != 12:
                    kept += body[option:end]
                option = end
            body = bytes(kept)
        out += struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
        at += length
    return bytes(out)


# ---------------------------------------------------------------- the captures

CAPTURES = {}


def capture(name, shows, *, tools=(), expect=None, before=None, post=None, server=(), client=(), programs=(), modules=(),
            recorded=None, decode=(), **record):
    """Registers a capture: a function that makes the traffic, and what tshark must find in it.

    `server` and `client` name the software at the ends, `programs` what it needs besides the usual, `recorded` what our
    records must say of how TLS was carried, one entry a connection; `decode` helps tshark where it needs to be told.
    """

    def register(make):
        assert name not in CAPTURES, name
        CAPTURES[name] = {
            "shows": shows, "make": make, "tools": tools or (*server, *client), "expect": expect, "before": before,
            "post": post, "server": server, "client": client, "programs": programs, "modules": modules,
            "recorded": recorded, "decode": decode, "record": record}
        return make

    return register


def openssl_pair(name, shows, expect, *, server=(), client=(), cert=lambda p: p.leaf("erp.corp.example"), bundle="chain",
                 **more):
    """A capture of one connection from s_client to s_server."""
    extra = {key: more.pop(key) for key in ("port", "sni") if key in more}

    @capture(name, shows, expect=[expect] if isinstance(expect, dict) else expect, **more)
    def make(lab):
        certificate = cert(lab.pki)
        resolve = lambda args: [str(a(lab.pki)) if callable(a) else a for a in args]  # noqa: E731
        port = extra.get("port", 443)
        lab.s_server(certificate, *resolve(server), bundle=bundle, port=port)
        lab.s_client(*resolve(client), **extra)


def root_file(pki):
    return pki.root.pem


# -- versions and key exchanges

openssl_pair(
    "tls10-ecdhe-rsa.pcap", "TLS 1.0, ECDHE with an RSA certificate; the client offers no more",
    dict(version="TLS1.0", cipher="0xc013", offered_max="TLS1.0", certs=2),
    server=["-cipher", f"ALL:{LEGACY}"], client=["-tls1", "-cipher", f"ECDHE-RSA-AES128-SHA:AES128-SHA:{LEGACY}"])
openssl_pair(
    "tls10-server-limits.pcap", "TLS 1.0 because the server knows no more: the client offers TLS 1.2",
    dict(version="TLS1.0", offered_max="TLS1.2", certs=2),
    server=["-tls1", "-cipher", f"ALL:{LEGACY}"], client=["-no_tls1_3", "-cipher", f"DEFAULT:{LEGACY}"])
openssl_pair(
    "tls11-dhe-rsa.pcap", "TLS 1.1, DHE with AES-CBC",
    dict(version="TLS1.1", cipher="0x0039", offered_max="TLS1.1", certs=2),
    server=["-cipher", f"ALL:{LEGACY}"], client=["-tls1_1", "-cipher", f"DHE-RSA-AES256-SHA:{LEGACY}"])
openssl_pair(
    "tls12-rsa-kx.pcap", "TLS 1.2 with static RSA key exchange (TLS_RSA_WITH_AES_128_GCM_SHA256), no forward secrecy",
    dict(version="TLS1.2", cipher="0x009c", offered_max="TLS1.2", certs=2),
    client=["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES128-SHA"])
openssl_pair(
    "tls12-dhe-rsa.pcap", "TLS 1.2, finite-field Diffie-Hellman with GCM",
    dict(version="TLS1.2", cipher="0x009f", certs=2),
    client=["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"])
openssl_pair(
    "tls12-ecdhe-rsa.pcap", "TLS 1.2, ECDHE-RSA with AES-GCM: what most policies ask for",
    dict(version="TLS1.2", cipher="0xc030", offered_max="TLS1.2", sni="erp.corp.example", certs=2),
    server=["-tls1_2"], client=["-tls1_2"])
openssl_pair(
    "tls12-ecdhe-ecdsa.pcap", "TLS 1.2, ECDSA certificate on P-256 from an ECC issuing CA",
    dict(version="TLS1.2", cipher="0xc02b", certs=2),
    cert=lambda p: p.leaf("ecc.corp.example", key="ec:prime256v1", issuer=p.issuing_ec),
    client=["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], sni="ecc.corp.example")
openssl_pair(
    "tls12-cbc-sha384.pcap", "TLS 1.2, ECDHE-RSA with CBC and SHA-384, the suites of Windows Server 2012 R2",
    dict(version="TLS1.2", cipher="0xc028", certs=2),
    client=["-tls1_2", "-cipher", SERVER_2012R2])
openssl_pair(
    "tls12-chacha20.pcap", "TLS 1.2 with ChaCha20-Poly1305: sound, but on no list of Schannel's",
    dict(version="TLS1.2", cipher="0xcca8", certs=2), client=["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"])
openssl_pair(
    "tls13-x25519.pcap", "TLS 1.3, X25519, certificates hidden by encryption",
    dict(version="TLS1.3", cipher="0x1302", offered_max="TLS1.3", certs=0))
openssl_pair(
    "tls13-only-client.pcap", "A client that offers TLS 1.3 and nothing else, with AES-128-GCM",
    dict(version="TLS1.3", cipher="0x1301", offered_max="TLS1.3"),
    client=["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"])
openssl_pair(
    "tls13-hello-retry.pcap", "HelloRetryRequest: the client sends a share for X25519, the server wants P-384",
    dict(version="TLS1.3", cipher="0x1302", history="CjiICs"),
    server=["-groups", "P-384"], client=["-groups", "X25519:P-384"])
openssl_pair(
    "tls12-psk.pcap", "TLS 1.2 with a pre-shared key and no certificate", dict(version="TLS1.2", cipher="0x00a8", certs=0),
    cert=lambda p: None, server=["-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "-cipher", "PSK"],
    client=["-tls1_2", "-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "-cipher", "PSK-AES128-GCM-SHA256"], sni=None)
openssl_pair(
    "tls12-ecdhe-psk.pcap", "TLS 1.2 with ECDHE and a pre-shared key", dict(version="TLS1.2", cipher="0xc037", certs=0),
    cert=lambda p: None, server=["-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "-cipher", "ECDHE-PSK-AES128-CBC-SHA256"],
    client=["-tls1_2", "-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "-cipher", "ECDHE-PSK-AES128-CBC-SHA256"], sni=None)
openssl_pair(
    "tls12-adh.pcap", "Anonymous Diffie-Hellman: encrypted, but to whom nobody knows",
    dict(version="TLS1.2", cipher="0x00a6", certs=0), cert=lambda p: None,
    server=["-cipher", f"aNULL:{LEGACY}"], client=["-tls1_2", "-cipher", f"ADH-AES128-GCM-SHA256:{LEGACY}"])
openssl_pair(
    "tls10-aecdh.pcap", "Anonymous elliptic-curve Diffie-Hellman at TLS 1.0",
    dict(version="TLS1.0", cipher="0xc018", certs=0), cert=lambda p: None,
    server=["-cipher", f"aNULL:{LEGACY}"], client=["-tls1", "-cipher", f"AECDH-AES128-SHA:{LEGACY}"])
openssl_pair(
    "tls12-null.pcap", "A NULL suite: authenticated, but the page passes in the clear",
    dict(version="TLS1.2", cipher="0x003b", certs=2),
    server=["-cipher", f"eNULL:{LEGACY}"], client=["-tls1_2", "-cipher", f"NULL-SHA256:{LEGACY}"])
openssl_pair(
    "tls12-weak-dh.pcap", "TLS 1.2 with a 1024-bit Diffie-Hellman group",
    dict(version="TLS1.2", cipher="0x009e", certs=2),
    server=["-dhparam", lambda p: dh_1024(p), "-cipher", f"ALL:{LEGACY}"],
    client=["-tls1_2", "-cipher", f"DHE-RSA-AES128-GCM-SHA256:{LEGACY}"])


def dh_1024(pki):
    """RFC 2409's second Oakley group, the one that everybody used."""
    path = pki.dir / "dh1024.pem"
    if not path.exists():
        prime = ("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
                 "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
                 "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")
        der = path.with_suffix(".der")
        run("openssl", "asn1parse", "-genconf", "/dev/stdin", "-noout", "-out", der,
            data=f"asn1=SEQUENCE:s\n[s]\np=INTEGER:0x{prime}\ng=INTEGER:2\n")
        run("openssl", "dhparam", "-inform", "DER", "-in", der, "-out", path)
    return path


openssl_pair(
    "tls13-psk.pcap", "TLS 1.3 with a pre-shared key agreed beforehand, so no certificate though nothing was resumed",
    dict(version="TLS1.3", cipher="0x1301", certs=0), cert=lambda p: None,
    server=["-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
    client=["-psk", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], sni=None)
openssl_pair(
    "no-sni.pcap", "A client that names no server", dict(version="TLS1.2", sni=None, certs=2), client=["-tls1_2"], sni=None)


@capture("renegotiation-tls12.pcap", "TLS 1.2, renegotiated: a second handshake, encrypted, in the same connection",
         expect=[dict(version="TLS1.2", certs=2)])
def renegotiation(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-client_renegotiation", web=False)
    lab.client(11, "bash", "-c", '(sleep 0.5; echo R; sleep 0.5; echo Q) | "$@"', "-", "openssl", "s_client", "-connect",
               "10.20.1.10:443", "-servername", "erp.corp.example", "-tls1_2")


# -- Java and its old suites


def java_pair(name, shows, expect, *, protocols, suites=None, server_protocols=None, cert=True, sni="erp.corp.example",
              key=None):
    @capture(name, shows, tools=("java",), expect=[expect])
    def make(lab):
        certificate = None
        if cert:
            certificate = lab.pki.leaf("erp.corp.example", **key) if key else lab.pki.leaf("erp.corp.example")
        words = [f"protocols={server_protocols or protocols}"] + ([f"suites={suites}"] if suites else [])
        lab.java_server(certificate, *words)
        lab.java_client(f"protocols={protocols}", *([f"suites={suites}"] if suites else []), f"sni={sni}")


java_pair("ssl3-rsa-3des.pcap", "SSL 3.0 with 3DES, client and server by Java with its safeguards off; SNI in a hello of SSL 3.0",
          dict(version="SSL3", cipher="0x000a", offered_max="SSL3", certs=2, sni="erp.corp.example"),
          protocols="SSLv3", suites="SSL_RSA_WITH_3DES_EDE_CBC_SHA")
java_pair("ssl3-rsa-rc4-md5.pcap", "SSL 3.0 with RC4 and MD5",
          dict(version="SSL3", cipher="0x0004", certs=2), protocols="SSLv3", suites="SSL_RSA_WITH_RC4_128_MD5")
java_pair("sslv2-hello.pcap", "A ClientHello in the format of SSL 2.0 that asks for TLS 1.0",
          dict(version="TLS1.0", offered_max="TLS1.0", certs=2, sni=None),
          protocols="SSLv2Hello,SSLv3,TLSv1", server_protocols="SSLv2Hello,SSLv3,TLSv1,TLSv1.1,TLSv1.2")
java_pair("tls10-rc4.pcap", "TLS 1.0 with RC4", dict(version="TLS1.0", cipher="0x0005", certs=2),
          protocols="TLSv1", suites="SSL_RSA_WITH_RC4_128_SHA")
java_pair("tls12-3des.pcap", "TLS 1.2 with static RSA and 3DES", dict(version="TLS1.2", cipher="0x000a", certs=2),
          protocols="TLSv1.2", suites="SSL_RSA_WITH_3DES_EDE_CBC_SHA")
java_pair("tls10-des.pcap", "TLS 1.0 with single DES", dict(version="TLS1.0", cipher="0x0009", certs=2),
          protocols="TLSv1", suites="SSL_RSA_WITH_DES_CBC_SHA")
java_pair("tls10-export.pcap", "TLS 1.0 with an export suite (40-bit RC4) and a 512-bit temporary RSA key",
          dict(version="TLS1.0", cipher="0x0003", certs=2),
          protocols="TLSv1", suites="SSL_RSA_EXPORT_WITH_RC4_40_MD5")
java_pair("tls10-anon-rc4.pcap", "TLS 1.0, anonymous Diffie-Hellman with RC4",
          dict(version="TLS1.0", cipher="0x0018", certs=0), cert=False,
          protocols="TLSv1", suites="SSL_DH_anon_WITH_RC4_128_MD5")
java_pair("ssl3-null.pcap", "SSL 3.0 without encryption", dict(version="SSL3", cipher="0x0002", certs=2),
          protocols="SSLv3", suites="SSL_RSA_WITH_NULL_SHA")


@capture("java17-default.pcap", "Java 17 as installed: TLS 1.3 to a modern server, TLS 1.2 to an older one",
         tools=("java", "openssl"), expect=[dict(version="TLS1.3"), dict(version="TLS1.2", cipher="0xc030")])
def java_default(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    lab.s_server(lab.pki.leaf("crm.corp.example"), "-tls1_2", server=11)
    lab.java_client("sni=erp.corp.example", everything=False)
    lab.java_client("sni=crm.corp.example", server=11, everything=False)


def go(name, shows, expect, *words):
    @capture(name, shows, tools=("go", "openssl"), expect=[expect])
    def make(lab):
        program = lab.dir / "go-client"
        run("go", "build", "-o", program, HERE.parent / "tests" / "enforcement" / "stacks" / "client.go", timeout=300)
        lab.s_server(lab.pki.leaf("erp.corp.example"), "-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0", "-www")
        lab.client(11, program, *words, "sni=erp.corp.example", "10.20.1.10:443")


go("go.pcap", "Go as installed", dict(version="TLS1.3"))
go("go-tls13-only.pcap", "Go, TLS 1.3 only", dict(version="TLS1.3"), "min=TLS1.3")
go("go-tls12.pcap", "Go, told to offer TLS 1.0 to 1.2", dict(version="TLS1.2"), "min=TLS1.0", "max=TLS1.2")
go("go-tls11.pcap", "Go, told to offer TLS 1.0 and 1.1: no signature algorithms", dict(version="TLS1.1"), "min=TLS1.0",
   "max=TLS1.1")
go("go-tls-rsa.pcap", "Go, told to offer one TLS_RSA suite", dict(version="TLS1.2", cipher="0x002f"), "min=TLS1.0",
   "max=TLS1.2", "suites=TLS_RSA_WITH_AES_128_CBC_SHA")


# -- certificates

openssl_pair(
    "cert-sha1.pcap", "A leaf signed with SHA-1", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="sha1", md="sha1"),
    server=["-cipher", f"DEFAULT:{LEGACY}"], client=["-tls1_2"])
openssl_pair(
    "cert-md5.pcap", "A leaf signed with MD5", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="md5", md="md5"),
    server=["-cipher", f"DEFAULT:{LEGACY}"], client=["-tls1_2"])
openssl_pair(
    "cert-rsa1024.pcap", "A leaf with a 1024-bit RSA key", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="rsa1024", key="rsa:1024"),
    server=["-cipher", f"DEFAULT:{LEGACY}"], client=["-tls1_2", "-cipher", f"DEFAULT:{LEGACY}"])
openssl_pair(
    "cert-expired.pcap", "A leaf that expired in 2023; the client does not care", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="expired", days=("20210101", "20230331")), client=["-tls1_2"])
openssl_pair(
    "cert-not-yet-valid.pcap", "A leaf that is valid from 2045 on", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="future", days=("20450101", "20471231")), client=["-tls1_2"])
openssl_pair(
    "cert-expires-soon.pcap", "A leaf that expires six days after the capture", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="soon", days=(
        "20250101", (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=6)).strftime("%Y%m%d"))),
    client=["-tls1_2"])
openssl_pair(
    "cert-self-signed.pcap", "A self-signed certificate, as appliances have it", dict(version="TLS1.2", certs=1),
    cert=lambda p: p.self_signed("printer.corp.example"), client=["-tls1_2"], sni="printer.corp.example", port=8443)
openssl_pair(
    "cert-private-root.pcap", "The whole chain, its private root included", dict(version="TLS1.2", certs=3),
    bundle="full", client=["-tls1_2", "-CAfile", root_file, "-verify_return_error"])
openssl_pair(
    "cert-unknown-root.pcap", "A chain, complete with its root, to a vendor's CA that nobody trusts",
    dict(version="TLS1.2", certs=2), bundle="full",
    cert=lambda p: p.leaf("appliance.corp.example", issuer=p.foreign), client=["-tls1_2"], sni="appliance.corp.example")
openssl_pair(
    "cert-incomplete-chain.pcap", "The leaf only: its issuing CA, which its caIssuers URL names, was not sent",
    dict(version="TLS1.2", certs=1), bundle="leaf", client=["-tls1_2"])
openssl_pair(
    "cert-incomplete-no-url.pcap", "The leaf only, and nothing says where its issuer can be had",
    dict(version="TLS1.2", certs=1), bundle="leaf",
    cert=lambda p: p.leaf("erp.corp.example", label="nourl", url=False), client=["-tls1_2"])
openssl_pair(
    "cert-wrong-name.pcap", "The client asks for erp.corp.example and gets www.corp.example",
    dict(version="TLS1.2", sni="erp.corp.example", certs=2),
    cert=lambda p: p.leaf("www.corp.example"), client=["-tls1_2"])
openssl_pair(
    "cert-bad-signature.pcap", "A leaf whose signature does not verify", dict(version="TLS1.2", certs=2),
    cert=lambda p: forged(p), client=["-tls1_2"])
openssl_pair(
    "cert-ed25519.pcap", "An Ed25519 certificate", dict(version="TLS1.2", cipher="0xc02c", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="ed25519", key="ed25519"), client=["-tls1_2"])


openssl_pair(
    "cert-expired-intermediate.pcap", "A valid leaf whose issuing CA expired in 2024", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="under-expired", issuer=p.other_issuing(
        "Old-Issuing", days=("20140101", "20241231"))), client=["-tls1_2"])
openssl_pair(
    "cert-brainpool-ca.pcap", "An issuing CA on a Brainpool curve, which many verifiers do not know",
    dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="under-brainpool", issuer=p.other_issuing(
        "Brainpool", key="ec:brainpoolP256r1")), client=["-tls1_2"])
openssl_pair(
    "cert-rsa-pss.pcap", "A leaf with an RSASSA-PSS key", dict(version="TLS1.2", certs=2),
    cert=lambda p: p.leaf("erp.corp.example", label="pss", key="RSA-PSS"), client=["-tls1_2"])


def stapled(pki):
    """A fresh OCSP answer for the usual leaf."""
    answer = pki.dir / "stapled.der"
    run("openssl", "ocsp", "-index", pki.dir / "index", "-CA", pki.issuing.pem, "-rsigner", pki.issuing.pem, "-rkey",
        pki.issuing.key, "-issuer", pki.issuing.pem, "-cert", pki.leaf("erp.corp.example").pem, "-ndays", "7", "-respout",
        answer)
    return answer


openssl_pair(
    "ocsp-stapling.pcap", "The server staples an OCSP answer: a CertificateStatus message after its Certificate",
    dict(version="TLS1.2", certs=2, history="Csxukn"), server=["-status_file", stapled], client=["-tls1_2", "-status"])


def forged(pki):
    """A leaf with some bits of its signature turned."""
    cert = pki.leaf("erp.corp.example", label="forged")
    der = cert.pem.with_suffix(".der")
    if not der.exists():
        run("openssl", "x509", "-in", cert.pem, "-outform", "DER", "-out", der)
        data = bytearray(der.read_bytes())
        data[-20] ^= 0x55
        der.write_bytes(data)
        run("openssl", "x509", "-inform", "DER", "-in", der, "-out", cert.pem)
    return cert


@capture("cert-wrong-order.pcap", "The chain in the wrong order: leaf, root, issuing CA", expect=[dict(certs=3)])
def wrong_order(lab):
    cert = lab.pki.leaf("erp.corp.example")
    bundle = lab.dir / "wrong-order.pem"
    bundle.write_text(lab.pki.root.pem.read_text() + lab.pki.issuing.pem.read_text())
    lab.s_server(cert, "-cert_chain", bundle, bundle="leaf")
    lab.s_client("-tls1_2")


# -- refusals


def alert(sender, description):
    return [{"from": sender, "description": description}]


openssl_pair(
    "refused-version.pcap", "A TLS 1.0 client at a server that wants TLS 1.2: alert protocol_version",
    dict(version=None, offered_max="TLS1.0", alerts=alert("server", "protocol_version")),
    server=["-tls1_2"], client=["-tls1", "-cipher", f"DEFAULT:{LEGACY}"])
openssl_pair(
    "refused-suites.pcap", "No suite in common: alert handshake_failure",
    dict(version=None, offered_max="TLS1.2", alerts=alert("server", "handshake_failure")),
    server=["-cipher", "ECDHE+AESGCM"], client=["-tls1_2", "-cipher", RSA_ONLY])
openssl_pair(
    "refused-group.pcap", "Suites in common, but no group: the client knows P-521 only",
    dict(version=None, alerts=alert("server", "handshake_failure")),
    server=["-groups", "X25519:P-256"], client=["-tls1_2", "-groups", "P-521", "-cipher", "ECDHE+AESGCM"])
openssl_pair(
    "refused-tls13-only-server.pcap", "A TLS 1.2 client at a server that speaks TLS 1.3 only",
    dict(version=None, offered_max="TLS1.2", alerts=alert("server", "protocol_version")),
    server=["-tls1_3"], client=["-tls1_2"])
openssl_pair(
    "refused-unknown-ca.pcap", "The client does not know the server's root: alert unknown_ca (TLS 1.2)",
    dict(version="TLS1.2", certs=2, alerts=alert("client", "unknown_ca")),
    client=["-tls1_2", "-CAfile", lambda p: p.foreign.pem, "-verify_return_error"])
openssl_pair(
    "refused-expired.pcap", "The client refuses an expired certificate: alert certificate_expired",
    dict(version="TLS1.2", certs=2, alerts=alert("client", "certificate_expired")),
    cert=lambda p: p.leaf("erp.corp.example", label="expired", days=("20210101", "20230331")),
    client=["-tls1_2", "-CAfile", root_file, "-verify_return_error"])
openssl_pair(
    "refused-unknown-ca-tls13.pcap",
    "The same in TLS 1.3: the chain is hidden, but OpenSSL sends this alert before its keys change, in the clear",
    dict(version="TLS1.3", certs=0, alerts=alert("client", "unknown_ca")),
    client=["-CAfile", lambda p: p.foreign.pem, "-verify_return_error"])


@capture("refused-root-tls13-java.pcap", "Java refuses a root that it does not know, in TLS 1.3, with an encrypted "
         "alert; Java pads, so the record holds 35 bytes and not 19",
         tools=("java", "openssl"), expect=[dict(version="TLS1.3", certs=0, alerts=[])])
def java_refuses(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    lab.java_client("sni=erp.corp.example", "trust=default", everything=False)


@capture("refused-root-tls13-gnutls.pcap", "GnuTLS refuses it too, with an encrypted alert of 19 bytes",
         tools=("gnutls-cli", "openssl"), expect=[dict(version="TLS1.3", certs=0, alerts=[])])
def gnutls_refuses(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    lab.client(11, "gnutls-cli", "--sni-hostname=erp.corp.example", "--verify-hostname=erp.corp.example", "10.20.1.10",
               "-p", "443", data="")


openssl_pair(
    "refused-name.pcap", "The server knows no such name: alert unrecognized_name, and no ServerHello",
    dict(version=None, sni="old.corp.example", alerts=alert("server", "unrecognized_name")),
    server=["-servername", "erp.corp.example", "-servername_fatal", "-cert2", lambda p: p.leaf("erp.corp.example").pem,
            "-key2", lambda p: p.leaf("erp.corp.example").key],
    client=["-tls1_2"], sni="old.corp.example")
openssl_pair(
    "fallback-scsv.pcap", "A retry at TLS 1.1 with TLS_FALLBACK_SCSV: alert inappropriate_fallback",
    dict(version=None, offered_max="TLS1.1", alerts=alert("server", "inappropriate_fallback")),
    client=["-tls1_1", "-fallback_scsv", "-cipher", f"DEFAULT:{LEGACY}"])


@capture("fallback-dance.pcap", "A server behind a box that resets hellos above TLS 1.0: the client tries TLS 1.2, 1.1, 1.0",
         tools=("openssl", "python"),
         expect=[dict(version=None, offered_max="TLS1.2"), dict(version=None, offered_max="TLS1.1"),
                 dict(version="TLS1.0", offered_max="TLS1.0")])
def fallback_dance(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-cipher", f"ALL:{LEGACY}", address="127.0.0.1", port=8443)
    lab.listen("10.20.1.10", 443, *lab.peer("intolerant", "10.20.1.10", "443", "127.0.0.1", "8443"))
    suites = "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-SHA:AES256-SHA"
    for version, more in (("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256:"), ("-tls1_1", ""), ("-tls1", "")):
        lab.s_client(version, "-cipher", f"{more}{suites}:{LEGACY}")


@capture("downgrade-attack.pcap", "Something between them hides the client's TLS 1.3 offer: the server answers with the "
         "sentinel, the client with illegal_parameter", tools=("openssl", "python"),
         expect=[dict(version="TLS1.2", offered_max="TLS1.3", sentinel="TLS1.3",
                      alerts=alert("client", "illegal_parameter"))])
def downgrade_attack(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), address="127.0.0.1", port=8443)
    lab.listen("10.20.1.10", 443, *lab.peer("attacker", "10.20.1.10", "443", "127.0.0.1", "8443"))
    lab.s_client()


openssl_pair(
    "sentinel-tls13.pcap", "A server that can TLS 1.3 and a client that cannot: DOWNGRD01 in the server's random",
    dict(version="TLS1.2", offered_max="TLS1.2", sentinel="TLS1.3"), client=["-tls1_2"])
openssl_pair(
    "sentinel-tls12.pcap", "A server that can TLS 1.2 and a TLS 1.1 client: DOWNGRD00",
    dict(version="TLS1.1", offered_max="TLS1.1", sentinel="TLS1.2"),
    server=["-no_tls1_3", "-cipher", f"DEFAULT:{LEGACY}"], client=["-tls1_1", "-cipher", f"DEFAULT:{LEGACY}"])

# -- client certificates


def client_leaf(pki, issuer=None):
    return pki.leaf("alice", label=f"alice-{issuer.name if issuer else 'corp'}", issuer=issuer, purpose="clientAuth")


def wants_certificate(lab, *args):
    lab.s_server(lab.pki.leaf("gateway.corp.example"), "-Verify", "2", "-verify_return_error", "-CAfile",
                 lab.pki.root.pem, *args)


@capture("mutual-tls12.pcap", "Mutual TLS 1.2: the server asks for a certificate and gets one",
         expect=[dict(version="TLS1.2", certs=2, client_certs=2, alerts=[])])
def mutual(lab):
    wants_certificate(lab)
    cert = client_leaf(lab.pki)
    lab.s_client("-tls1_2", "-cert", cert.pem, "-key", cert.key, "-cert_chain", cert.bundle(leaf=False),
                 sni="gateway.corp.example")


@capture("mutual-tls12-none.pcap", "The server demands a certificate, the client has none: handshake_failure after an "
         "empty Certificate", expect=[dict(version="TLS1.2", client_certs=0, alerts=alert("server", "handshake_failure"))])
def mutual_none(lab):
    wants_certificate(lab)
    lab.s_client("-tls1_2", sni="gateway.corp.example")


@capture("mutual-tls12-refused.pcap", "The client's certificate is from a CA that the server does not know: unknown_ca",
         expect=[dict(version="TLS1.2", client_certs=1, alerts=alert("server", "unknown_ca"))])
def mutual_refused(lab):
    wants_certificate(lab)
    cert = client_leaf(lab.pki, lab.pki.foreign)
    lab.s_client("-tls1_2", "-cert", cert.pem, "-key", cert.key, sni="gateway.corp.example")


@capture("mutual-tls13.pcap", "Mutual TLS 1.3: all of it is encrypted", expect=[dict(version="TLS1.3", client_certs=0)])
def mutual13(lab):
    wants_certificate(lab)
    cert = client_leaf(lab.pki)
    lab.s_client("-cert", cert.pem, "-key", cert.key, "-cert_chain", cert.bundle(leaf=False), sni="gateway.corp.example")


# -- resumption


def resumption(name, shows, expect, server=(), client=()):
    @capture(name, shows, expect=expect)
    def make(lab):
        session = lab.dir / f"{name}.session"
        lab.s_server(lab.pki.leaf("erp.corp.example"), *server)
        lab.s_client(*client, "-sess_out", session)
        lab.s_client(*client, "-sess_in", session)


resumption("resumed-session-id.pcap", "TLS 1.2: a full handshake, then one resumed by session id, without certificates",
           [dict(version="TLS1.2", certs=2, resumed=False), dict(version="TLS1.2", certs=0, resumed=True)],
           server=["-no_ticket"], client=["-tls1_2", "-no_ticket"])
resumption("resumed-ticket.pcap", "TLS 1.2: a full handshake, then one resumed by ticket",
           [dict(version="TLS1.2", certs=2, resumed=False), dict(version="TLS1.2", certs=0, resumed=True)],
           client=["-tls1_2"])
resumption("resumed-tls13-psk.pcap", "TLS 1.3: a full handshake, then one resumed by pre-shared key",
           [dict(version="TLS1.3", resumed=False), dict(version="TLS1.3", resumed=True)])


@capture("tls13-early-data.pcap", "TLS 1.3 with early data in the second connection",
         expect=[dict(version="TLS1.3", resumed=False), dict(version="TLS1.3", resumed=True)])
def early_data(lab):
    session, early = lab.dir / "early.session", lab.dir / "early.data"
    early.write_text("GET /index.html HTTP/1.0\r\n\r\n")
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-early_data", "-max_early_data", "4096", web=False)
    sleepy = ["bash", "-c", 'sleep 1 | "$@"', "-"]
    base = ["openssl", "s_client", "-connect", "10.20.1.10:443", "-servername", "erp.corp.example"]
    lab.client(11, *sleepy, *base, "-sess_out", session)
    lab.client(11, *sleepy, *base, "-sess_in", session, "-early_data", early)


# -- how hellos are cut into records and segments

LONG_ALPN = ",".join(f"x-service-{n}/1" for n in range(90))


@capture("hello-many-segments.pcap", "The ClientHello comes in several TCP segments: the server's route has a small MSS",
         expect=[dict(version="TLS1.2", certs=2, hello_segments=(3, 20))])
def many_segments(lab):
    lab.host(11)
    run("ip", "-n", lab.servers, "route", "replace", "10.20.0.11/32", "dev", "eth0", "advmss", "256")
    try:
        lab.s_server(lab.pki.leaf("erp.corp.example"), "-tls1_2")
        lab.s_client("-alpn", ",".join(f"x-service-{n}/1" for n in range(30)))
    finally:
        run("ip", "-n", lab.servers, "route", "delete", "10.20.0.11/32")


openssl_pair(
    "hello-many-records.pcap", "The ClientHello comes in several TLS records, and so does the server's Certificate",
    dict(version="TLS1.2", certs=2, hello_records=(3, 9)),
    server=["-tls1_2", "-max_send_frag", "512"],
    client=["-max_send_frag", "512", "-split_send_frag", "512", "-alpn", LONG_ALPN])


@capture("hello-cut-off.pcap", "Half a ClientHello, then the client goes away", tools=("python",), expect=None)
def hello_cut_off(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    lab.client(11, *lab.peer("half-client", "10.20.1.10", "443", "sni=erp.corp.example"))


@capture("ipv6.pcap", "TLS 1.2 over IPv6", expect=[dict(version="TLS1.2", client="fd20::11", server="fd20::1:10", certs=2)])
def ipv6(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-tls1_2", address="fd20::1:10")
    lab.s_client(address="fd20::1:10")


openssl_pair("odd-port.pcap", "TLS 1.2 on port 1812, where nobody looks for it", dict(version="TLS1.2", sport=1812, certs=2),
             client=["-tls1_2"], port=1812)


def offloads_on(lab):
    lab.offloads(lab.servers, "srv", "on")
    lab.offloads(lab.host(11), "h11", "on")


@capture("super-segments.pcap", "Offloads on: the capture holds a segment larger than any frame, with a checksum not yet "
         "computed", before=offloads_on, expect=[dict(version="TLS1.2", certs=3, largest_frame=(1515, 70000))])
def super_segments(lab):
    try:
        lab.s_server(lab.pki.leaf("erp.corp.example", label="rsa4096", key="rsa:4096"), "-tls1_2", bundle="full")
        lab.s_client()
    finally:
        lab.offloads(lab.servers, "srv", "off")
        lab.offloads(lab.host(11), "h11", "off")


# -- how it was recorded

TLS12 = dict(version="TLS1.2", certs=2)


def plain_pair(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-tls1_2")
    lab.s_client()


def recorded(name, shows, expect=None, **record):
    capture(name, shows, expect=[TLS12 if expect is None else expect], **record)(plain_pair)


recorded("only-client-side.pcap", "One direction only: what the client sent",
         dict(version=None, certs=0, offered_max="TLS1.3", history="CGI"), filter="tcp and dst host 10.20.1.10")
recorded("only-server-side.pcap", "One direction only: what the server sent",
         dict(version="TLS1.2", certs=2, offered_max=None, sni=None, history="sxkntiI"[:4]),
         filter="tcp and src host 10.20.1.10")
recorded("no-syn.pcap", "The capture began after the TCP handshake", filter="tcp and tcp[tcpflags]&tcp-syn=0")
recorded("nanoseconds.pcap", "A pcap file with nanosecond time stamps", args=["--time-stamp-precision=nano"])
recorded("big-endian.pcap", "A pcap file in big-endian byte order", post=big_endian)
recorded("sll2-any.pcap", "Linux cooked capture v2, from `-i any`", namespace="servers", interface="any")
recorded("sll-any.pcap", "Linux cooked capture v1", namespace="servers", interface="any", args=["-y", "LINUX_SLL"])
recorded("two-interfaces.pcapng", "pcapng from two interfaces of the switch: each packet is there twice",
         interface="h11 srv", tool="dumpcap", post=anonymous)
recorded("snaplen-200.pcap", "Recorded with a snap length of 200 bytes: every long packet is cut",
         dict(version="TLS1.2", certs=0), snaplen=200)


def tagged(name, shows, *tags):
    @capture(name, shows, expect=[TLS12], interface="span1", filter="")
    def make(lab):
        lab.spawn(lab.switch, *lab.peer("mirror", "srv", "span0", *tags), ready="ready")
        plain_pair(lab)


tagged("vlan.pcap", "A mirror port on a trunk: frames with an 802.1Q tag (VLAN 120)", "8100:120")
tagged("qinq.pcap", "Two tags: 802.1ad (VLAN 40) around 802.1Q (VLAN 120)", "88a8:40", "8100:120")


def over_tun(name, shows, mode, **more):
    def before(lab):
        lab.spawn(None, *lab.peer("tun-link", mode, f"{lab.host(11)},tun-c,10.21.0.2,10.21.0.1",
                                  f"{lab.servers},tun-s,10.21.0.1,10.21.0.2"), ready="ready")

    @capture(name, shows, tools=("openssl",), expect=[{**TLS12, "server": "10.21.0.1", **more}], interface=INTERFACES[mode],
             namespace="servers" if mode == "plain" else "host", before=before)
    def make(lab):
        lab.s_server(lab.pki.leaf("erp.corp.example", label="rsa4096", key="rsa:4096"), "-tls1_2", bundle="full",
                     address="10.21.0.1")
        lab.s_client(address="10.21.0.1")


INTERFACES = {"plain": "tun-s", "rough": "tun-c"}
over_tun("raw-ip.pcap", "Raw IP packets without a link layer, from a tunnel interface", "plain", certs=3)
over_tun("out-of-order.pcap", "A bad line: the server's Certificate comes out of order and with a retransmission (raw IP)",
         "rough", certs=3)


# -- clients


def one_client(name, shows, expect, argv, *, tools, server=(), cert=None, env=None, names=False, timeout=20):
    """A capture of one client at an OpenSSL server."""

    @capture(name, shows, tools=tools, expect=[expect])
    def make(lab):
        lab.s_server(lab.pki.leaf("erp.corp.example"), *server)
        if names:
            lab.names(11, erp__corp__example="10.20.1.10")
        lab.client(11, *argv(lab), env=env(lab) if env else None, timeout=timeout)


def node_client():
    return ["node", "-e",
            "const s=require('tls').connect({host:'10.20.1.10',port:443,servername:'erp.corp.example',"
            "rejectUnauthorized:false},()=>s.write('GET /index.html HTTP/1.0\\r\\n\\r\\n'));"
            "s.on('data',()=>{});s.on('end',()=>s.end());s.on('error',()=>{})"]


URL = "https://erp.corp.example/index.html"
one_client("curl.pcap", "curl as installed, HTTP/2 offered", dict(version="TLS1.3", sni="erp.corp.example"),
           lambda lab: ["curl", "-sS", "--resolve", "erp.corp.example:443:10.20.1.10", "--cacert", lab.pki.root.pem, URL],
           tools=("curl", "openssl"))
one_client("curl-unknown-ca.pcap", "curl refuses a private root that it does not know: unknown_ca",
           dict(version="TLS1.2", alerts=alert("client", "unknown_ca")),
           lambda lab: ["curl", "-sS", "--resolve", "erp.corp.example:443:10.20.1.10", "--tls-max", "1.2", URL],
           tools=("curl", "openssl"))
one_client("wget.pcap", "wget as installed", dict(version="TLS1.3", sni="erp.corp.example"),
           lambda lab: ["wget", "-q", "-O", "/dev/null", "--ca-certificate", lab.pki.root.pem, URL],
           tools=("wget", "openssl"), names=True)
one_client("python.pcap", "Python's ssl module with its defaults", dict(version="TLS1.3", sni="erp.corp.example"),
           lambda lab: lab.peer("python-client", "10.20.1.10", "443", "sni=erp.corp.example"), tools=("python", "openssl"))
one_client("python-tls10.pcap", "Python held at TLS 1.0", dict(version="TLS1.0", offered_max="TLS1.0"),
           lambda lab: lab.peer("python-client", "10.20.1.10", "443", "sni=erp.corp.example", "min=TLSv1", "max=TLSv1",
                                "ciphers=DEFAULT:@SECLEVEL=0"),
           tools=("python", "openssl"), server=["-cipher", f"DEFAULT:{LEGACY}"])
one_client("node.pcap", "Node.js with its defaults", dict(version="TLS1.3", sni="erp.corp.example"),
           lambda lab: node_client(),
           tools=("node", "openssl"))


def gnutls(lab, *args, data="GET /index.html HTTP/1.0\r\n\r\n"):
    """gnutls-cli, which ends with its input: give the answer the time to come."""
    return lab.client(11, "bash", "-c", '(printf "GET /index.html HTTP/1.0\\r\\n\\r\\n"; sleep 0.5) | "$@"', "-",
                      "gnutls-cli", "--no-ca-verification", "--sni-hostname=erp.corp.example", "10.20.1.10", "-p", "443",
                      *args, timeout=20)


@capture("gnutls.pcap", "gnutls-cli with its defaults", tools=("gnutls-cli", "openssl"),
         expect=[dict(version="TLS1.3", sni="erp.corp.example")])
def gnutls_default(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    gnutls(lab)


@capture("gnutls-tls11-camellia.pcap", "GnuTLS on both ends at TLS 1.1 with Camellia", tools=("gnutls-cli",),
         expect=[dict(version="TLS1.1", cipher="0x0041", certs=2)])
def gnutls_camellia(lab):
    cert = lab.pki.leaf("erp.corp.example")
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1:-KX-ALL:+RSA:-CIPHER-ALL:+CAMELLIA-128-CBC:%COMPAT"
    lab.listen("10.20.1.10", 443, "gnutls-serv", "--http", "--port", "443", "--x509certfile", cert.bundle(),
               "--x509keyfile", cert.key, "--priority", priority, "--disable-client-cert")
    gnutls(lab, "--priority", priority)


def nss_database(lab, cert=None):
    folder = lab.dir / f"nss-{time.monotonic_ns()}"
    folder.mkdir()
    run("certutil", "-N", "-d", folder, "--empty-password")
    if cert:
        run("pk12util", "-i", cert.pkcs12(), "-d", folder, "-W", "changeit", "-K", "")
    return folder


def tstclnt(lab, *args):
    request = lab.dir / "request"
    request.write_text("GET /index.html HTTP/1.0\r\n\r\n")
    return lab.client(11, "bash", "-c", '(cat "$0"; sleep 0.5) | timeout 2 "$@"', request, "tstclnt", "-h", "10.20.1.10", "-p", "443",
                      "-a", "erp.corp.example", "-d", nss_database(lab), "-o", *args, timeout=20)


@capture("nss.pcap", "NSS (the stack of Firefox) with its defaults", tools=("tstclnt", "openssl"),
         expect=[dict(version="TLS1.3", sni="erp.corp.example")])
def nss_default(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"))
    tstclnt(lab)


@capture("nss-ssl3.pcap", "NSS on both ends at SSL 3.0", tools=("tstclnt",),
         expect=[dict(version="SSL3", offered_max="SSL3", certs=2)])
def nss_ssl3(lab):
    cert = lab.pki.leaf("erp.corp.example")
    lab.listen("10.20.1.10", 443, "selfserv", "-d", nss_database(lab, cert), "-n", cert.name, "-p", "443",
               "-V", "ssl3:tls1.2", "-c", ":002F:0035:000A")
    tstclnt(lab, "-V", "ssl3:ssl3", "-c", ":002F:000A")


@capture("nss-server-tls12.pcap", "NSS as server, TLS 1.2: several handshake messages in one record", tools=("openssl", "tstclnt"),
         expect=[dict(version="TLS1.2", certs=2, alerts=[])])
def nss_server(lab):
    cert = lab.pki.leaf("erp.corp.example")
    lab.listen("10.20.1.10", 443, "selfserv", "-d", nss_database(lab, cert), "-n", cert.name, "-p", "443",
               "-V", "tls1.2:tls1.2")
    lab.s_client()


@capture("node-to-gnutls.pcap", "Node.js as client, GnuTLS as server, TLS 1.2", tools=("node", "gnutls-cli"),
         expect=[dict(version="TLS1.2", offered_max="TLS1.3", certs=2)])
def node_to_gnutls(lab):
    cert = lab.pki.leaf("erp.corp.example")
    lab.listen("10.20.1.10", 443, "gnutls-serv", "--http", "--port", "443", "--x509certfile", cert.bundle(),
               "--x509keyfile", cert.key, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "--disable-client-cert")
    lab.client(11, *node_client())


@capture("tlslite-tls10.pcap", "tlslite-ng, a stack in pure Python, at TLS 1.0", tools=("tlslite", "openssl"),
         expect=[dict(version="TLS1.0", offered_max="TLS1.0", certs=2)])
def tlslite(lab):
    lab.s_server(lab.pki.leaf("erp.corp.example"), "-cipher", f"DEFAULT:{LEGACY}")
    lab.client(11, *lab.peer("tlslite-client", "10.20.1.10", "443", "version=1", "sni=erp.corp.example"))


@capture("openssl4-post-quantum.pcap", "A post-quantum key exchange, agreed: X25519MLKEM768 between OpenSSL 4.0 and itself",
         tools=("pyopenssl",), expect=[dict(version="TLS1.3", group="0x11ec", hello_segments=(2, 3))])
def post_quantum(lab):
    cert = lab.pki.leaf("erp.corp.example")
    lab.listen("10.20.1.10", 443, *lab.peer("newest-server", "10.20.1.10", "443", cert.bundle(), cert.key))
    lab.client(11, *lab.peer("newest-client", "10.20.1.10", "443", "erp.corp.example"))


@capture("chromium.pcap", "Chromium: GREASE, shuffled extensions, ECH GREASE and a post-quantum share in a hello of two "
         "segments", tools=("chromium", "openssl"), expect=None)
def chromium(lab):
    lab.s_server(lab.pki.leaf("org42.crm4.dynamics.com"), "-alpn", "http/1.1")
    profile = lab.dir / "chromium"
    lab.client(11, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
               "--disable-domain-reliability", "--ignore-certificate-errors", f"--user-data-dir={profile}",
               "--host-resolver-rules=MAP org42.crm4.dynamics.com 10.20.1.10, MAP * ~NOTFOUND", "--dump-dom",
               "https://org42.crm4.dynamics.com/index.html", env={"HOME": str(lab.dir)}, timeout=60)


# -- TLS inside something else


def starttls(protocol, port):
    @capture(f"starttls-{protocol}.pcap", f"TLS 1.2 after STARTTLS in {protocol.upper()}" if protocol != "postgres" else
             "TLS 1.2 after PostgreSQL's SSLRequest", tools=("openssl", "python"),
             expect=[dict(version="TLS1.2", certs=2)])
    def make(lab):
        cert = lab.pki.leaf("mail.corp.example")
        lab.listen("10.20.1.12", port,
                   *lab.peer("starttls-server", protocol, "10.20.1.12", port, cert.bundle(), cert.key))
        lab.client(11, "openssl", "s_client", "-connect", f"10.20.1.12:{port}", "-starttls", protocol, "-tls1_2",
                   "-servername", "mail.corp.example", data="QUIT\r\n")


starttls("smtp", 587)
starttls("imap", 143)
starttls("ldap", 389)
starttls("postgres", 5432)


@capture("http-connect.pcap", "TLS 1.2 through an HTTP proxy's CONNECT, recorded before the proxy",
         tools=("curl", "python", "openssl"), expect=[dict(version="TLS1.2", sport=8080, certs=2)],
         filter="tcp port 8080")
def http_connect(lab):
    lab.s_server(lab.pki.leaf("org42.crm4.dynamics.com"), "-tls1_2")
    lab.listen("10.20.1.13", 8080, *lab.peer("connect-proxy", "10.20.1.13", "8080"))
    lab.client(11, "curl", "-sS", "-x", "http://10.20.1.13:8080", "--cacert", lab.pki.root.pem,
               "https://org42.crm4.dynamics.com/index.html")


# -- many hosts


OFFICE = [
    # host, server, port, SNI, what (a kind below)
    (11, 10, 443, "org42.crm4.dynamics.com", "modern"),
    (11, 11, 443, "api.businesscentral.dynamics.com", "modern"),
    (11, 12, 443, "erp.corp.example", "legacy-able"),
    (12, 10, 443, "org42.crm4.dynamics.com", "python"),
    (12, 14, 636, "dc01.corp.example", "modern"),
    (13, 10, 443, "org42.crm4.dynamics.com", "tls1.0"),
    (13, 12, 443, "erp.corp.example", "tls1.0"),
    (14, 12, 443, "erp.corp.example", "tls1.0"),
    (15, 10, 443, "org42.crm4.dynamics.com", "rsa-only"),
    (15, 14, 636, "dc01.corp.example", "rsa-only"),
    (16, 11, 443, "api.businesscentral.dynamics.com", "rsa-only"),
    (17, 11, 443, "api.businesscentral.dynamics.com", "2012r2"),
    (17, 10, 443, "org42.crm4.dynamics.com", "2012r2"),
    (18, 14, 636, "dc01.corp.example", "java"),
    (19, 11, 443, "api.businesscentral.dynamics.com", "curl"),
    (19, 13, 8443, "printer.corp.example", "modern"),
    (20, 15, 993, "imap.corp.example", "gnutls"),
    (21, 12, 443, "erp.corp.example", "tls1.1"),
    (21, 15, 993, "imap.corp.example", "tls1.1"),
    (22, 10, 443, "org42.crm4.dynamics.com", "modern"),
    (22, 12, 443, "erp.corp.example", "modern"),
]


@capture("office-network.pcap", "Twelve hosts and six servers: some speak TLS 1.0 only, some lack ECDHE, one server is "
         "stuck at TLS 1.0, a printer has a self-signed certificate (list below)",
         tools=("openssl", "curl", "java", "gnutls-cli", "python"), expect=None, filter="tcp or arp")
def office(lab):
    pki = lab.pki
    lab.s_server(pki.leaf("org42.crm4.dynamics.com"), "-cipher", f"DEFAULT:{LEGACY}", server=10)
    lab.s_server(pki.leaf("api.businesscentral.dynamics.com"), "-tls1_2", "-cipher",
                 "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256", server=11)
    lab.s_server(pki.leaf("erp.corp.example"), "-tls1", "-cipher", f"AES128-SHA:AES256-SHA:{LEGACY}", server=12)
    lab.s_server(pki.self_signed("printer.corp.example"), "-tls1_2", server=13, port=8443)
    lab.s_server(pki.leaf("dc01.corp.example"), "-no_tls1_3", "-cipher", f"DEFAULT:{LEGACY}", server=14, port=636)
    lab.s_server(pki.leaf("imap.corp.example"), "-cipher", f"DEFAULT:{LEGACY}", server=15, port=993)
    for host, server, port, sni, kind in OFFICE:
        where = dict(host=host, server=server, port=port, sni=sni)
        if kind == "modern":
            lab.s_client("-CAfile", pki.root.pem, **where)
        elif kind == "legacy-able":
            lab.s_client("-cipher", f"DEFAULT:{LEGACY}", **where)
        elif kind in ("tls1.0", "tls1.1"):
            lab.s_client({"tls1.0": "-tls1", "tls1.1": "-tls1_1"}[kind], "-cipher",
                         f"AES128-SHA:AES256-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:{LEGACY}", **where)
        elif kind == "rsa-only":
            lab.s_client("-tls1_2", "-cipher", RSA_ONLY, **where)
        elif kind == "2012r2":
            lab.s_client("-tls1_2", "-cipher", SERVER_2012R2, **where)
        elif kind == "python":
            lab.client(host, *lab.peer("python-client", f"10.20.1.{server}", port, f"sni={sni}"))
        elif kind == "java":
            lab.java_client(f"sni={sni}", host=host, server=server, port=port, everything=False)
        elif kind == "curl":
            lab.client(host, "curl", "-sS", "--resolve", f"{sni}:{port}:10.20.1.{server}", "--cacert", pki.root.pem,
                       f"https://{sni}:{port}/index.html")
        elif kind == "gnutls":
            lab.client(host, "bash", "-c", '(printf "a1 LOGOUT\\r\\n"; sleep 0.5) | "$@"', "-", "gnutls-cli",
                       "--no-ca-verification", f"--sni-hostname={sni}", f"10.20.1.{server}", "-p", port)


# -- servers and clients in whose protocols TLS begins, and log-ins to networks: in a file of their own

servers.register(capture, run)

# -- hosts that say what they are called

naming.register(capture, run)


# ---------------------------------------------------------------- what tshark sees

VERSIONS = {0x0002: "SSL2", 0x0300: "SSL3", 0x0301: "TLS1.0", 0x0302: "TLS1.1", 0x0303: "TLS1.2", 0x0304: "TLS1.3",
            0xfeff: "DTLS1.0", 0xfefd: "DTLS1.2", 0xfefc: "DTLS1.3"}
LETTERS = {0: "h", 1: "c", 2: "s", 3: "v", 4: "t", 8: "o", 11: "x", 12: "k", 13: "r", 14: "n", 15: "y", 16: "g", 20: "f", 22: "u"}
HELLO_RETRY = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
SENTINELS = {"444f574e47524401": "TLS1.3", "444f574e47524400": "TLS1.2"}
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure", 42: "bad_certificate",
    43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
    70: "protocol_version", 71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
    90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension", 112: "unrecognized_name",
    116: "certificate_required", 120: "no_application_protocol",
}


def number(field):
    """A field's value, as the bytes of the packet have it."""
    return int(field.get("value"), 16)


def fields(node, name):
    return [f for f in node.iter("field") if f.get("name") == name]


def new_connection(client, cport, server, sport):
    return dict(client=client, cport=cport, server=server, sport=sport, sni=None, offered_max=None, version=None,
                cipher=None, group=None, sentinel=None, resumed=False, alerts=[], certs=0, client_certs=0,
                hello_records=0, hello_segments=0, history="", largest_frame=0)


def tshark_connections(path, decode=()):
    """What tshark finds in a capture: one entry for everything with TLS in it, in order of appearance."""
    ports = [word for port in TLS_PORTS for word in ("-d", f"tcp.port=={port},tls")]
    ports += [word for rule in decode for word in ("-d", rule)]
    text = subprocess.run(["tshark", "-n", "-r", str(path), "-T", "pdml", *ports, "-o", "tcp.reassemble_out_of_order:TRUE"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    found, tcp_clients, others = {}, {}, {}
    for packet in ElementTree.fromstring(text):
        layers = {}
        for proto in packet.iter("proto"):
            layers.setdefault(proto.get("name"), proto)
        if "tcp" not in layers or not ("ip" in layers or "ipv6" in layers):
            read_datagram(packet, layers, others, found)
            continue
        ip = layers.get("ip", layers.get("ipv6"))
        prefix = ip.get("name")
        source, target = (fields(ip, f"{prefix}.{side}")[0].get("show") for side in ("src", "dst"))
        sport, dport = (int(fields(layers["tcp"], f"tcp.{side}port")[0].get("show")) for side in ("src", "dst"))
        stream = int(fields(layers["tcp"], "tcp.stream")[0].get("show"))
        flags = int(fields(layers["tcp"], "tcp.flags")[0].get("show"), 16)
        if flags & 0x12 == 0x02:
            tcp_clients[stream] = (source, sport)
        if stream not in tcp_clients:  # no SYN: the servers' port is the well-known one
            server_first = sport in TLS_PORTS or (dport not in TLS_PORTS and sport < dport)
            tcp_clients[stream] = (target, dport) if server_first else (source, sport)
        from_client = tcp_clients[stream] == (source, sport)
        ends = (source, sport, target, dport) if from_client else (target, dport, source, sport)
        entry = found.setdefault(stream, new_connection(*ends))
        frame = next(p for p in packet if p.get("name") == "frame")
        entry["largest_frame"] = max(entry["largest_frame"], int(fields(frame, "frame.len")[0].get("show")))
        parts = fields(packet, "tcp.segment.count")
        for tls in (p for p in packet.iter("proto") if p.get("name") == "tls"):
            for record in tls.findall("field"):
                if record.get("name") in ("tls.record", ""):
                    read_record(record, entry, from_client)
            if fields(tls, "tls.handshake.extensions_supported_group") or fields(tls, "tls.handshake.ciphersuites"):
                entry["hello_segments"] = max(entry["hello_segments"], int(parts[0].get("show")) if parts else 1)
                pieces = fields(packet, "tls.handshake.fragment.count")
                entry["hello_records"] = max(entry["hello_records"], int(pieces[0].get("show")) if pieces else 1)
    return [entry for entry in found.values() if entry["history"]]


def read_datagram(packet, layers, memory, found):
    """What is no TCP: DTLS, QUIC, and log-ins to networks."""
    only = lambda layer, name: fields(layers[layer], name)[0].get("show")  # noqa: E731
    if "eap" in layers:
        from_client = only("eap", "eap.code") == "2"
        if "radius" in layers:
            asked = (only("udp", "udp.stream"), only("radius", "radius.id"))
            if from_client:
                memory[asked] = only("radius", "radius.Calling_Station_Id")
            key = ("radius", memory[asked])
            target = only("ip", "ip.dst" if from_client else "ip.src")
            ends = (link_local(memory[asked]), 0, target, 1812)
        else:
            memory["supplicant" if from_client else "authenticator"] = only("eth", "eth.src")
            if len([name for name in ("supplicant", "authenticator") if name in memory]) < 2:
                return
            key = ("eapol", memory["supplicant"])
            ends = (link_local(memory["supplicant"]), 0, link_local(memory["authenticator"]), 0)
    elif "dtls" in layers or "quic" in layers:
        key = ("udp", only("udp", "udp.stream"))
        source = (only("ip", "ip.src"), int(only("udp", "udp.srcport")))
        target = (only("ip", "ip.dst"), int(only("udp", "udp.dstport")))
        from_client = memory.setdefault(key, source) == source
        ends = (*source, *target) if from_client else (*target, *source)
    else:
        return
    entry = found.setdefault(key, new_connection(*ends))
    for proto in packet.iter("proto"):
        if proto.get("name") == "dtls":
            for field in proto.iter("field"):
                field.set("name", re.sub(r"^dtls\.", "tls.", field.get("name")))
        if proto.get("name") in ("tls", "dtls"):
            for field in proto.findall("field"):
                if field.get("name") in ("tls.record", ""):
                    read_record(field, entry, from_client)
                elif field.get("name") == "tls.handshake":  # QUIC has no records
                    read_handshake(field, entry, from_client, str.upper if from_client else str.lower)


def link_local(mac):
    """The link-local address that a MAC address makes (RFC 4291, appendix A): what records have for a station."""
    octets = bytes.fromhex(re.sub("[-:]", "", mac))
    name = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + name))


def read_record(record, entry, from_client):
    side = str.upper if from_client else str.lower
    for field in record.iter("field"):
        name = field.get("name")
        if name == "tls.change_cipher_spec":
            entry["history"] += side("i")
        elif name == "tls.alert_message.desc":
            code = number(field)
            level = number(fields(record, "tls.alert_message.level")[0])
            entry["alerts"].append({"from": "client" if from_client else "server",
                                    "level": {1: "warning", 2: "fatal"}.get(level, str(level)),
                                    "description": ALERTS.get(code, str(code)), "code": code})
            entry["history"] += side("l")
        elif name == "tls.handshake":
            read_handshake(field, entry, from_client, side)
    if not fields(record, "tls.handshake") and fields(record, "tls.handshake.cipherspec"):  # a hello in SSL 2.0's format
        entry["history"] += side("c")
        entry["offered_max"] = VERSIONS.get(min(number(fields(record, "tls.handshake.version")[0]), 0x0303))


def read_handshake(message, entry, from_client, side):
    types = fields(message, "tls.handshake.type")
    if not types:
        return
    kind = number(types[0])
    part = [number(f) for name in ("offset", "length") for f in fields(message, f"tls.handshake.fragment_{name}")]
    if part and sum(part) < number(fields(message, "tls.handshake.length")[0]):
        return  # tshark shows a message of DTLS at its last fragment
    letter = LETTERS.get(kind, "q")
    if kind == 2 and fields(message, "tls.handshake.random")[0].get("value") == HELLO_RETRY:
        entry["history"] += side("j")
        return
    entry["history"] += side(letter)
    version = lambda: number(fields(message, "tls.handshake.version")[0])  # noqa: E731
    if kind == 1 and entry["offered_max"] is None:
        listed = [number(f) for f in fields(message, "tls.handshake.extensions.supported_version")]
        known = [v for v in listed if v in VERSIONS]
        legacy = version()
        entry["offered_max"] = VERSIONS.get(max(known, key=newness) if listed else legacy if legacy >> 8 == 0xfe else min(legacy, 0x0303))
        names = fields(message, "tls.handshake.extensions_server_name")
        entry["sni"] = names[0].get("show") if names else None
        entry["_session"] = session_id(message)
        entry["_psk"] = bool(fields(message, "tls.handshake.extensions.psk.identity.identity"))
    elif kind == 2:
        chosen = fields(message, "tls.handshake.extensions.supported_version")
        value = number(chosen[0]) if chosen else version()
        entry["version"] = VERSIONS.get(value, f"0x{value:04x}")
        entry["cipher"] = f"0x{number(fields(message, 'tls.handshake.ciphersuite')[0]):04x}"
        random = fields(message, "tls.handshake.random")[0].get("value")
        entry["sentinel"] = SENTINELS.get(random[-16:])
        groups = fields(message, "tls.handshake.extensions_key_share_group")
        if groups:
            entry["group"] = f"0x{number(groups[0]):04x}"
        if value == 0x0304:
            entry["resumed"] = bool(fields(message, "tls.handshake.extensions.psk.identity.selected"))
        else:
            entry["resumed"] = bool(session_id(message)) and session_id(message) == entry.get("_session")
    elif kind == 11:
        entry["client_certs" if from_client else "certs"] += len(fields(message, "tls.handshake.certificate"))
    elif kind == 12:
        curves = fields(message, "tls.handshake.server_named_curve")
        if curves:
            entry["group"] = f"0x{number(curves[0]):04x}"


def newness(version):
    """Versions in their order; those of DTLS count down."""
    return 0x200 - (version & 0xff) if version >> 8 == 0xfe else version


def session_id(message):
    ids = fields(message, "tls.handshake.session_id")
    return ids[0].get("value") if ids else None


# ---------------------------------------------------------------- checks and the table


def differences(entry, wanted):
    for key, value in wanted.items():
        have = entry[key]
        if key == "alerts":
            have = [{k: a[k] for k in ("from", "description")} for a in have if a["code"]]
        elif key == "history":
            have = have[: len(value)]
        elif isinstance(value, tuple):
            if not value[0] <= have <= value[1]:
                yield f"{key} is {have}, not within {value}"
            continue
        if have != value:
            yield f"{key} is {have!r}, not {value!r}"


def published(entry):
    keys = ("client", "cport", "server", "sport", "sni", "offered_max", "version", "cipher", "group", "sentinel",
            "resumed", "alerts", "certs", "client_certs", "history")
    return {key: entry[key] for key in keys}


def check(name, path):
    """What tshark finds in one capture, and what is wrong with it."""
    entries = tshark_connections(path, CAPTURES[name]["decode"])
    wanted = CAPTURES[name]["expect"]
    wrong = []
    if path.stat().st_size > MAX_SIZE:
        wrong.append(f"{path.stat().st_size} bytes, more than {MAX_SIZE}")
    if wanted is not None:
        if len(wanted) != len(entries):
            wrong.append(f"{len(entries)} connections, not {len(wanted)}")
        for at, (entry, want) in enumerate(zip(entries, wanted)):
            wrong += [f"connection {at}: {text}" for text in differences(entry, want)]
    return [published(entry) for entry in entries], wrong


def verify(out):
    expected_file = out / "expected.json"
    before = json.loads(expected_file.read_text()) if expected_file.exists() else {}
    expected, failed = {}, 0
    for name in sorted(CAPTURES):
        path = out / name
        if not path.exists():
            print(f"{name}: missing", file=sys.stderr)
            failed += 1
            continue
        connections, wrong = check(name, path)
        for text in wrong:
            print(f"{name}: {text}", file=sys.stderr)
        failed += bool(wrong)
        made = {key: before.get(name, {}).get(key) for key in ("made_by", "server", "client")}
        expected[name] = described(name, made, connections)
    expected_file.write_text(json.dumps(expected, indent=1) + "\n")
    write_table(out / "README.md", expected)
    print(f"{len(expected)} captures, {sum(len(e['connections']) for e in expected.values())} connections, {failed} wrong")
    return failed == 0


def described(name, made, connections):
    """What expected.json says of a capture; `made` is what made it."""
    entry = {"made_by": made["made_by"] or ""}
    recorded = CAPTURES[name]["recorded"]
    if recorded is not None:
        entry |= {"server": made["server"], "client": made["client"],
                  "recorded": [{"transport": "tcp", "target": None, **each} for each in recorded]}
    return entry | {"connections": connections}


def write_table(readme, expected):
    if not readme.exists():
        return
    rows = ["| file | what it shows | made by | history |", "| --- | --- | --- | --- |"]
    for name, entry in expected.items():
        histories = list(dict.fromkeys(c["history"] for c in entry["connections"]))
        shown = ", ".join(f"`{h}`" for h in histories[:3]) + (", ..." if len(histories) > 3 else "")
        rows.append(f"| `{name}` | {CAPTURES[name]['shows']} | {entry['made_by']} | {shown} |")
    ends = ["| file | server | client | recorded: `application`, and more |", "| --- | --- | --- | --- |"]
    for name, entry in expected.items():
        if "recorded" in entry:
            recorded = dict.fromkeys(map(in_words, entry["recorded"]))
            ends.append(f"| `{name}` | {entry['server']} | {entry['client']} | {'; '.join(recorded)} |")
    text = readme.read_text()
    for mark, lines in (("table", rows), ("servers", ends)):
        start, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
        head, rest = text.split(start)
        text = head + start + "\n" + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    readme.write_text(text)


def in_words(recorded):
    words = [f"`{recorded['application']}`" if recorded["application"] else "none"]
    words += ["STARTTLS"] * bool(recorded.get("starttls"))
    words += [f"for `{recorded['target']}`"] * bool(recorded["target"])
    words += [f"transport `{recorded['transport']}`"] * (recorded["transport"] != "tcp")
    words += [f"in `{tunnel}`" for tunnel in recorded.get("tunnel", [])]
    return ", ".join(words)


@functools.cache
def tool_version(tool):
    def first(*argv, pattern=r"\d+(\.\d+)+\S*"):
        return re.search(pattern, run(*argv, check=False)).group(0)

    if tool == "openssl":
        return "OpenSSL " + first("openssl", "version")
    if tool == "java":
        return "OpenJDK " + first("java", "-version", pattern=r"\d+(\.\d+)+")
    if tool == "python":
        return f"Python {sys.version.split()[0]}"
    if tool == "go":
        return "Go " + first("go", "version")
    if tool == "node":
        return "Node.js " + first("node", "--version")
    if tool == "curl":
        return "curl " + first("curl", "--version")
    if tool == "wget":
        return "wget " + first("wget", "--version")
    if tool == "gnutls-cli":
        return "GnuTLS " + first("gnutls-cli", "--version")
    if tool == "tstclnt":
        return "NSS " + first("dpkg-query", "-W", "-f", "${Version}", "libnss3").split(":")[-1].split("-")[0]
    if tool == "chromium":
        return "Chromium " + first("chromium", "--version")
    if tool == "tlslite":
        import tlslite

        return f"tlslite-ng {tlslite.__version__}"
    if tool == "pyopenssl":
        from OpenSSL import SSL

        return " ".join(SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[:2])
    if tool in ("aioquic", "qh3"):
        return f"{tool} {importlib.metadata.version(tool)}"
    if tool in servers.VERSIONS:
        label, package = servers.VERSIONS[tool]
        version = run("dpkg-query", "-W", "-f", "${Version}", package).split(":")[-1]
        return f"{label} " + re.match(r"[\d.]+", version).group(0).rstrip(".")
    if tool in naming.VERSIONS:
        label, argv = naming.VERSIONS[tool]
        return f"{label} " + first(*argv).split("-")[0].rstrip(",")
    if tool in ("tcpdump", "dumpcap"):
        return f"{tool} " + first(tool, "--version")
    raise Failure(f"unknown tool {tool}")


# ---------------------------------------------------------------- main


def requirements(names):
    others = servers.PROGRAMS | naming.PROGRAMS
    wanted = PROGRAMS | {program: others[program] for name in names for program in CAPTURES[name]["programs"]
                         if program not in PROGRAMS}
    missing = sorted({package for program, package in wanted.items() if not shutil.which(program)})
    more = {module: module for name in names for module in CAPTURES[name]["modules"]}
    modules = sorted({package for module, package in (MODULES | more).items()
                      if importlib.util.find_spec(module) is None})
    lines = []
    if missing:
        lines.append("missing programs; on Debian 12: apt-get install " + " ".join(missing))
    if modules:
        lines.append("missing Python modules: python3 -m pip install " + " ".join(modules))
    if os.geteuid() != 0:
        lines.append("network namespaces need root")
    if lines:
        raise Failure("\n".join(lines))


def make(lab, name, out):
    entry = CAPTURES[name]
    record = dict(entry["record"])
    client = lab.host(11)
    record["namespace"] = {"servers": lab.servers, "host": client, None: None}[record.get("namespace")]
    lab.tools.clear()
    path = out / name
    try:
        if entry["before"]:
            entry["before"](lab)
        with lab.record(path, **record):
            entry["make"](lab)
    finally:
        lab.stop_servers()
    if entry["post"]:
        path.write_bytes(entry["post"](path.read_bytes()))
    tools = dict.fromkeys(entry["tools"] or sorted(lab.tools))
    recorder = record.get("tool", "tcpdump")
    versions = lambda tools: ", ".join(tool_version(tool) for tool in tools)  # noqa: E731
    return {"made_by": versions((*tools, recorder)), "server": versions(entry["server"]),
            "client": versions(entry["client"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", action="append", help="make the captures with NAME in their names")
    parser.add_argument("--out", metavar="DIR", type=Path, default=HERE)
    parser.add_argument("--pki", metavar="DIR", type=Path, help="keep the certification authority here, and use it again")
    parser.add_argument("--verify", action="store_true", help="only read what is there")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    names = [n for n in CAPTURES if not args.only or n in args.only]
    names = names or [n for n in CAPTURES if any(part in n for part in args.only)]
    if not names:
        raise Failure("no capture has such a name; --list names them")
    if args.list:
        print("\n".join(f"{name}: {CAPTURES[name]['shows']}" for name in names))
        return 0
    out = args.out.resolve()
    if args.verify:
        return 0 if verify(out) else 1
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # where daemons are
    requirements(names)
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = []
    with tempfile.TemporaryDirectory(prefix="tlscensus-captures-") as scratch, contextlib.ExitStack() as stack:
        scratch = Path(scratch)
        pki_dir = args.pki.resolve() if args.pki else scratch / "pki"
        pki_dir.mkdir(parents=True, exist_ok=True)
        pki = Pki(pki_dir)
        lab = Lab(scratch, pki)
        stack.callback(lab.__exit__)
        lab.__enter__()
        keep_root(out, pki, add=bool(args.only))
        expected_file = out / "expected.json"
        expected = json.loads(expected_file.read_text()) if expected_file.exists() else {}
        for name in names:
            began = time.monotonic()
            try:
                made = make(lab, name, out)
            except (Failure, subprocess.TimeoutExpired, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed.append(name)
                continue
            connections, wrong = check(name, out / name)
            expected[name] = described(name, made, connections)
            if wrong:
                failed.append(name)
            print(f"{name}: {'; '.join(wrong) or 'ok'} ({time.monotonic() - began:.1f} s)", flush=True)
            if wrong and os.environ.get("CAPTURES_DEBUG"):
                for log in scratch.glob("*s.log"):
                    print(log.read_text()[-2000:])
        expected_file.write_text(json.dumps(dict(sorted(expected.items())), indent=1) + "\n")
    if args.only:
        write_table(out / "README.md", dict(sorted(expected.items())))
    complete = bool(args.only) or verify(out)
    if failed:
        raise Failure("not as they should be: " + ", ".join(failed))
    return 0 if complete else 1


def keep_root(out, pki, add):
    """Writes the private root for `--trust`; when only some captures are made anew, the others' root stays with it."""
    path = out / "roots" / "private-root.pem"
    path.parent.mkdir(parents=True, exist_ok=True)
    root = pki.root.pem.read_text()
    before = path.read_text() if add and path.exists() else ""
    if root not in before:
        path.write_text(before + root)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
