package observe

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonTime is the layout of times in log files: UTC, to the microsecond.
const jsonTime = "2006-01-02T15:04:05.000000Z"

// jsonHead is what every line of a log file begins with, in this order.
type jsonHead struct {
	time      time.Time
	level     slog.Level
	component string
	function  string
	line      int
}

func (h *jsonHead) append(b []byte, msg string) []byte {
	b = append(b, `{"time":"`...)
	b = h.time.UTC().AppendFormat(b, jsonTime)
	b = append(b, `","level":"`...)
	b = append(b, levelName(h.level)...)
	b = append(b, `","component":`...)
	b = appendJSONString(b, h.component)
	if h.function != "" {
		b = append(b, `,"function":`...)
		b = appendJSONString(b, h.function)
		b = append(b, `,"line":`...)
		b = strconv.AppendInt(b, int64(h.line), 10)
	}
	b = append(b, `,"msg":`...)
	return appendJSONString(b, clip(msg, maxLine))
}

// levelName rounds down to one of the four names that a file may hold.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

func appendJSONAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendJSONAttr(b, prefix, member)
		}
		return b
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return b // slog: an empty Attr is ignored
	}
	b = append(b, ',')
	b = appendJSONString(b, attrKey(prefix+a.Key))
	b = append(b, ':')
	return appendJSONValue(b, v)
}

// attrKey keeps an attribute from passing for a part of the head.
func attrKey(key string) string {
	switch key {
	case "time", "level", "component", "function", "line", "msg", "cut":
		return "attr." + key
	}
	return key
}

func appendJSONValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
	case slog.KindAny:
		if raw, ok := marshal(v.Any()); ok {
			return append(b, raw...)
		}
	}
	return appendJSONString(b, clip(valueString(v), maxLine))
}

// marshal encodes what has a shape of its own. What describes itself as text
// is better told so.
func marshal(v any) (raw []byte, ok bool) {
	switch v.(type) {
	case error, fmt.Stringer, encoding.TextMarshaler, []byte:
		return nil, false
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	raw, err := json.Marshal(v)
	return raw, err == nil && isPrintable(raw)
}

func isPrintable(text []byte) bool {
	return bytes.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
}

// valueString is the text of any value.
func valueString(v slog.Value) (s string) {
	defer func() {
		// A nil pointer with a String method, most likely.
		if p := recover(); p != nil {
			s = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	switch v.Kind() {
	case slog.KindString:
		return v.String()
	case slog.KindTime:
		return v.Time().UTC().Format(jsonTime)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return x.Error()
		case fmt.Stringer:
			return x.String()
		case encoding.TextMarshaler:
			text, err := x.MarshalText()
			if err != nil {
				return "!ERROR: " + err.Error()
			}
			return string(text)
		case []byte:
			return string(x)
		}
	}
	return v.String()
}

const hexDigits = "0123456789abcdef"

// appendJSONString quotes s. It escapes whatever is not printable, more than JSON
// asks for, so that a log file shown raw cannot steer a terminal. Bytes that are not
// UTF-8 become U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = appendJSONASCII(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, !strconv.IsPrint(r):
			b = appendUnicodeEscape(b, r)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}

func appendJSONASCII(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\r':
		return append(b, `\r`...)
	case c == '\t':
		return append(b, `\t`...)
	case c < ' ' || c == 0x7f:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(b, c)
}

func appendUnicodeEscape(b []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		b = appendUnicodeEscape(b, 0xd800+r>>10)
		return appendUnicodeEscape(b, 0xdc00+r&0x3ff)
	}
	return append(b, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// levelOf is the inverse of levelName.
func levelOf(name string) (slog.Level, bool) {
	switch name {
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	}
	return 0, false
}
