"""The captures of servers and clients in whose protocols TLS begins, and of log-ins to networks.

make.py imports this and calls `register`. Each server is Debian's, with a configuration of a few lines that is written
into the temporary folder; nothing outside of it is read or changed. What each capture must show is beside it: what
tshark finds (`expect`), and what our own records must say of how TLS was carried (`recorded`).
"""

import glob
import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

NNRPD = "/usr/lib/news/bin/nnrpd-ssl"

# program -> Debian package
PROGRAMS = {
    "danted": "dante-server",
    "dovecot": "dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-managesieved",
    "eapol_test": "eapoltest",
    "freeradius": "freeradius",
    "haproxy": "haproxy",
    "hostapd": "hostapd",
    "inspircd": "inspircd",
    "ldapsearch": "ldap-utils",
    "mariadb": "mariadb-client",
    "mariadbd": "mariadb-server",
    "microsocks": "microsocks",
    "nginx": "nginx",
    "postfix": "postfix",
    "prosody": "prosody",
    "psql": "postgresql",
    "slapd": "slapd",
    "squid": "squid",
    "tsql": "freetds-bin",
    "vsftpd": "vsftpd",
    "wpa_supplicant": "wpasupplicant",
    "xfreerdp": "freerdp2-x11",
    "xrdp": "xrdp",
    NNRPD: "inn2",
    "Xvfb": "xvfb",
}

# tool -> what it is called, and the Debian package that has its version
VERSIONS = {
    "danted": ("Dante", "dante-server"),
    "dovecot": ("Dovecot", "dovecot-core"),
    "eapol_test": ("eapol_test", "eapoltest"),
    "freeradius": ("FreeRADIUS", "freeradius"),
    "haproxy": ("HAProxy", "haproxy"),
    "hostapd": ("hostapd", "hostapd"),
    "inn": ("INN", "inn2"),
    "inspircd": ("InspIRCd", "inspircd"),
    "ldapsearch": ("ldapsearch", "ldap-utils"),
    "mariadb": ("MariaDB client", "mariadb-client"),
    "mariadbd": ("MariaDB", "mariadb-server"),
    "microsocks": ("microsocks", "microsocks"),
    "nginx": ("nginx", "nginx"),
    "postfix": ("Postfix", "postfix"),
    "prosody": ("Prosody", "prosody"),
    "psql": ("psql", "postgresql-client-15"),
    "postgres": ("PostgreSQL", "postgresql-15"),
    "slapd": ("OpenLDAP", "slapd"),
    "squid": ("Squid", "squid"),
    "tsql": ("FreeTDS", "freetds-bin"),
    "vsftpd": ("vsftpd", "vsftpd"),
    "wpa_supplicant": ("wpa_supplicant", "wpasupplicant"),
    "xfreerdp": ("FreeRDP", "freerdp2-x11"),
    "xrdp": ("xrdp", "xrdp"),
}


