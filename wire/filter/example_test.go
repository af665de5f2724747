package filter_test

import (
	"fmt"

	"wirelab/wire/filter"
)

// A filter for frames that begin with IP (link type 101).
func Example() {
	program, err := filter.Compile("udp dst port 9 and src net 192.0.2.0/24", filter.Options{Link: 101})
	if err != nil {
		panic(err)
	}
	frame := []byte("\x45\x00\x00\x1c\x00\x01\x00\x00\x40\x11\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x23\x9c\x40\x00\x09\x00\x08\x00\x00")
	fmt.Println(program.Match(frame, len(frame)))

	_, err = filter.Compile("udp prot 9", filter.Options{Link: 101})
	fmt.Println(err)
	// Output:
	// true
	// filter "udp prot 9": at "prot" (column 5): expected "and", "or" or the end
}
