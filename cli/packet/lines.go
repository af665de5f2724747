package packet

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"wirelab/packet"
)

// clockFlag is how times are shown; the zero value is the local time of day.
type clockFlag string

func (f *clockFlag) String() string {
	if *f == "" {
		return "clock"
	}
	return string(*f)
}

// Type names the flag's values in the help.
func (f *clockFlag) Type() string { return "form" }

// Set takes one of the forms.
func (f *clockFlag) Set(s string) error {
	forms := []string{"clock", "utc", "epoch", "relative", "delta"}
	if !slices.Contains(forms, s) {
		return fmt.Errorf("not one of %s", strings.Join(forms, ", "))
	}
	*f = clockFlag(s)
	return nil
}

// alone reports whether the time of a frame is shown whatever came before it.
func (f clockFlag) alone() bool { return f != "relative" && f != "delta" }

// timeWriter appends times. It formats each second once.
type timeWriter struct {
	form     clockFlag
	second   int64 // of text
	text     []byte
	first    int64
	previous int64
	started  bool
}

// append appends a time in nanoseconds since 1970.
func (w *timeWriter) append(dst []byte, ns int64) []byte {
	if !w.started {
		w.started, w.first, w.previous, w.second = true, ns, ns, math.MinInt64
	}
	switch w.form {
	case "epoch":
		return appendSeconds(dst, ns)
	case "relative":
		return appendSeconds(dst, ns-w.first)
	case "delta":
		previous := w.previous
		w.previous = ns
		return appendSeconds(dst, ns-previous)
	}
	second, fraction := ns/1e9, ns%1e9
	if fraction < 0 { // before 1970
		second, fraction = second-1, fraction+1e9
	}
	if second != w.second {
		t := time.Unix(second, 0)
		if w.form == "utc" {
			t = t.UTC()
		}
		w.second, w.text = second, t.AppendFormat(w.text[:0], "15:04:05")
	}
	return appendFraction(append(dst, w.text...), fraction)
}

func appendSeconds(dst []byte, ns int64) []byte {
	if ns < 0 {
		dst, ns = append(dst, '-'), -ns
	}
	return appendFraction(strconv.AppendInt(dst, ns/1e9, 10), ns%1e9)
}

// appendFraction appends a point and nine digits, of ns below a second.
func appendFraction(dst []byte, ns int64) []byte {
	at := len(dst)
	dst = append(dst, ".000000000"...)
	left := uint32(ns)
	for i := len(dst) - 1; left > 0 && i > at; i-- {
		dst[i] = byte('0' + left%10)
		left /= 10
	}
	return dst
}

// appendLine appends the line of a frame for people.
func (v *viewer) appendLine(dst []byte, s *scanned) []byte {
	dst = appendPadded(dst, s.number, 6)
	dst = append(dst, ' ')
	if s.frame.Timed {
		dst = v.times.append(dst, s.frame.Time)
	} else {
		dst = append(dst, "(no time)"...)
	}
	dst = append(dst, ' ')
	if len(s.interfaces) > 1 {
		dst = append(dst, s.interfaces[s.frame.Interface].Name...)
		dst = append(dst, ' ')
	}
	dst = packet.AppendSummary(dst, s.frame.Data, &s.headers)
	if s.frame.Link.Unknown() {
		dst = appendHex(append(dst, ' '), s.frame.Data)
	}
	dst = appendChecks(dst, s.checks)
	for comment := range s.frame.Comments() {
		dst = append(dst, "  # "...)
		dst = appendSafe(dst, comment)
	}
	return append(dst, '\n')
}

// appendChecks says which checksums are bad.
func appendChecks(dst []byte, checks []packet.Check) []byte {
	for i := range checks {
		c := &checks[i]
		if c.Verdict != packet.Bad {
			continue
		}
		dst = append(dst, " ["...)
		dst = append(dst, c.Layer.String()...)
		dst = append(dst, " checksum bad: "...)
		dst = appendHex4(dst, c.Found)
		dst = append(dst, ", right "...)
		dst = append(appendHex4(dst, c.Right), ']')
	}
	return dst
}

func appendPadded(dst []byte, n uint64, width int) []byte {
	at := len(dst)
	dst = strconv.AppendUint(dst, n, 10)
	if missing := width - (len(dst) - at); missing > 0 {
		dst = append(dst, "          "[:missing]...)
		copy(dst[at+missing:], dst[at:])
		copy(dst[at:], "          "[:missing])
	}
	return dst
}

// appendHex appends the beginning of a frame that nobody here can read.
func appendHex(dst, data []byte) []byte {
	const most = 32
	dst = hex.AppendEncode(dst, data[:min(len(data), most)])
	if len(data) > most {
		dst = append(dst, "…"...)
	}
	return dst
}

func appendHex4(dst []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}

// appendSafe appends text from outside, without what could drive a terminal.
func appendSafe(dst, text []byte) []byte {
	quoted := strconv.AppendQuote(nil, string(text))
	return append(dst, quoted[1:len(quoted)-1]...)
}

// appendJSON appends the line of a frame for programs.
func appendJSON(dst []byte, s *scanned) []byte {
	f := s.frame
	dst = strconv.AppendUint(append(dst, `{"frame":`...), s.number, 10)
	dst = append(dst, `,"time_ns":`...)
	if f.Timed {
		dst = strconv.AppendInt(dst, f.Time, 10)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `,"length":`...), int64(f.Length), 10)
	dst = strconv.AppendInt(append(dst, `,"captured":`...), int64(len(f.Data)), 10)
	dst = append(dst, `,"checksums":[`...)
	for i := range s.checks {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &s.checks[i]
		dst = append(append(append(dst, `{"layer":"`...), c.Layer.String()...), `","verdict":"`...)
		dst = append(append(dst, c.Verdict.String()...), `","offset":`...)
		dst = strconv.AppendInt(dst, int64(c.Offset), 10)
		dst = strconv.AppendUint(append(dst, `,"found":`...), uint64(c.Found), 10)
		dst = strconv.AppendUint(append(dst, `,"right":`...), uint64(c.Right), 10)
		dst = append(dst, '}')
	}
	_, malformed := s.headers.Malformed()
	dst = strconv.AppendBool(append(dst, `],"malformed":`...), malformed)
	dst = strconv.AppendBool(append(dst, `,"truncated":`...), s.headers.Truncated())
	return append(dst, "}\n"...)
}
