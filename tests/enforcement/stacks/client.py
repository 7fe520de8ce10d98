"""Clients in Python: the `ssl` module, pyOpenSSL (whose wheel carries an OpenSSL of its own), and tlslite-ng, a TLS
stack in pure Python. One process asks every target:

    python3 client.py ssl|pyopenssl|tlslite [KEY=VALUE...] HOST:PORT...

and prints `HOST:PORT works` or `HOST:PORT fails WHY` for each.
"""

import socket
import struct
import sys

REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def is_page(data):
    return b"200 ok" in data.lower()


def read_all(recv):
    data = b""
    while not is_page(data):
        more = recv(4096)
        if not more:
            break
        data += more
    return data


def standard(options):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "min" in options:
        context.minimum_version = getattr(ssl.TLSVersion, options["min"])
    if "max" in options:
        context.maximum_version = getattr(ssl.TLSVersion, options["max"])
    if "curve" in options:
        context.set_ecdh_curve(options["curve"])

    def ask(raw):
        with context.wrap_socket(raw) as tls:
            tls.sendall(REQUEST)
            return read_all(tls.recv)

    return ask


def pyopenssl(options):
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_METHOD)
    context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    if "ciphers" in options:
        context.set_cipher_list(options["ciphers"].encode())
    if "max" in options:
        context.set_max_proto_version(getattr(SSL, options["max"]))

    def ask(raw):
        raw.settimeout(None)
        # Seconds and microseconds: the library reads from the descriptor itself.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 15, 0))
        tls = SSL.Connection(context, raw)
        tls.set_connect_state()
        tls.do_handshake()
        tls.sendall(REQUEST)
        return read_all(tls.recv)

    return ask


def tlslite(options):
    from tlslite.api import HandshakeSettings, TLSConnection
    from tlslite.constants import ExtensionType

    settings = HandshakeSettings()
    versions = {"SSL3": (3, 0), "TLS1.0": (3, 1), "TLS1.1": (3, 2), "TLS1.2": (3, 3), "TLS1.3": (3, 4)}
    settings.minVersion = versions[options.get("min", "TLS1.0")]
    settings.maxVersion = versions[options.get("max", "TLS1.3")]
    for key in ("cipherNames", "macNames", "keyExchangeNames", "eccCurves", "rsaSigHashes"):
        if key in options:
            setattr(settings, key, options[key].split(","))
    settings.versions = [v for v in settings.versions if settings.minVersion <= v <= settings.maxVersion]
    without = {getattr(ExtensionType, word) for word in options.get("without", "").split(",") if word}

    class Connection(TLSConnection):
        """Leaves extensions out of the hello that its library would not leave out."""

        def _sendMsg(self, msg, *args, **kwargs):
            if without and getattr(msg, "extensions", None) and type(msg).__name__ == "ClientHello":
                msg.extensions = [e for e in msg.extensions if e.extType not in without]
            yield from super()._sendMsg(msg, *args, **kwargs)

    def ask(raw):
        tls = Connection(raw)
        tls.handshakeClientCert(settings=settings)
        tls.sendall(REQUEST)
        return read_all(lambda size: tls.read(max=size, min=1))

    return ask


def main():
    kind, words = sys.argv[1], sys.argv[2:]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    ask = {"ssl": standard, "pyopenssl": pyopenssl, "tlslite": tlslite}[kind](options)
    for target in (word for word in words if "=" not in word):
        host, port = target.rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), timeout=15) as raw:
                why = "fails: no page" if not is_page(ask(raw)) else "works"
        except Exception as error:  # every stack has its own
            why = f"fails {type(error).__name__}: {error}"
        print(target, why.replace("\n", " "), flush=True)


main()