def write(path, text, mode=0o644, owner=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    if owner:
        shutil.chown(path, owner)
    return path


def folder(lab, name, owner=None):
    """A new folder, which another user can reach if it is to own it."""
    path = lab.dir / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    if owner:
        lab.dir.chmod(0o711)
        shutil.chown(path, owner)
    return path


def copy_certificate(cert, where, owner=None):
    """The certificate with its chain, and the key, as a server wants them."""
    chain = write(where / "server.crt", cert.bundle().read_text(), owner=owner)
    key = write(where / "server.key", cert.key.read_text(), mode=0o600, owner=owner)
    return chain, key


def register(capture, run):
    """Registers the captures with make.py."""

    # -- databases

    def postgres(lab, *settings):
        where = folder(lab, "postgres", "postgres")
        chain, key = copy_certificate(lab.pki.leaf("db.corp.example"), where, "postgres")
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        as_user = ["runuser", "-u", "postgres", "--"]
        run(*as_user, f"{programs}/initdb", "-D", where / "data", "-A", "trust", "--no-sync", timeout=60)
        with open(where / "data" / "pg_hba.conf", "a", encoding="ascii") as access:
            access.write("hostssl all all 10.20.0.0/16 trust\n")
        options = [f"ssl_cert_file={chain}", f"ssl_key_file={key}", "ssl=on", "listen_addresses=10.20.1.10",
                   "unix_socket_directories=", "fsync=off", *settings]
        lab.listen("10.20.1.10", 5432, *as_user, f"{programs}/postgres", "-D", where / "data",
                   *(word for option in options for word in ("-c", option)))

    def psql(lab, mode, gss="disable"):
        lab.client(11, "psql", f"host=10.20.1.10 user=postgres dbname=postgres sslmode={mode} gssencmode={gss} "
                   f"sslrootcert={lab.pki.root.pem}", "-c", "select 1", env={"HOME": str(lab.dir), "LC_ALL": "C"})

    @capture("postgresql.pcap", "PostgreSQL: two clients, of TLS 1.2 and of TLS 1.3",
             server=("postgres",), client=("psql",), programs=("psql",),
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.3")],
             recorded=[dict(application="postgresql", starttls=True)] * 2)
    def postgresql(lab):
        postgres(lab, "ssl_min_protocol_version=TLSv1.2")
        lab.client(11, "psql", "host=10.20.1.10 user=postgres dbname=postgres sslmode=require gssencmode=disable "
                   "ssl_max_protocol_version=TLSv1.2", "-c", "select 1", env={"HOME": str(lab.dir), "LC_ALL": "C"})
        psql(lab, "verify-ca")

    @capture("mariadb.pcap", "MariaDB", server=("mariadbd",), client=("mariadb",), programs=("mariadbd", "mariadb"),
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.3")],
             recorded=[dict(application="mysql", starttls=True)] * 2)
    def mariadb(lab):
        where = folder(lab, "mariadb")
        chain, key = copy_certificate(lab.pki.leaf("db.corp.example"), where)
        run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={where / 'data'}", "--skip-test-db",
            timeout=120)
        lab.listen("10.20.1.11", 3306, "mariadbd", "--no-defaults", "--user=root", f"--datadir={where / 'data'}",
                   "--bind-address=10.20.1.11", f"--socket={where / 'socket'}", f"--ssl-cert={chain}", f"--ssl-key={key}",
                   "--skip-grant-tables", "--skip-name-resolve", f"--pid-file={where / 'pid'}")
        for version in ("TLSv1.2", "TLSv1.3"):
            lab.client(11, "mariadb", "--no-defaults", "-h", "10.20.1.11", "-u", "root", "--ssl",
                       f"--tls-version={version}", f"--ssl-ca={lab.pki.root.pem}", "-e", "select 1")

    @capture("tds-prelogin.pcap", "MS-SQL's TDS: TLS in PRELOGIN packets, by FreeTDS and OpenSSL; then one that does "
             "not trust the server's root, and leaves without an alert", server=("python",), client=("tsql",), programs=("tsql",),
             expect=[dict(version="TLS1.2", certs=2), dict(certs=2)],
             recorded=[dict(application="tds", starttls=True)] * 2)
    def tds(lab):
        cert = lab.pki.leaf("sql.corp.example")
        lab.listen("10.20.1.12", 1433, *lab.peer("tds-server", "10.20.1.12", "1433", cert.bundle(), cert.key))
        for ca in ("", f"ca file = {lab.pki.foreign.pem}\n"):
            config = write(lab.dir / "freetds.conf", "[sql]\nhost = 10.20.1.12\nport = 1433\ntds version = 7.4\n"
                           f"encryption = require\n{ca}")
            lab.client(11, "timeout", "8", "tsql", "-S", "sql", "-U", "sa", "-P", "secret",
                       data="exit\n", env={"FREETDS": str(config), "FREETDSCONF": str(config)})

    @capture("tds8.pcap", "MS-SQL's TDS 8.0: TLS at once, named by ALPN", server=("openssl",), client=("openssl",),
             expect=[dict(version="TLS1.3")], recorded=[dict(application="tds", starttls=False)])
    def tds8(lab):
        lab.s_server(lab.pki.leaf("sql.corp.example"), "-alpn", "tds/8.0", server=12, port=1433, web=False)
        lab.s_client("-alpn", "tds/8.0", server=12, port=1433, sni="sql.corp.example", web=False, data="Q\n")

    @capture("postgresql-direct.pcap", "PostgreSQL as libpq 17 may speak it, sslmode=direct: TLS at once, named by ALPN (both "
             "ends are OpenSSL)", server=("openssl",), client=("openssl",), expect=[dict(version="TLS1.3")],
             decode=("tcp.port==5432,tls",), recorded=[dict(application="postgresql", starttls=False)])
    def postgresql_direct(lab):
        lab.s_server(lab.pki.leaf("db.corp.example"), "-alpn", "postgresql", port=5432, web=False)
        lab.s_client("-alpn", "postgresql", port=5432, sni="db.corp.example", web=False, data="Q\n")

    # -- directory and mail

    @capture("openldap.pcap", "OpenLDAP: StartTLS", server=("slapd",), client=("ldapsearch",),
             programs=("slapd", "ldapsearch"),
             expect=[dict(version="TLS1.3"), dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="ldap", starttls=True)] * 2)
    def openldap(lab):
        where = folder(lab, "slapd")
        chain, key = copy_certificate(lab.pki.leaf("dc01.corp.example"), where)
        (where / "db").mkdir()
        config = write(where / "slapd.conf", "include /etc/ldap/schema/core.schema\n"
                       f"TLSCertificateFile {chain}\nTLSCertificateKeyFile {key}\n"
                       "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                       f"database mdb\nsuffix dc=corp,dc=example\ndirectory {where / 'db'}\n")
        lab.listen("10.20.1.14", 389, "slapd", "-d", "0", "-h", "ldap://10.20.1.14:389/", "-f", config)
        for ciphers in ("NORMAL", "NORMAL:-VERS-TLS1.3"):
            lab.client(11, "ldapsearch", "-ZZ", "-x", "-H", "ldap://10.20.1.14", "-b", "", "-s", "base",
                       env={"LDAPTLS_CACERT": str(lab.pki.root.pem), "LDAPTLS_REQCERT": "never",
                            "LDAPTLS_CIPHER_SUITE": ciphers})

    def dovecot(lab, protocol, port):
        where = folder(lab, "dovecot")
        lab.dir.chmod(0o711)
        where.chmod(0o755)
        chain, key = copy_certificate(lab.pki.leaf("mail.corp.example"), where)
        listeners = {"imap": "imap-login", "pop3": "pop3-login", "sieve": "managesieve-login", "lmtp": "lmtp"}
        service = "".join(
            f"service {name} {{\n inet_listener {kind} {{\n  address = 10.20.1.15\n  port = {number}\n }}\n}}\n"
            for kind, name, number in [(protocol, listeners[protocol], port)])
        others = {"imap": ["imaps"], "pop3": ["pop3s"]}.get(protocol, [])
        off = "".join(f"service {protocol}-login {{\n inet_listener {name} {{\n  port = 0\n }}\n}}\n" for name in others)
        config = write(where / "dovecot.conf", f"""
base_dir = {where}/run
state_dir = {where}/state
log_path = {where}/log
protocols = {protocol}
listen = 10.20.1.15
hostname = mail.corp.example
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
ssl_dh = <{lab.dh_parameters()}
mail_location = maildir:{where}/mail
disable_plaintext_auth = yes
passdb {{
 driver = static
 args = password=secret
}}
userdb {{
 driver = static
 args = uid=65534 gid=65534 home={where}/home
}}
{service}{off}
""")
        lab.listen("10.20.1.15", port, "dovecot", "-F", "-c", config)

    def curl(lab, url, *args):
        lab.client(11, "curl", "-sS", "--ssl-reqd", "--cacert", lab.pki.root.pem, "--max-time", "8",
                   "-u", "alice:secret", *args, url)

    for protocol, port, word in (("imap", 143, "STARTTLS"), ("pop3", 110, "STLS")):
        @capture(f"dovecot-{protocol}.pcap", f"Dovecot's {protocol.upper()}: {word}; curl with its defaults, then at TLS 1.2",
                 server=("dovecot",), client=("curl",), programs=("dovecot", "curl"),
                 expect=[dict(version="TLS1.3"), dict(version="TLS1.2", certs=2)],
                 recorded=[dict(application=protocol, starttls=True)] * 2)
        def mailbox(lab, protocol=protocol, port=port):
            dovecot(lab, protocol, port)
            url = f"{protocol}://mail.corp.example:{port}/"
            resolve = ("--resolve", f"mail.corp.example:{port}:10.20.1.15")
            curl(lab, url, *resolve)
            curl(lab, url, *resolve, "--tls-max", "1.2")

    for protocol, port in (("sieve", 4190), ("lmtp", 24)):
        @capture(f"dovecot-{protocol}.pcap", f"Dovecot's {'ManageSieve' if protocol == 'sieve' else 'LMTP'}: STARTTLS",
                 server=("dovecot",), client=("openssl",), programs=("dovecot",),
                 expect=[dict(version="TLS1.2", certs=2)],
                 recorded=[dict(application=protocol, starttls=True)])
        def deliver(lab, protocol=protocol, port=port):
            dovecot(lab, protocol, port)
            lab.client(11, "openssl", "s_client", "-connect", f"10.20.1.15:{port}", "-starttls", protocol, "-tls1_2",
                       "-servername", "mail.corp.example", data="QUIT\r\n")

    @capture("postfix.pcap", "Postfix: STARTTLS at the submission port; curl sends a mail", server=("postfix",),
             client=("curl",), programs=("postfix", "curl"),
             expect=[dict(version="TLS1.3"), dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="smtp", starttls=True)] * 2)
    def postfix(lab):
        where = folder(lab, "postfix")
        lab.dir.chmod(0o711)
        where.chmod(0o755)
        chain, key = copy_certificate(lab.pki.leaf("mail.corp.example"), where)
        (where / "queue").mkdir()
        (where / "data").mkdir()
        shutil.chown(where / "data", "postfix")
        write(where / "conf" / "main.cf", f"""
compatibility_level = 3.6
myhostname = mail.corp.example
mydestination =
inet_interfaces = 10.20.1.15
inet_protocols = ipv4
queue_directory = {where}/queue
data_directory = {where}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev
smtpd_tls_chain_files = {key} {chain}
smtpd_tls_security_level = encrypt
smtpd_recipient_restrictions = reject
mynetworks = 127.0.0.0/8
local_recipient_maps =
smtpd_peername_lookup = no
alias_maps =
""")
        write(where / "conf" / "master.cf", "587 inet n - n - - smtpd\nrewrite unix - - n - - trivial-rewrite\n"
              "cleanup unix n - n - 0 cleanup\ntlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\n"
              "postlog unix-dgram n - n - 1 postlogd\nqmgr unix n - n 300 1 qmgr\nbounce unix - - n - 0 bounce\n"
              "defer unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\nerror unix - - n - - error\nretry unix - - n - - error\n")
        for name in ("dynamicmaps.cf", "postfix-files"):
            source = Path("/usr/share/postfix" if name == "dynamicmaps.cf" else "/etc/postfix") / name
            if source.exists():
                shutil.copy(source, where / "conf" / name)
        lab.listen("10.20.1.15", 587, "postfix", "-c", where / "conf", "start-fg")
        mail = write(lab.dir / "mail", "Subject: hello\r\n\r\nhello\r\n")
        for more in ((), ("--tls-max", "1.2")):
            lab.client(11, "curl", "-sS", "--ssl-reqd", "--cacert", lab.pki.root.pem, "--max-time", "8",
                       "--resolve", "mail.corp.example:587:10.20.1.15", "--mail-from", "alice@corp.example",
                       "--mail-rcpt", "bob@corp.example", "-T", mail, *more, "smtp://mail.corp.example:587")

    @capture("vsftpd.pcap", "vsftpd: AUTH SSL, and a data connection that resumes the session at once", server=("vsftpd",),
             client=("curl",), programs=("vsftpd", "curl"), decode=("tcp.port==21,tls",),
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.2", resumed=True)],
             recorded=[dict(application="ftp", starttls=True), dict(application=None, starttls=False)])
    def vsftpd(lab):
        where = folder(lab, "vsftpd")
        chain, key = copy_certificate(lab.pki.leaf("files.corp.example"), where)
        root = where / "root"
        root.mkdir(mode=0o755)
        (root / "readme").write_text("hello\n")
        (where / "empty").mkdir()
        lab.dir.chmod(0o711)
        where.chmod(0o755)
        config = write(where / "vsftpd.conf", f"""listen=YES
listen_address=10.20.1.16
background=NO
anonymous_enable=YES
anon_root={root}
secure_chroot_dir={where / 'empty'}
ssl_enable=YES
allow_anon_ssl=YES
require_ssl_reuse=NO
ssl_tlsv1=YES
rsa_cert_file={chain}
rsa_private_key_file={key}
seccomp_sandbox=NO
xferlog_enable=NO
""")
        lab.listen("10.20.1.16", 21, "vsftpd", config)
        lab.client(11, "curl", "-sS", "--ssl-reqd", "--tls-max", "1.2", "--cacert", lab.pki.root.pem, "--max-time", "8",
                   "--resolve", "files.corp.example:21:10.20.1.16", "ftp://files.corp.example/readme")

    # -- messages and news

    @capture("prosody.pcap", "Prosody: STARTTLS in XMPP, as a client and as another server", server=("prosody",),
             client=("openssl",), programs=("prosody",),
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.3")],
             recorded=[dict(application="xmpp", starttls=True)] * 2)
    def prosody(lab):
        where = folder(lab, "prosody")
        chain, key = copy_certificate(lab.pki.leaf("chat.corp.example"), where)
        config = write(where / "prosody.cfg.lua", f"""
run_as_root = true
daemonize = false
data_path = "{where}"
pidfile = "{where}/pid"
interfaces = {{ "10.20.1.17" }}
modules_enabled = {{ "tls", "saslauth", "disco", "dialback" }}
modules_disabled = {{ "s2s_bidi" }}
c2s_require_encryption = true
log = {{ warn = "*console" }}
ssl = {{ certificate = "{chain}", key = "{key}" }}
VirtualHost "chat.corp.example"
""")
        lab.listen("10.20.1.17", 5222, "prosody", "--config", config)
        for kind, port, version in (("xmpp", 5222, "-tls1_2"), ("xmpp-server", 5269, "-tls1_3")):
            lab.client(11, "openssl", "s_client", "-connect", f"10.20.1.17:{port}", "-starttls", kind, version,
                       "-xmpphost", "chat.corp.example", "-servername", "chat.corp.example", data="Q\n")

    @capture("inspircd.pcap", "InspIRCd: STARTTLS in IRC", server=("inspircd",), client=("python",),
             programs=("inspircd",), decode=("tcp.port==6667,tls",), expect=[dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="irc", starttls=True)])
    def inspircd(lab):
        where = folder(lab, "inspircd")
        chain, key = copy_certificate(lab.pki.leaf("chat.corp.example"), where)
        config = write(where / "inspircd.conf", f"""
<server name="chat.corp.example" description="chat" network="Corp">
<admin name="a" nick="a" email="a@corp.example">
<bind address="10.20.1.18" port="6667" type="clients" sslprofile="">
<module name="ssl_gnutls">
<sslprofile name="Clients" provider="gnutls" certfile="{chain}" keyfile="{key}">
<gnutls onrehash="no" certfile="{chain}" keyfile="{key}">
<module name="starttls">
<module name="cap">
<starttls sslprofile="Clients">
<connect allow="*" timeout="20" useident="no">
<power diepass="x" restartpass="x">
<options defaultbind="ipv4">
<dns timeout="1" server="127.0.0.1">
<pid file="{where}/pid">
<log method="file" type="*" level="default" target="{where}/log">
<path datadir="{where}" logdir="{where}" runtimedir="{where}">
""")
        lab.listen("10.20.1.18", 6667, "inspircd", f"--config={config}", "--nofork", "--runasroot")
        lab.client(11, *lab.peer("irc-client", "10.20.1.18", "6667", "chat.corp.example"))

    @capture("inn.pcap", "INN: STARTTLS in NNTP", server=("inn",), client=("python",), programs=(NNRPD,),
             decode=("tcp.port==119,tls",), expect=[dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="nntp", starttls=True)])
    def inn(lab):
        where = folder(lab, "inn", "news")
        chain, key = copy_certificate(lab.pki.leaf("news.corp.example"), where, "news")
        for name in ("db", "spool", "run", "log", "tmp"):
            (where / name).mkdir()
            shutil.chown(where / name, "news")
        paths = "".join(f"path{name}: {where / part}\n" for name, part in (
            ("db", "db"), ("etc", ""), ("run", "run"), ("log", "log"), ("tmp", "tmp"), ("spool", "spool"),
            ("articles", "spool"), ("overview", "spool")))
        config = write(where / "inn.conf", f"""mta: "/bin/true"
organization: Corp
pathhost: news.corp.example
domain: corp.example
fromhost: corp.example
ovmethod: tradindexed
hismethod: hisv6
pathnews: /usr/lib/news
pathbin: /usr/lib/news/bin
{paths}tlscertfile: {chain}
tlskeyfile: {key}
tlscapath: {where}
runasuser: news
runasgroup: news
""")
        write(where / "readers.conf", 'auth all {\n hosts: "*"\n default: "reader"\n}\n'
              'access all {\n users: "*"\n newsgroups: "*"\n}\n')
        write(where / "storage.conf", "method tradspool {\n newsgroups: *\n class: 0\n}\n", owner="news")
        write(where / "db" / "active", "control 0000000000 0000000001 n\njunk 0000000000 0000000001 n\n", owner="news")
        write(where / "db" / "newsgroups", "", owner="news")
        write(where / "db" / "history", "", owner="news")
        run("runuser", "-u", "news", "--", "/usr/lib/news/bin/makehistory", "-O", "-x", "-l", "10",
            env={"INNCONF": str(config)}, cwd=where)
        lab.listen("10.20.1.18", 119, NNRPD, "-D", "-f", "-n", "-p", "119", "-b", "10.20.1.18", "-c", "readers.conf",
                   env={"INNCONF": str(config)})
        lab.client(11, *lab.peer("nntp-client", "10.20.1.18", "119", "news.corp.example"))

    # -- desktops

    @capture("xrdp.pcap", "xrdp: TLS after X.224's negotiation; FreeRDP as the client, which tries twice, and twice at "
             "a server of TLS 1.2",
             server=("xrdp",), client=("xfreerdp",), programs=("xrdp", "xfreerdp", "Xvfb"), decode=("tcp.port==3389,tls", "tcp.port==3390,tls"),
             expect=[dict(version="TLS1.3")] * 2 + [dict(version="TLS1.2", certs=2)] * 2,
             recorded=[dict(application="rdp", starttls=True)] * 4)
    def xrdp(lab):
        where = folder(lab, "xrdp")
        chain, key = copy_certificate(lab.pki.leaf("desktop.corp.example"), where)
        for port, protocols in ((3389, "TLSv1.2, TLSv1.3"), (3390, "TLSv1.2")):
            write(where / f"{port}.ini", f"""[Globals]
ini_version=1
fork=false
port=tcp://10.20.1.19:{port}
security_layer=tls
certificate={chain}
key_file={key}
ssl_protocols={protocols}
autorun=
[Logging]
LogFile={where}/log
LogLevel=INFO
EnableSyslog=false
[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
""")
            lab.listen("10.20.1.19", port, "xrdp", "--nodaemon", "--config", where / f"{port}.ini")
        lab.spawn(lab.host(11), "Xvfb", ":97", "-screen", "0", "640x480x16", "-nolisten", "tcp")
        time.sleep(1)
        for port in (3389, 3390):
            lab.client(11, "timeout", "4", "xfreerdp", f"/v:10.20.1.19:{port}", "/u:alice", "/p:secret", "/cert:ignore",
                       "/sec:tls", "/log-level:ERROR",
                       env={"DISPLAY": ":97", "HOME": str(lab.dir)})

    # -- proxies

    def web(lab, *args):
        lab.s_server(lab.pki.leaf("org42.crm4.dynamics.com"), *args)
        lab.server_names(**{"org42.crm4.dynamics.com": "10.20.1.10"})

    def fetch(lab, *args):
        lab.client(11, "curl", "-sS", "--cacert", lab.pki.root.pem, "--max-time", "8", *args,
                   "https://org42.crm4.dynamics.com/index.html")

    @capture("squid-connect.pcap", "Squid: CONNECT of an HTTP proxy, recorded before the proxy", server=("squid", "openssl"), client=("curl",),
             programs=("squid", "curl"), expect=[dict(version="TLS1.3", sport=3128)],
             filter="tcp port 3128",
             recorded=[dict(application="http-connect", starttls=False, target="org42.crm4.dynamics.com:443")])
    def squid(lab):
        web(lab)
        where = folder(lab, "squid", "proxy")
        config = write(where / "squid.conf", f"""http_port 10.20.1.13:3128
http_access allow all
visible_hostname proxy.corp.example
cache_effective_user proxy
pid_filename none
coredump_dir {where}
access_log none
cache_log {where}/log
cache_store_log none
cache deny all
netdb_filename none
pinger_enable off
memory_cache_shared off
""")
        lab.listen("10.20.1.13", 3128, "squid", "-N", "-n", lab.tag, "-f", config)
        fetch(lab, "-x", "http://10.20.1.13:3128")
        for left in glob.glob(f"/dev/shm/{lab.tag}-*"):
            os.unlink(left)

    @capture("socks5.pcap", "SOCKS 5 with a name and with an address", server=("microsocks", "openssl"), client=("curl",),
             programs=("microsocks", "curl"), filter="tcp port 1080",
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.3")],
             recorded=[dict(application="socks", starttls=False, target="org42.crm4.dynamics.com:443"),
                       dict(application="socks", starttls=False, target="10.20.1.10:443")])
    def socks5(lab):
        web(lab)
        lab.listen("10.20.1.13", 1080, "microsocks", "-i", "10.20.1.13", "-p", "1080")
        fetch(lab, "--socks5-hostname", "10.20.1.13:1080", "--tls-max", "1.2")
        fetch(lab, "--socks5", "10.20.1.13:1080", "--resolve", "org42.crm4.dynamics.com:443:10.20.1.10")

    @capture("socks4.pcap", "SOCKS 4, with an address", server=("danted", "openssl"), client=("curl",),
             programs=("danted", "curl"), filter="tcp port 1080",
             expect=[dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="socks", starttls=False, target="10.20.1.10:443")])
    def socks4(lab):
        web(lab)
        config = write(lab.dir / "danted.conf", """logoutput: stderr
internal: 10.20.1.14 port = 1080
external: 10.20.1.14
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
""")
        lab.listen("10.20.1.14", 1080, "danted", "-f", config, "-p", lab.dir / "danted.pid")
        fetch(lab, "--socks4", "10.20.1.14:1080", "--tls-max", "1.2", "--resolve",
              "org42.crm4.dynamics.com:443:10.20.1.10")

    @capture("proxy-protocol.pcap", "PROXY protocol headers, version 1 and version 2, before TLS: from HAProxy to nginx",
             server=("nginx",), client=("curl", "haproxy"), programs=("haproxy", "nginx", "curl"),
             filter="tcp port 8443 or tcp port 9443", decode=("tcp.port==8443,tls", "tcp.port==9443,tls"),
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.3")],
             recorded=[dict(application="proxy", starttls=False), dict(application="proxy", starttls=False)])
    def proxy_protocol(lab):
        where = folder(lab, "nginx")
        lab.dir.chmod(0o711)
        chain, key = copy_certificate(lab.pki.leaf("org42.crm4.dynamics.com"), where)
        config = write(where / "nginx.conf", f"""daemon off;
user root;
pid {where}/pid;
error_log {where}/log;
events {{}}
http {{
 access_log off;
 server {{
  listen 10.20.1.15:8443 ssl proxy_protocol;
  listen 10.20.1.15:9443 ssl proxy_protocol;
  ssl_certificate {chain};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.2 TLSv1.3;
  root {lab.dir}/www;
 }}
}}
""")
        lab.listen("10.20.1.15", 9443, "nginx", "-c", config)
        config = write(where / "haproxy.cfg", """defaults
 mode tcp
 timeout connect 5s
 timeout client 5s
 timeout server 5s
listen one
 bind 10.20.0.12:443
 server backend 10.20.1.15:8443 send-proxy
listen two
 bind 10.20.0.12:444
 server backend 10.20.1.15:9443 send-proxy-v2
""")
        lab.listen("10.20.0.12", 444, "haproxy", "-f", config, namespace=lab.host(12))
        for port, more in ((443, ("--tls-max", "1.2")), (444, ())):
            lab.client(11, "curl", "-sS", "--no-alpn", "--cacert", lab.pki.root.pem, "--max-time", "8", *more,
                       "--resolve", f"org42.crm4.dynamics.com:{port}:10.20.0.12",
                       f"https://org42.crm4.dynamics.com:{port}/index.html")

    # -- log-ins to networks

    def freeradius(lab, highest="1.2"):
        where = folder(lab, "freeradius")
        chain, key = copy_certificate(lab.pki.leaf("radius.corp.example"), where)
        write(where / "dictionary", "$INCLUDE /usr/share/freeradius/dictionary\n")
        write(where / "radiusd.conf", f"""
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {where}
run_dir = {where}
db_dir = {where}
logdir = {where}
log {{
 destination = stdout
}}
security {{
 reject_delay = 0
}}
client lab {{
 ipaddr = 10.20.0.0/16
 secret = secret
}}
modules {{
 pap {{ }}
 mschap {{ }}
 eap {{
  default_eap_type = tls
  tls-config common {{
   private_key_file = {key}
   certificate_file = {chain}
   ca_file = {lab.pki.root.pem}
   fragment_size = 1024
   tls_min_version = "1.0"
   tls_max_version = "{highest}"
   cipher_list = "DEFAULT@SECLEVEL=0"
   ecdh_curve = "prime256v1"
  }}
  tls {{
   tls = common
  }}
  ttls {{
   tls = common
   virtual_server = inner
  }}
  peap {{
   tls = common
   default_eap_type = mschapv2
   virtual_server = inner
  }}
  mschapv2 {{ }}
 }}
}}
server outer {{
 listen {{
  type = auth
  ipaddr = 10.20.1.20
  port = 1812
 }}
 authorize {{
  eap
 }}
 authenticate {{
  eap
 }}
}}
server inner {{
 authorize {{
  update control {{
   Cleartext-Password := "secret"
  }}
  mschap
  eap
  pap
 }}
 authenticate {{
  Auth-Type PAP {{
   pap
  }}
  mschap
  eap
 }}
}}
""")
        lab.listen("10.20.1.20", 1812, "freeradius", "-f", "-d", where, "-n", "radiusd", udp=True)

    def supplicant(lab, method, *, ca=None, more=""):
        """A configuration of wpa_supplicant, which eapol_test shares."""
        alice = lab.pki.leaf("alice.corp.example", purpose="clientAuth")
        words = {"TLS": f'client_cert="{alice.bundle()}"\n private_key="{alice.key}"',
                 "PEAP": 'password="secret"\n phase2="auth=MSCHAPV2"',
                 "TTLS": 'password="secret"\n phase2="auth=PAP"'}[method]
        return write(lab.dir / f"{method}.conf", f"""ap_scan=0
network={{
 key_mgmt=IEEE8021X
 eapol_flags=0
 eap={method}
 identity="alice@corp.example"
 ca_cert="{ca or lab.pki.root.pem}"
 {words}
 {more}
}}
""")

    def eapol_test(lab, config, mac):
        lab.client(11, "eapol_test", "-c", config, "-a", "10.20.1.20", "-p", "1812", "-s", "secret", "-M", mac,
                   "-t", "8", "-n")

    radius = dict(starttls=False, tunnel=["radius"])
    eapol = dict(starttls=False, tunnel=["eapol"])

    @capture("eap-tls-radius.pcap", "EAP-TLS in RADIUS, both flights in several EAP packets", server=("freeradius",),
             client=("eapol_test",), programs=("freeradius", "eapol_test"), filter="udp",
             expect=[dict(version="TLS1.2", certs=2, client_certs=2)],
             recorded=[dict(application="eap-tls", **radius)])
    def eap_tls(lab):
        freeradius(lab)
        eapol_test(lab, supplicant(lab, "TLS", more="fragment_size=700"), "02:20:00:00:00:0b")

    @capture("peap-radius.pcap", "PEAP in RADIUS: one at TLS 1.2, one at TLS 1.0, one that does not know the server's root",
             server=("freeradius",), client=("eapol_test",), programs=("freeradius", "eapol_test"), filter="udp",
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.0", offered_max="TLS1.0", certs=2),
                     dict(version="TLS1.2", certs=2, alerts=[{"from": "client", "description": "unknown_ca"}])],
             recorded=[dict(application="peap", **radius)] * 3)
    def peap(lab):
        freeradius(lab)
        eapol_test(lab, supplicant(lab, "PEAP"), "02:20:00:00:00:0c")
        old = 'phase1="tls_disable_tlsv1_0=0 tls_disable_tlsv1_1=1 tls_disable_tlsv1_2=1"\n openssl_ciphers="DEFAULT@SECLEVEL=0"'
        eapol_test(lab, supplicant(lab, "PEAP", more=old), "02:20:00:00:00:0d")
        eapol_test(lab, supplicant(lab, "PEAP", ca=lab.pki.foreign.pem), "02:20:00:00:00:0e")

    @capture("eap-ttls-radius.pcap", "EAP-TTLS in RADIUS, at TLS 1.3", server=("freeradius",), client=("eapol_test",),
             programs=("freeradius", "eapol_test"), filter="udp", expect=[dict(version="TLS1.3")],
             recorded=[dict(application="eap-ttls", **radius)])
    def ttls(lab):
        freeradius(lab, "1.3")
        eapol_test(lab, supplicant(lab, "TTLS", more='phase1="tls_disable_tlsv1_3=0"'), "02:20:00:00:00:0f")

    @capture("eap-wired.pcap", "Wired 802.1X: PEAP from the client to its switch, and from there in RADIUS to the server: the "
             "same log-in twice", server=("hostapd", "freeradius"), client=("wpa_supplicant",),
             programs=("freeradius", "hostapd", "wpa_supplicant"), interface="h12",
             filter="ether proto 0x888e or udp port 1812",
             expect=[dict(version="TLS1.2", certs=2), dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="peap", **eapol), dict(application="peap", **radius)],
             before=lambda lab: lab.host(12))
    def wired(lab):
        freeradius(lab)
        # Bridges keep frames to these group addresses to themselves, if they are not told to pass them on.
        lab.bridge("group_fwd_mask", "0x8")
        config = write(lab.dir / "hostapd.conf", """interface=eth0
driver=wired
ieee8021x=1
eap_reauth_period=0
use_pae_group_addr=1
own_ip_addr=10.20.0.12
nas_identifier=switch.corp.example
auth_server_addr=10.20.1.20
auth_server_port=1812
auth_server_shared_secret=secret
""")
        lab.spawn(lab.host(12), "hostapd", config)
        time.sleep(1)
        lab.spawn(lab.host(11), "wpa_supplicant", "-D", "wired", "-i", "eth0", "-c", supplicant(lab, "PEAP"))
        time.sleep(4)

    # -- datagrams

    dtls_port = ("udp.port==4433,dtls",)

    def dtls(lab, *args, ready=True):
        cert = lab.pki.leaf("vpn.corp.example")
        lab.listen("10.20.1.21", 4433, "openssl", "s_server", "-accept", "10.20.1.21:4433", "-cert", cert.pem, "-key",
                   cert.key, "-cert_chain", cert.bundle(leaf=False), *args, udp=True)

    def dtls_client(lab, *args):
        lab.client(11, "bash", "-c", '(sleep 1; echo Q) | timeout 5 "$@"', "-", "openssl", "s_client", "-connect",
                   "10.20.1.21:4433", "-servername", "vpn.corp.example", *args)

    @capture("dtls12-cookie.pcap", "DTLS 1.2: a cookie, and a Certificate in fragments", server=("openssl",),
             client=("openssl",), filter="udp", decode=dtls_port,
             expect=[dict(version="DTLS1.2", offered_max="DTLS1.2", certs=2, sni="vpn.corp.example")],
             recorded=[dict(application=None, starttls=False, transport="udp")])
    def dtls12(lab):
        dtls(lab, "-dtls1_2", "-listen", "-mtu", "400")
        dtls_client(lab, "-dtls1_2", "-mtu", "400")

    @capture("dtls10.pcap", "DTLS 1.0", server=("openssl",), client=("openssl",), filter="udp", decode=dtls_port,
             expect=[dict(version="DTLS1.0", offered_max="DTLS1.0", certs=2)],
             recorded=[dict(application=None, starttls=False, transport="udp")])
    def dtls10(lab):
        dtls(lab, "-dtls1", "-cipher", "DEFAULT:@SECLEVEL=0")
        dtls_client(lab, "-dtls1", "-cipher", "DEFAULT:@SECLEVEL=0")

    @capture("dtls12-gnutls.pcap", "GnuTLS at both ends of DTLS 1.2", server=("gnutls-cli",), client=("gnutls-cli",),
             filter="udp", decode=dtls_port, expect=[dict(version="DTLS1.2", certs=2)],
             recorded=[dict(application=None, starttls=False, transport="udp")])
    def dtls_gnutls(lab):
        cert = lab.pki.leaf("vpn.corp.example")
        lab.listen("10.20.1.10", 4433, "gnutls-serv", "--udp", "--echo", "--mtu", "600", "--port", "4433", "--x509certfile",
                   cert.bundle(), "--x509keyfile", cert.key, "--disable-client-cert", udp=True)
        lab.client(11, "bash", "-c", '(sleep 1; echo hello; sleep 1) | timeout 5 "$@"', "-", "gnutls-cli", "--udp", "--mtu",
                   "600", "--no-ca-verification", "--sni-hostname=vpn.corp.example", "10.20.1.10", "-p", "4433")

    @capture("dtls13-webrtc.pcap", "DTLS 1.3 between two ends of WebRTC in Chromium: X25519MLKEM768, so that the hello comes in "
             "fragments; STUN on the same ports", server=("chromium",), client=("chromium",), filter="udp",
             namespace="host", interface="lo",
             expect=[dict(version="DTLS1.3", offered_max="DTLS1.3", group="0x11ec")],
             recorded=[dict(application=None, starttls=False, transport="udp")])
    def webrtc(lab):
        page = write(lab.dir / "webrtc.html", """<!doctype html><title>two ends</title><script>
const one = new RTCPeerConnection(), other = new RTCPeerConnection();
one.onicecandidate = found => other.addIceCandidate(found.candidate);
other.onicecandidate = found => one.addIceCandidate(found.candidate);
const channel = one.createDataChannel("x");
channel.onopen = () => setTimeout(() => { one.close(); other.close(); }, 200);
(async () => {
  await one.setLocalDescription();
  await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription();
  await one.setRemoteDescription(other.localDescription);
})();
</script>
""")
        # WebRTC takes the addresses of the interface that leads to the Internet.
        run("ip", "-n", lab.host(11), "route", "replace", "default", "dev", "eth0")
        lab.client(11, "timeout", "5", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                   "--disable-domain-reliability", "--disable-features=WebRtcHideLocalIpsWithMdns",
                   f"--user-data-dir={lab.dir / 'chromium-webrtc'}", page.as_uri(), env={"HOME": str(lab.dir)}, timeout=60)
        run("ip", "-n", lab.host(11), "route", "del", "default")

    quic = dict(starttls=False, transport="quic")

    @capture("quic-v1.pcap", "QUIC version 1, and one that must come again with a Retry token", server=("aioquic",),
             client=("aioquic",), modules=("aioquic",), filter="udp", expect=[dict(version="TLS1.3", sni="erp.corp.example")] * 2,
             recorded=[dict(application="http", **quic)] * 2)
    def quic_v1(lab):
        cert = lab.pki.leaf("erp.corp.example")
        for port, retry in ((443, "0"), (444, "1")):
            lab.listen("10.20.1.22", port, *lab.peer("quic-server", "10.20.1.22", port, cert.bundle(), cert.key,
                                                     f"retry={retry}"), udp=True)
            lab.client(11, *lab.peer("quic-client", "10.20.1.22", port, "erp.corp.example"))

    @capture("quic-v2.pcap", "QUIC version 2 (RFC 9369)", server=("aioquic",), client=("aioquic",), modules=("aioquic",),
             filter="udp", expect=[dict(version="TLS1.3", sni="erp.corp.example")],
             recorded=[dict(application="http", **quic)])
    def quic_v2(lab):
        cert = lab.pki.leaf("erp.corp.example")
        lab.listen("10.20.1.22", 443, *lab.peer("quic-server", "10.20.1.22", 443, cert.bundle(), cert.key, "version=2"),
                   udp=True)
        lab.client(11, *lab.peer("quic-client", "10.20.1.22", 443, "erp.corp.example", "version=2"))

    @capture("quic-post-quantum.pcap", "QUIC with X25519MLKEM768, agreed: a ClientHello over two packets", server=("qh3",),
             client=("qh3",), modules=("qh3",), filter="udp",
             expect=[dict(version="TLS1.3", group="0x11ec", sni="erp.corp.example")],
             recorded=[dict(application="http", **quic)])
    def quic_post_quantum(lab):
        cert = lab.pki.leaf("erp.corp.example")
        lab.listen("10.20.1.22", 443, *lab.peer("quic-server", "10.20.1.22", 443, cert.bundle(), cert.key, "package=qh3"),
                   udp=True)
        lab.client(11, *lab.peer("quic-client", "10.20.1.22", 443, "erp.corp.example", "package=qh3"))

    @capture("quic-chromium.pcap", "Chromium's QUIC: a post-quantum share that the server does not take, its CRYPTO frames cut "
             "small, shuffled and spread over two packets", server=("aioquic",), client=("chromium",), modules=("aioquic",),
             filter="udp port 443", expect=None, recorded=[dict(application="http", **quic)])
    def quic_chromium(lab):
        name = "org42.crm4.dynamics.com"
        cert = lab.pki.leaf(name)
        public = run("openssl", "x509", "-in", cert.pem, "-noout", "-pubkey")
        spki = run("bash", "-c", "openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64", data=public)
        lab.listen("10.20.1.22", 443, *lab.peer("quic-server", "10.20.1.22", 443, cert.bundle(), cert.key), udp=True)
        lab.client(11, "timeout", "20", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--enable-quic", f"--origin-to-force-quic-on={name}:443",
                   f"--ignore-certificate-errors-spki-list={spki.strip()}",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
                   "--disable-domain-reliability", f"--user-data-dir={lab.dir / 'chromium-quic'}",
                   f"--host-resolver-rules=MAP {name} 10.20.1.22, MAP * ~NOTFOUND", "--dump-dom",
                   f"https://{name}/", env={"HOME": str(lab.dir)}, timeout=60)

    @capture("eap-fast-wired.pcap", "EAP-FAST on a wire, with hostapd's own EAP server", server=("hostapd",),
             client=("wpa_supplicant",), programs=("hostapd", "wpa_supplicant"), interface="h12",
             filter="ether proto 0x888e", before=lambda lab: lab.host(12), expect=[dict(version="TLS1.2", certs=2)],
             recorded=[dict(application="eap-fast", **eapol)])
    def eap_fast(lab):
        where = folder(lab, "hostapd")
        chain, key = copy_certificate(lab.pki.leaf("radius.corp.example"), where)
        users = write(where / "users", '* FAST\n"alice" MSCHAPV2 "secret" [2]\n')
        lab.bridge("group_fwd_mask", "0x8")
        lab.spawn(lab.host(12), "hostapd", write(where / "hostapd.conf", f"""interface=eth0
driver=wired
ieee8021x=1
eap_reauth_period=0
use_pae_group_addr=1
eap_server=1
eap_user_file={users}
ca_cert={lab.pki.root.pem}
server_cert={chain}
private_key={key}
dh_file={lab.dh_parameters()}
pac_opaque_encr_key=000102030405060708090a0b0c0d0e0f
eap_fast_a_id=101112131415161718191a1b1c1d1e1f
eap_fast_a_id_info=radius.corp.example
eap_fast_prov=3
fragment_size=1000
"""))
        time.sleep(1)
        lab.spawn(lab.host(11), "wpa_supplicant", "-D", "wired", "-i", "eth0", "-c", write(lab.dir / "FAST.conf", f"""ap_scan=0
network={{
 key_mgmt=IEEE8021X
 eapol_flags=0
 eap=FAST
 identity="alice"
 password="secret"
 ca_cert="{lab.pki.root.pem}"
 phase1="fast_provisioning=2"
 phase2="auth=MSCHAPV2"
 pac_file="blob://pac"
}}
"""))
        time.sleep(4)
