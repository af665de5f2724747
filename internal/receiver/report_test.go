package receiver

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var example = Report{
	Known: true, Sequenced: true, Packets: 1, Bytes: 64, Lost: 2, Reordered: 3, Duplicate: 4,
	First: time.Unix(0, 0x1122).UTC(), Last: time.Unix(0, 0x3344).UTC(),
	Socket: 5, Drops: 6, Arrived: 7, Evicted: 8, Longest: 64, Since: time.Unix(0, 0x5566).UTC(),
}

func TestAnswerBytes(t *testing.T) {
	const want = "d7776c74616c6c79" + "0102" + "0003" + "00000005" + "0123456789abcdef" +
		"0000000000000001" + "0000000000000040" + "0000000000000002" + "0000000000000003" + "0000000000000004" +
		"0000000000000006" + "0000000000000007" + "0000000000000008" + "0000000000001122" + "0000000000003344" +
		"00000040" + "00000000" + "0000000000005566" + "0000000000000000"
	b := bytes.Repeat([]byte{0xff}, Len)
	PutAnswer(b, 0x0123456789abcdef, &example)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("answer\n%s, want\n%s", got, want)
	}
	got, err := ParseAnswer(b, 0x0123456789abcdef)
	if diff := cmp.Diff(example, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if allocs := testing.AllocsPerRun(100, func() { PutAnswer(b, 1, &example) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestRequestBytes(t *testing.T) {
	for _, c := range []struct {
		request Request
		flags   string
	}{{Request{Nonce: 0x0123456789abcdef}, "0000"}, {Request{Nonce: 0x0123456789abcdef, Anew: true}, "0004"}} {
		b := AppendRequest([]byte("x"), c.request)[1:]
		want := "d7776c74616c6c79" + "0101" + c.flags + "00000000" + "0123456789abcdef" + strings.Repeat("00", Len-24)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("request\n%s, want\n%s", got, want)
		}
		if r, ok := ParseRequest(b); !ok || r != c.request {
			t.Errorf("%+v, %v, want %+v", r, ok, c.request)
		}
		if _, err := ParseAnswer(b, c.request.Nonce); !errors.Is(err, ErrNotAnswer) {
			t.Errorf("a request that came back is taken for an answer: %v", err)
		}
	}
}

func TestParseRejects(t *testing.T) {
	answer := make([]byte, Len)
	PutAnswer(answer, 7, &example)
	request := AppendRequest(nil, Request{Nonce: 7})
	for _, at := range []int{0, 7, versionAt, kindAt} {
		a, r := bytes.Clone(answer), bytes.Clone(request)
		a[at] ^= 0x40
		r[at] ^= 0x40
		if _, err := ParseAnswer(a, 7); err == nil {
			t.Errorf("answer with another byte %d", at)
		}
		if _, ok := ParseRequest(r); ok {
			t.Errorf("request with another byte %d", at)
		}
	}
	if _, err := ParseAnswer(answer, 8); err == nil {
		t.Error("the answer to another request")
	}
	if _, ok := ParseRequest(answer); ok {
		t.Error("an answer is taken for a request: two servers would talk for ever")
	}
	for _, b := range [][]byte{nil, answer[:Len-1], append(bytes.Clone(answer), 0)} {
		if _, err := ParseAnswer(b, 7); err == nil || Begins(b) {
			t.Errorf("%d bytes", len(b))
		}
	}
}

func TestAnswerReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(0, rapid.Int64Min(1).Draw(t, "ns")).UTC()
		})
		want := Report{
			Known: rapid.Bool().Draw(t, "known"), Sequenced: rapid.Bool().Draw(t, "sequenced"),
			Packets: number.Draw(t, "packets"), Bytes: number.Draw(t, "bytes"), Lost: number.Draw(t, "lost"),
			Reordered: number.Draw(t, "reordered"), Duplicate: number.Draw(t, "duplicate"),
			First: moment.Draw(t, "first"), Last: moment.Draw(t, "last"), Since: moment.Draw(t, "since"),
			Socket: rapid.Uint32().Draw(t, "socket"), Longest: rapid.Uint32().Draw(t, "longest"),
			Drops: number.Draw(t, "drops"), Arrived: number.Draw(t, "arrived"), Evicted: number.Draw(t, "evicted"),
		}
		nonce := number.Draw(t, "nonce")
		b := make([]byte, Len)
		PutAnswer(b, nonce, &want)
		if got, err := ParseAnswer(b, nonce); err != nil || got != want {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	b := make([]byte, Len)
	PutAnswer(b, 1, &example)
	f.Add(b, uint64(1))
	f.Add(AppendRequest(nil, Request{Nonce: 1}), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, nonce uint64) {
		c, err := ParseAnswer(b, nonce)
		if err != nil {
			return
		}
		again := make([]byte, Len)
		PutAnswer(again, nonce, &c)
		if got, err := ParseAnswer(again, nonce); err != nil || got != c {
			t.Errorf("%+v became %+v, %v", c, got, err)
		}
	})
}

func TestSequence(t *testing.T) {
	for _, tc := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"00000017/000000000042 !\"#", 42, true},
		{"99999999/999999999999 ", 999_999_999_999, true},
		{"00000000/123456789012 x", 123_456_789_012, true},
		{"00000017/000000000042", 0, false}, // cut
		{"00000017/000000000042x", 0, false},
		{"00000017-000000000042 ", 0, false},
		{"0000001a/000000000042 ", 0, false},
		{"00000017/00000000004: ", 0, false},
		{"00000017/ 00000000042 ", 0, false},
		{"00000017/0000\xb000000042 ", 0, false},
		{"", 0, false},
	} {
		if got, ok := Sequence([]byte(tc.text)); got != tc.want || ok != tc.ok {
			t.Errorf("%q: %d, %v, want %d, %v", tc.text, got, ok, tc.want, tc.ok)
		}
	}
}

// FuzzSequence compares with a reader that takes its time.
func FuzzSequence(f *testing.F) {
	f.Add([]byte("00000017/000000000042 "))
	f.Add([]byte("00000017/00000000004/ "))
	f.Fuzz(func(t *testing.T, b []byte) {
		var client, want uint64
		digits := func(b []byte) bool { return strings.Trim(string(b), "0123456789") == "" }
		wantOK := len(b) >= 22 && digits(b[:8]) && b[8] == '/' && digits(b[9:21]) && b[21] == ' '
		if wantOK {
			if _, err := fmt.Sscanf(string(b[:21]), "%d/%d", &client, &want); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := Sequence(b); ok != wantOK || got != want {
			t.Errorf("%q: %d, %v, want %d, %v", b, got, ok, want, wantOK)
		}
	})
}

func BenchmarkSequence(b *testing.B) {
	head := []byte("00000017/000000000042 ")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Sequence(head); !ok {
			b.Fatal("not read")
		}
	}
}
