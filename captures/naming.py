"""The captures in which hosts say what they are called, and then speak TLS.

make.py imports this and calls `register`. The name services are real ones: dnsmasq and busybox for DHCP and DNS, Avahi
for mDNS, Samba's nmbd for NetBIOS; for LLMNR, which no small program of Debian speaks, `peers/llmnr.py` does. What the
report must call the hosts stands in `tests/names.rs`.
"""

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# program -> Debian package
PROGRAMS = {
    "avahi-daemon": "avahi-daemon",
    "busybox": "busybox",
    "dnsmasq": "dnsmasq-base",
    "nmbd": "samba",
    "nmblookup": "samba-common-bin",
}
# program -> what it is called, and how it tells its version
VERSIONS = {
    "avahi-daemon": ("Avahi", ("avahi-daemon", "--version")),
    "busybox": ("BusyBox", ("busybox", "--help")),
    "dnsmasq": ("dnsmasq", ("dnsmasq", "--version")),
    "nmbd": ("Samba", ("nmbd", "--version")),
    "llmnr": ("peers/llmnr.py, Python", (sys.executable, "--version")),
}
FILTER = "tcp or udp"


def register(capture, run):
    """Registers the captures with make.py."""

    def serve(lab, name="erp.corp.example"):
        lab.s_server(lab.pki.leaf(name), "-tls1_2")

    def speak(lab, host, name="erp.corp.example"):
        lab.s_client("-CAfile", lab.pki.root.pem, host=host, sni=name)

    def written(lab, name, text):
        path = lab.dir / name
        path.write_text(text)
        return path

    @capture("names-dhcp.pcap", "A host says its name when it asks for its address (DHCP), then speaks TLS",
             tools=("dnsmasq", "busybox", "openssl"), programs=("dnsmasq", "busybox"), filter=FILTER,
             expect=[dict(client="10.20.0.31", version="TLS1.2")])
    def dhcp(lab):
        serve(lab)
        lab.host(31)
        lab.listen("0.0.0.0", 67, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
                   "--dhcp-range=10.20.0.30,10.20.0.40,255.255.0.0", "--dhcp-host=02:20:00:00:00:1f,10.20.0.31",
                   f"--dhcp-leasefile={lab.dir / 'leases'}", f"--pid-file={lab.dir / 'dnsmasq.pid'}", udp=True)
        # It has its address already; what it is given is the same.
        nothing = written(lab, "nothing", "#!/bin/sh\n")
        nothing.chmod(0o755)
        lab.client(31, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", nothing, "-x", "hostname:till-07")
        speak(lab, 31)

    @capture("names-mdns.pcap", "A host announces its name to its neighbours (mDNS), then speaks TLS",
             tools=("avahi-daemon", "openssl"), programs=("avahi-daemon",), filter=FILTER,
             expect=[dict(client="10.20.0.32", version="TLS1.2")])
    def mdns(lab):
        serve(lab)
        config = written(lab, "avahi.conf", "[server]\nhost-name=printer-3\nuse-ipv6=no\nallow-interfaces=eth0\n"
                         "enable-dbus=no\n[publish]\npublish-workstation=no\npublish-hinfo=no\n")
        lab.spawn(lab.host(32), "avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f", config)
        time.sleep(4)  # it asks three times whether the name is free before it announces it
        speak(lab, 32)

    @capture("names-llmnr.pcap", "A host answers to its name (LLMNR), then speaks TLS",
             tools=("llmnr", "openssl"), filter=FILTER, expect=[dict(client="10.20.0.33", version="TLS1.2")])
    def llmnr(lab):
        serve(lab)
        script = HERE / "peers" / "llmnr.py"
        lab.listen("0.0.0.0", 5355, sys.executable, script, "answer", "10.20.0.33", "accounts-pc",
                   namespace=lab.host(33), udp=True)
        # A server asks: answers to it pass its port of the switch, where the capture is made.
        run("ip", "netns", "exec", lab.servers, sys.executable, script, "ask", "10.20.1.10", "accounts-pc")
        speak(lab, 33)

    @capture("names-netbios.pcap", "A host registers its name with its neighbours (NetBIOS), then speaks TLS",
             tools=("nmbd", "openssl"), programs=("nmbd", "nmblookup"), filter=FILTER,
             expect=[dict(client="10.20.0.35", version="TLS1.2")])
    def netbios(lab):
        serve(lab)
        folders = "".join(f"{kind} = {lab.dir}\n" for kind in (
            "lock directory", "state directory", "cache directory", "pid directory", "private dir", "ncalrpc dir"))
        config = written(lab, "smb.conf", "[global]\nnetbios name = CAD-STATION\nworkgroup = OFFICE\ninterfaces = eth0\n"
                         f"bind interfaces only = yes\nlog file = {lab.dir}/nmbd.log\n{folders}")
        lab.listen("10.20.0.35", 137, "nmbd", "-F", "--no-process-group", "-l", lab.dir, "-s", config, namespace=lab.host(35), udp=True)
        time.sleep(4)  # it claims the name four times
        lab.client(34, "nmblookup", "-s", config, "-B", "10.20.255.255", "CAD-STATION")
        speak(lab, 35)

    @capture("names-dns.pcap", "A client asks for a server by name (DNS), and for the name of an address; then it speaks "
             "TLS with that server and names nobody", tools=("dnsmasq", "busybox", "openssl"),
             programs=("dnsmasq", "busybox"), filter=FILTER, expect=[dict(client="10.20.0.36", version="TLS1.2")])
    def dns(lab):
        serve(lab)
        lab.listen("10.20.1.20", 53, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                   "--no-hosts", "--user=root", "--listen-address=10.20.1.20", "--bind-interfaces",
                   "--host-record=erp.corp.example,10.20.1.10", "--ptr-record=36.0.20.10.in-addr.arpa,badge-reader.corp.example",
                   f"--pid-file={lab.dir / 'dnsmasq.pid'}", udp=True)
        for asked in ("erp.corp.example", "10.20.0.36"):
            lab.client(36, "busybox", "nslookup", asked, "10.20.1.20")
        speak(lab, 36, name=None)
