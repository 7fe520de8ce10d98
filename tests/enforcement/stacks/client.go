// A client of Go's own TLS stack. One process asks every target:
//
//	go run client.go [min=VERSION] [max=VERSION] [suites=NAME,...] [curves=NAME,...] [sni=NAME] HOST:PORT...
//
// and prints `HOST:PORT works` or `HOST:PORT fails WHY` for each.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

var versions = map[string]uint16{
	"TLS1.0": tls.VersionTLS10, "TLS1.1": tls.VersionTLS11, "TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13,
}

var curves = map[string]tls.CurveID{
	"x25519": tls.X25519, "P-256": tls.CurveP256, "P-384": tls.CurveP384, "P-521": tls.CurveP521,
}

func suite(name string) uint16 {
	for _, known := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if known.Name == name {
			return known.ID
		}
	}
	panic("no suite is called " + name)
}

func ask(config *tls.Config, target string) error {
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", target, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(connection, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	// The page may end without a close_notify.
	page, err := io.ReadAll(io.LimitReader(connection, 4096))
	if !strings.Contains(strings.ToLower(string(page)), "200 ok") {
		return fmt.Errorf("no page: %v", err)
	}
	return nil
}

func main() {
	config := &tls.Config{InsecureSkipVerify: true}
	for _, word := range os.Args[1:] {
		key, value, option := strings.Cut(word, "=")
		switch {
		case !option:
			if err := ask(config, word); err != nil {
				fmt.Println(word, "fails", err)
			} else {
				fmt.Println(word, "works")
			}
		case key == "sni":
			config.ServerName = value
		case key == "min":
			config.MinVersion = versions[value]
		case key == "max":
			config.MaxVersion = versions[value]
		case key == "suites":
			for _, name := range strings.Split(value, ",") {
				config.CipherSuites = append(config.CipherSuites, suite(name))
			}
		case key == "curves":
			for _, name := range strings.Split(value, ",") {
				config.CurvePreferences = append(config.CurvePreferences, curves[name])
			}
		}
	}
}
