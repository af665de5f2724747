package observe

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// logHandler formats the records of one component, once for its file and once for
// the terminal, and queues them. Attributes in groups get names with dots.
type logHandler struct {
	component     string
	file          *lineQueue // nil: none
	terminal      *lineQueue // nil: none
	fileLevel     slog.Level
	terminalLevel slog.Level
	style         TextStyle
	callers       *callers

	prefix string // of the open groups: "a.b."
	json   []byte // the attributes of With, for the file
	text   []byte // and for the terminal
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.fileLevel || level >= h.terminalLevel
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	function, line := h.callers.name(r.PC)
	if r.Level >= h.fileLevel {
		h.putJSON(&r, function, line)
	}
	if r.Level >= h.terminalLevel {
		h.putText(&r, function, line)
	}
	return nil
}

func (h *logHandler) putJSON(r *slog.Record, function string, line int) {
	buf := h.file.buffer()
	head := jsonHead{time: r.Time, level: r.Level, component: h.component, function: function, line: line}
	b := head.append(*buf, r.Message)
	b = append(b, h.json...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendJSONAttr(b, h.prefix, a)
		return len(b) <= maxLine
	})
	if len(b) > maxLine {
		b = head.append(b[:0], clip(r.Message, 1024))
		b = append(b, `,"cut":true`...)
	}
	*buf = append(b, "}\n"...)
	h.file.put(buf)
}

func (h *logHandler) putText(r *slog.Record, function string, line int) {
	buf := h.terminal.buffer()
	b := h.style.appendHead(*buf, r.Time, r.Level, h.component, r.Message)
	b = append(b, h.text...)
	var contents Contents
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindAny {
			if c, is := a.Value.Any().(Contents); is {
				contents = c
				return true
			}
		}
		b = h.style.appendAttr(b, h.prefix, a)
		return len(b) <= maxLine
	})
	b = h.style.appendTail(b, function, line)
	*buf = contents.appendRows(b)
	h.terminal.put(buf)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.json, with.text = slices.Clip(h.json), slices.Clip(h.text)
	for _, a := range attrs {
		with.json = appendJSONAttr(with.json, h.prefix, a)
		with.text = h.style.appendAttr(with.text, h.prefix, a)
	}
	return &with
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

// callers remembers what the places of the program are called that logged, of which
// there are only so many: to find that out takes longer than the rest of a line.
type callers struct {
	known sync.Map // of callSite, by the PC of the call
}

type callSite struct {
	function string
	line     int
}

// name names the function that logged, with its package but without the path of
// that: "server.(*TCP).admit".
func (c *callers) name(pc uintptr) (function string, line int) {
	if pc == 0 {
		return "", 0
	}
	if site, ok := c.known.Load(pc); ok {
		site := site.(callSite)
		return site.function, site.line
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	site := callSite{frame.Function[strings.LastIndexByte(frame.Function, '/')+1:], frame.Line}
	c.known.Store(pc, site)
	return site.function, site.line
}

func clip(s string, n int) string {
	return s[:min(len(s), n)]
}
