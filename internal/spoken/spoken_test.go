package spoken_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"wirelab/internal/spoken"
)

func Example() {
	_, err := strconv.Atoi("many")
	fmt.Println(spoken.Error(fmt.Errorf(`"many" %w`, err)))
	// Output: "many" is not a number
}

func TestError(t *testing.T) {
	var number int
	var record struct {
		Clients int `json:"clients"`
	}
	_, tooBig := strconv.ParseInt("99999999999999999999", 10, 64)
	_, notHex := hex.DecodeString("zz")
	_, odd := hex.DecodeString("abc")
	_, parsed := strconv.ParseFloat("x", 64)
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	expired := &x509.Certificate{NotBefore: time.Unix(0, 0), NotAfter: time.Unix(86400, 0)}
	for want, err := range map[string]error{
		"":               nil,
		"as it is":       errors.New("as it is"),
		"nope: as it is": fmt.Errorf("nope: %w", errors.New("as it is")),
		"keys: connect to 127.0.0.1:9: connection refused":                              fmt.Errorf("keys: %w", refused),
		"listen on 127.0.0.1:9: address already in use":                                 &net.OpError{Op: "listen", Net: "tcp", Addr: address, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)},
		"127.0.0.1:9: broken pipe":                                                      &net.OpError{Op: "write", Net: "tcp", Addr: address, Err: syscall.EPIPE},
		"broken pipe":                                                                   &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE},
		"there is no host x.invalid":                                                    &net.DNSError{Err: "no such host", Name: "x.invalid", Server: "192.0.2.1:53", IsNotFound: true},
		"no name server says in time which address x has":                               &net.DNSError{Name: "x", IsTimeout: true},
		"the address of x cannot be found out: misbehaves":                              &net.DNSError{Name: "x", Err: "misbehaves"},
		"file: the JSON ends too early":                                                 fmt.Errorf("file: %w", json.Unmarshal([]byte(`{"a":`), &record)),
		"file: no JSON from byte 2 on":                                                  fmt.Errorf("file: %w", json.Unmarshal([]byte(`foo`), &record)),
		`"clients" is of another kind than string`:                                      json.Unmarshal([]byte(`{"clients":"x"}`), &record),
		"the JSON is of another kind: object":                                           json.Unmarshal([]byte(`{}`), &number),
		"is out of range":                                                               tooBig,
		"one: is not a number\ntwo: is out of range":                                    errors.Join(fmt.Errorf("one: %w", parsed), fmt.Errorf("two: %w", tooBig)),
		"'z' is no hexadecimal digit":                                                   notHex,
		"a hexadecimal digit is missing: each byte has two":                             odd,
		"its certificate is signed by nobody who is trusted here":                       &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		"its certificate is not for example.org":                                        x509.HostnameError{Certificate: expired, Host: "example.org"},
		"its certificate is valid from 1970-01-01 00:00:00 to 1970-01-02 00:00:00 only": x509.CertificateInvalidError{Cert: expired, Reason: x509.Expired},
		"it does not speak TLS":                                                         tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		"it does not answer as a server of TLS does":                                    errors.New("tls: received unexpected handshake message of type *tls.clientHelloMsg"),
		"the other side refuses: handshake failure":                                     tls.AlertError(40),
		"server selected unsupported protocol version 300":                              errors.New("tls: server selected unsupported protocol version 300"),
	} {
		if got := spoken.Error(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
