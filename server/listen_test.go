package server_test

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"wirelab/server"
)

// bindAll returns what BindNext does where so many ports are busy, the first included.
func bindAll(addr string, auto bool, busy int) (tried []netip.AddrPort, err error) {
	err = server.BindNext("tcp", netip.MustParseAddrPort(addr), auto, func(a netip.AddrPort) error {
		if tried = append(tried, a); len(tried) <= busy {
			return os.NewSyscallError("bind", syscall.EADDRINUSE)
		}
		return nil
	})
	return tried, err
}

func TestBindNext(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, tt := range []struct {
		addr  string
		auto  bool
		busy  int
		tried []netip.AddrPort
		ok    bool
	}{
		{"127.0.0.1:9", false, 0, []netip.AddrPort{at("127.0.0.1:9")}, true},
		{"127.0.0.1:9", false, 1, []netip.AddrPort{at("127.0.0.1:9")}, false},
		{"127.0.0.1:9", true, 2, []netip.AddrPort{at("127.0.0.1:9"), at("127.0.0.1:10"), at("127.0.0.1:11")}, true},
		{"[::1]:65534", true, 9, []netip.AddrPort{at("[::1]:65534"), at("[::1]:65535")}, false},
		{"[::1]:65535", true, 9, []netip.AddrPort{at("[::1]:65535")}, false},
	} {
		tried, err := bindAll(tt.addr, tt.auto, tt.busy)
		if !slices.Equal(tried, tt.tried) || (err == nil) != tt.ok {
			t.Errorf("%s, auto %v, %d busy: tried %v, %v", tt.addr, tt.auto, tt.busy, tried, err)
		}
		var busy *server.PortBusyError
		if !tt.ok && (!errors.As(err, &busy) || busy.Addr != at(tt.addr) || !errors.Is(err, syscall.EADDRINUSE)) {
			t.Errorf("%s: %v", tt.addr, err)
		}
	}
	if tried, _ := bindAll("127.0.0.1:1000", true, 1<<16); len(tried) != 1001 {
		t.Errorf("%d ports were tried", len(tried))
	}
}

func TestBindNextGivesUpOnOtherErrors(t *testing.T) {
	calls := 0
	err := server.BindNext("udp", netip.MustParseAddrPort("127.0.0.1:9"), true, func(netip.AddrPort) error {
		if calls++; calls == 1 {
			return syscall.EADDRINUSE
		}
		return syscall.EACCES
	})
	if calls != 2 || !errors.Is(err, syscall.EACCES) {
		t.Errorf("%d tries, %v", calls, err)
	}
}

func TestGeneratedCertificateIsForItsNames(t *testing.T) {
	cfg, err := server.GenerateTLS("lab.example", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lab.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := leaf.VerifyHostname("other.example"); err == nil {
		t.Error("it is for any name")
	}
}
