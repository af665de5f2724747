// Package filter compiles capture filters in the language of tcpdump
// (pcap-filter(7)) to classic BPF, and runs them.
//
//	program, err := filter.Compile("tcp port 80 and not host 192.0.2.1", filter.Options{Link: 1})
//	if program.Match(frame, len(frame)) { … }
//
// A [Program] is the machine code that Linux takes with SO_ATTACH_FILTER. Match
// runs the same code here, without allocating, for frames that come from a file.
//
// The language is that of tcpdump but for what needs more than the frame: names of
// hosts are not looked up, and "gateway", "protochain", "geneve", "llc" and the words for
// wireless and ATM frames are unknown. As in tcpdump "and" and "or" bind equally
// tight, and a load beyond the end of a frame rejects the frame. In frames with a
// 4-byte family in front (null, loop) IPv6 is recognised by the number of every system.
package filter

import "fmt"

// Options say what kind of frames a filter is for.
type Options struct {
	// Link is the link type of the frames, a number of the LINKTYPE_ registry.
	Link uint16
	// Live compiles for the kernel, which takes VLAN tags out of frames and
	// knows in which direction they go. Such a program does not run in Match.
	Live bool
}

// Error is what is wrong with a filter, and where in its text.
type Error struct {
	Text    string
	Offset  int // in Text, in bytes
	Width   int
	Message string
}

func (e *Error) Error() string {
	if e.Width == 0 {
		return fmt.Sprintf("filter %q: at the end: %s", e.Text, e.Message)
	}
	return fmt.Sprintf("filter %q: at %q (column %d): %s", e.Text, e.Text[e.Offset:e.Offset+e.Width], e.Offset+1, e.Message)
}

// maxInstructions is what Linux accepts (BPF_MAXINSNS).
const maxInstructions = 4096

// Compile compiles a filter. The empty text matches every frame. It returns an
// *Error if the text is wrong or does not go with the link type.
func Compile(text string, options Options) (Program, error) {
	if len(text) > 1<<16 {
		return nil, &Error{"…", 0, 0, "longer than 64 KiB"}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	return generate(text, root, p.tagged, options)
}
