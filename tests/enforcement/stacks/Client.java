import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * The JDK's own TLS. One process asks every target:
 *
 * <pre>java Client.java [protocols=A,B] [suites=A,B] [security:NAME=VALUE] [NAME=VALUE of a system property]
 * HOST:PORT...</pre>
 *
 * and prints {@code HOST:PORT works} or {@code HOST:PORT fails WHY} for each. What the JDK switches off by
 * default is switched on: the set-up says what is offered.
 */
public final class Client {
    private static final class TrustAll implements X509TrustManager {
        @Override public void checkClientTrusted(X509Certificate[] chain, String type) { }
        @Override public void checkServerTrusted(X509Certificate[] chain, String type) { }
        @Override public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    public static void main(String[] args) throws Exception {
        String[] protocols = null;
        String[] suites = null;
        List<String> targets = new ArrayList<>();
        for (String arg : args) {
            int at = arg.indexOf('=');
            if (at < 0) {
                targets.add(arg);
            } else if (arg.startsWith("protocols=")) {
                protocols = arg.substring(at + 1).split(",");
            } else if (arg.startsWith("suites=")) {
                suites = arg.substring(at + 1).split(",");
            } else if (arg.startsWith("security:")) {
                Security.setProperty(arg.substring(9, at), arg.substring(at + 1));
            } else {
                System.setProperty(arg.substring(0, at), arg.substring(at + 1));
            }
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new TrustAll()}, null);
        for (String target : targets) {
            System.out.println(target + " " + ask(context, target, protocols, suites));
        }
    }

    private static String ask(SSLContext context, String target, String[] protocols, String[] suites) {
        int at = target.lastIndexOf(':');
        String host = target.substring(0, at);
        int port = Integer.parseInt(target.substring(at + 1));
        try (Socket raw = new Socket()) {
            raw.connect(new InetSocketAddress(host, port), 15000);
            raw.setSoTimeout(15000);
            SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(raw, host, port, true);
            if (protocols != null) {
                socket.setEnabledProtocols(protocols);
            }
            if (suites != null) {
                socket.setEnabledCipherSuites(suites);
            }
            // Every target is a stranger: no session is taken up again.
            context.getClientSessionContext().setSessionTimeout(1);
            socket.startHandshake();
            socket.getSession().invalidate();
            socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            StringBuilder page = new StringBuilder();
            InputStream in = socket.getInputStream();
            byte[] buffer = new byte[4096];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                page.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
                if (page.toString().toLowerCase(Locale.ROOT).contains("200 ok")) {
                    return "works";
                }
            }
            return "fails no page";
        } catch (Exception error) {
            return "fails " + error.toString().replace('\n', ' ');
        }
    }
}
