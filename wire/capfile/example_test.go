package capfile_test

import (
	"bytes"
	"fmt"
	"time"

	"wirelab/wire/capfile"
)

// A capture with one frame, written and read.
func Example() {
	var file bytes.Buffer
	w, err := capfile.NewWriter(&file, capfile.PcapNG, "made by hand")
	if err != nil {
		panic(err)
	}
	id, err := w.AddInterface(capfile.Interface{Name: "eth0", Link: capfile.LinkRaw})
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f := capfile.Frame{Data: []byte{0x45, 0, 0, 20}, Length: 20, Time: at.UnixNano(), Interface: id, Flags: capfile.FlagInbound}
	if err := w.WriteFrame(&f, "cut after four bytes"); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}

	r, err := capfile.NewReader(&file)
	for err == nil {
		if err = r.Next(&f); err != nil {
			break
		}
		fmt.Println(time.Unix(0, f.Time).UTC(), r.Interfaces()[f.Interface].Name, len(f.Data), "of", f.Length, "bytes")
		for comment := range f.Comments() {
			fmt.Printf("%s\n", comment)
		}
	}
	fmt.Println(err)
	// Output:
	// 2026-01-02 03:04:05.000000006 +0000 UTC eth0 4 of 20 bytes
	// cut after four bytes
	// EOF
}
