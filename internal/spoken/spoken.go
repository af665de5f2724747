// Package spoken says what errors of Go's standard library mean, in the words of whoever
// uses a program and not of whoever writes one.
package spoken

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
	"strings"
	"time"
)

// Error returns what err says, with other words for what it wraps of packages net, tls,
// x509, json, hex and strconv. Everything else stays as it is. It returns "" for nil.
func Error(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	replace(&text, err)
	return text
}

// replace puts into text, which quotes err, other words for all that err wraps.
func replace(text *string, err error) {
	if said, ok := words(err); ok {
		*text = strings.Replace(*text, err.Error(), said, 1)
		return
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			replace(text, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			replace(text, inner)
		}
	}
}

// words returns what an error of a known kind says.
func words(err error) (said string, ok bool) {
	switch e := err.(type) {
	case *net.OpError:
		return ofOperation(e), true
	case *os.SyscallError:
		return e.Err.Error(), true
	case *net.DNSError:
		return ofName(e), true
	case *json.SyntaxError:
		if strings.HasPrefix(e.Error(), "unexpected end") {
			return "the JSON ends too early", true
		}
		return fmt.Sprintf("no JSON from byte %d on", e.Offset), true
	case *json.UnmarshalTypeError:
		if e.Field == "" {
			return "the JSON is of another kind: " + e.Value, true
		}
		return fmt.Sprintf("%q is of another kind than %s", e.Field, e.Value), true
	case *strconv.NumError:
		if errors.Is(e, strconv.ErrRange) {
			return "is out of range", true
		}
		return "is not a number", true
	case hex.InvalidByteError:
		return fmt.Sprintf("%q is no hexadecimal digit", rune(e)), true
	}
	if err == hex.ErrLength {
		return "a hexadecimal digit is missing: each byte has two", true
	}
	return ofTLS(err)
}

// ofOperation leaves out which of Go's functions failed.
func ofOperation(e *net.OpError) string {
	cause := Error(e.Err)
	switch {
	case e.Addr == nil:
		return cause
	case e.Op == "dial":
		return fmt.Sprintf("connect to %v: %s", e.Addr, cause)
	case e.Op == "listen":
		return fmt.Sprintf("listen on %v: %s", e.Addr, cause)
	}
	return fmt.Sprintf("%v: %s", e.Addr, cause)
}

func ofName(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "there is no host " + e.Name
	case e.IsTimeout:
		return "no name server says in time which address " + e.Name + " has"
	}
	return "the address of " + e.Name + " cannot be found out: " + e.Err
}

func ofTLS(err error) (said string, ok bool) {
	switch e := err.(type) {
	case *tls.CertificateVerificationError:
		return Error(e.Err), true
	case x509.UnknownAuthorityError:
		return "its certificate is signed by nobody who is trusted here", true
	case x509.HostnameError:
		return "its certificate is not for " + e.Host, true
	case x509.CertificateInvalidError:
		if e.Reason == x509.Expired && e.Cert != nil {
			return fmt.Sprintf("its certificate is valid from %s to %s only", e.Cert.NotBefore.UTC().Format(time.DateTime), e.Cert.NotAfter.UTC().Format(time.DateTime)), true
		}
	case tls.RecordHeaderError:
		return "it does not speak TLS", true
	case tls.AlertError:
		return "the other side refuses: " + strings.TrimPrefix(e.Error(), "tls: "), true
	}
	text, ofGo := strings.CutPrefix(err.Error(), "tls: ")
	switch {
	case !ofGo:
		return "", false
	case strings.Contains(text, "unexpected handshake message"):
		return "it does not answer as a server of TLS does", true
	}
	return text, true
}
