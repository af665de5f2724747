package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// A Part is the state of one subject. In files a large one is packed.
type Part struct {
	Kind     string
	Snapshot []byte

	packed []byte // Snapshot as it is on disk
	zipped bool   // packed is compressed
}

// large is the length from which on snapshots are packed.
const large = 4 << 10

// partText is a Part in a file.
type partText struct {
	Kind     string `json:"kind"`
	Snapshot []byte `json:"snapshot"`
	Gzip     bool   `json:"gzip,omitempty"`
}

// MarshalJSON returns the form that files have.
func (p Part) MarshalJSON() ([]byte, error) {
	if p.packed == nil {
		p.pack()
	}
	return json.Marshal(partText{p.Kind, p.packed, p.zipped})
}

// UnmarshalJSON reads the form that files have. The Snapshot comes with unpack.
func (p *Part) UnmarshalJSON(text []byte) error {
	var t partText
	err := json.Unmarshal(text, &t)
	*p = Part{Kind: t.Kind, packed: t.Snapshot, zipped: t.Gzip}
	return err
}

// pack makes the snapshot ready for the disk.
func (p *Part) pack() {
	if p.packed = p.Snapshot; len(p.Snapshot) < large {
		return
	}
	var b bytes.Buffer
	out, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = out.Write(p.Snapshot) // a bytes.Buffer takes all
	_ = out.Close()
	p.packed, p.zipped = b.Bytes(), true
}

func packAll(parts []Part) {
	for i := range parts {
		parts[i].pack()
	}
}

// unpack fills in the snapshots of parts that were read from a file.
func unpack(parts []Part) error {
	for i := range parts {
		p := &parts[i]
		if p.Snapshot = p.packed; !p.zipped {
			continue
		}
		in, err := gzip.NewReader(bytes.NewReader(p.packed))
		if err == nil {
			p.Snapshot, err = io.ReadAll(in)
		}
		if err != nil {
			return fmt.Errorf("state of %s: %w", p.Kind, err)
		}
	}
	return nil
}
