package guard

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestPartsOnDisk(t *testing.T) {
	for _, length := range []int{0, 1, large - 1, large, 1 << 20} {
		parts := []Part{{Kind: "firewall", Snapshot: bytes.Repeat([]byte("rule"), length/4+1)[:length]}}
		text, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 100+length*4/3 || length > large && len(text) > length/10 {
			t.Errorf("%d bytes take %d on disk", length, len(text))
		}
		var read []Part
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if err := unpack(read); err != nil || read[0].Kind != "firewall" || !bytes.Equal(read[0].Snapshot, parts[0].Snapshot) {
			t.Errorf("%d bytes come back as %d of %s: %v", length, len(read[0].Snapshot), read[0].Kind, err)
		}
		if again, _ := json.Marshal(read); !bytes.Equal(again, text) {
			t.Errorf("%d bytes are written in another form again", length)
		}
	}
	cut := []Part{{Kind: "firewall", packed: []byte("no gzip"), zipped: true}}
	if unpack(cut) == nil {
		t.Error("a damaged state unpacks")
	}
}
