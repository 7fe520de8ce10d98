import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * One end of a TLS connection with the JDK's own stack.
 *
 * <pre>TlsEnd server|client ADDRESS PORT [protocols=A,B] [suites=A,B] [keystore=FILE.p12] [sni=NAME]
 * [trust=default]</pre>
 *
 * The keystore's password is "changeit". Without {@code trust=default} the client trusts every
 * certificate: what matters here is the handshake.
 */
public final class TlsEnd {
    private static final class TrustAll implements X509TrustManager {
        @Override public void checkClientTrusted(X509Certificate[] chain, String type) { }
        @Override public void checkServerTrusted(X509Certificate[] chain, String type) { }
        @Override public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    public static void main(String[] args) throws Exception {
        InetAddress address = InetAddress.getByName(args[1]);
        int port = Integer.parseInt(args[2]);
        Map<String, String> options = new HashMap<>();
        for (int i = 3; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            options.put(pair[0], pair[1]);
        }
        KeyManager[] keys = null;
        if (options.containsKey("keystore")) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            try (InputStream in = new FileInputStream(options.get("keystore"))) {
                store.load(in, "changeit".toCharArray());
            }
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(store, "changeit".toCharArray());
            keys = factory.getKeyManagers();
        }
        SSLContext context = SSLContext.getInstance("TLS");
        boolean trustAll = !options.containsKey("trust");
        context.init(keys, trustAll ? new TrustManager[] {new TrustAll()} : null, null);
        if (args[0].equals("server")) {
            serve(context, address, port, options);
        } else {
            connect(context, address, port, options);
        }
    }

    private static void serve(SSLContext context, InetAddress address, int port, Map<String, String> options)
            throws Exception {
        SSLServerSocket listener =
            (SSLServerSocket) context.getServerSocketFactory().createServerSocket(port, 16, address);
        if (options.containsKey("protocols")) {
            listener.setEnabledProtocols(options.get("protocols").split(","));
        }
        if (options.containsKey("suites")) {
            listener.setEnabledCipherSuites(options.get("suites").split(","));
        }
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                InputStream in = socket.getInputStream();
                byte[] request = new byte[4096];
                if (in.read(request) > 0) {
                    OutputStream out = socket.getOutputStream();
                    out.write("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n".getBytes(StandardCharsets.US_ASCII));
                    out.flush();
                }
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
        }
    }

    private static void connect(SSLContext context, InetAddress address, int port, Map<String, String> options)
            throws Exception {
        String name = options.getOrDefault("sni", address.getHostAddress());
        Socket plain = new Socket(address, port);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true)) {
            if (options.containsKey("protocols")) {
                socket.setEnabledProtocols(options.get("protocols").split(","));
            }
            if (options.containsKey("suites")) {
                socket.setEnabledCipherSuites(options.get("suites").split(","));
            }
            socket.setSoTimeout(5000);
            OutputStream out = socket.getOutputStream();
            out.write(("GET / HTTP/1.0\r\nHost: " + name + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
            out.flush();
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            byte[] buffer = new byte[4096];
            for (int n = socket.getInputStream().read(buffer); n > 0; n = socket.getInputStream().read(buffer)) {
                answer.write(buffer, 0, n);
            }
            System.out.println(socket.getSession().getProtocol() + " " + socket.getSession().getCipherSuite());
        }
    }

    private TlsEnd() { }
}
