package nts

import (
	"bytes"
	"errors"
	"testing"

	"wirelab/clock/ntp"
)

func testRequest(t testing.TB, s *Server) []byte {
	t.Helper()
	cookie, err := s.cookie(bytes.Repeat([]byte{7}, 2*keyLen))
	if err != nil {
		t.Fatal(err)
	}
	header := ntp.Packet{Version: 4, Mode: ntp.ClientMode, Transmit: 7}
	b := ntp.AppendExtension(header.Append(nil), fieldUniqueID, make([]byte, uniqueIDLen))
	return ntp.AppendExtension(b, fieldCookie, cookie)
}

// Cookies are read for one change of the key, and no more.
func TestCookiesAge(t *testing.T) {
	s, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	keys := bytes.Repeat([]byte{7}, 2*keyLen)
	cookie, err := s.cookie(keys)
	if err != nil {
		t.Fatal(err)
	}
	for change := range 3 {
		got, err := s.open(cookie)
		if known := change < 2; known != (err == nil) || known && !bytes.Equal(got, keys) {
			t.Errorf("after %d changes: %x, %v", change, got, err)
		}
		s.made = s.made.Add(-2 * keyLife)
		s.key(0, true)
	}
	other, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.open(cookie); !errors.Is(err, ErrCookie) {
		t.Errorf("another server: %v", err)
	}
}

func FuzzServerOpen(f *testing.F) {
	s, err := NewServer()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(testRequest(f, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := s.Open(b); err == nil {
			t.Errorf("%x is authentic: %+v", b, r)
		}
		AppendNAK(nil, b)
	})
}

func FuzzSessionVerify(f *testing.F) {
	s, err := NewServer()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(testRequest(f, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		session := &Session{}
		if session.Verify(b) == nil {
			t.Errorf("%x is believed", b)
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	f.Add(appendRecord(appendNumbers(nil, critical|recordNextProtocol, 0), critical|recordEnd, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		message, err := readMessage(bytes.NewReader(b))
		if err == nil {
			refusal(message)
		}
	})
}
