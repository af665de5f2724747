package packet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wirelab/internal/require"
)

// What programs print of a frame is that frame, text beside the bytes and lines between
// them notwithstanding.
func TestDumps(t *testing.T) {
	described := "ip proto=253 dst=192.0.2.35 / hex " + hex.EncodeToString([]byte("=abcd dead beef ff 00  0000 1234\xff"))
	frame, _ := hex.DecodeString(strings.TrimSpace(printed(t, "build "+described)))
	dir := t.TempDir()
	name := filepath.Join(dir, "frame")
	capture := filepath.Join(dir, "frame.pcap")
	if err := os.WriteFile(name, frame, 0o600); err != nil {
		t.Fatal(err)
	}
	printed(t, "build "+described+" -w "+capture)
	for _, command := range []string{
		"xxd", "xxd -p", "xxd -u", "xxd -g1", "xxd -c8", "hexdump -C", "hexdump -vC", "od -Ax -tx1", "od -Ax -tx1z", "od -tx1",
		"tcpdump -t -n -x -r " + capture, "tcpdump -n -X -r " + capture, "tshark -x -r " + capture,
	} {
		words := strings.Fields(command)
		if !strings.Contains(command, capture) {
			words = append(words, name)
		}
		text, err := exec.Command(require.Program(t, words[0]), words[1:]...).Output()
		if err != nil {
			t.Fatal(command, err)
		}
		frames, err := parseDump(string(text))
		if err != nil || len(frames) != 1 || !bytes.Equal(frames[0], frame) {
			t.Errorf("%s: %x, %v, from\n%s", command, frames, err, text)
		}
	}
}

func TestPlainHexadecimal(t *testing.T) {
	for _, text := range []string{"4500001c", "45 00 00 1c", "45:00:00:1c", "0x45, 0x00, 0x00, 0x1c", `\x45\x00\x00\x1c`, "4500\n001C\n", "\t4500 001c\r\n", "45 00 00\n1c", "00000000: 4500 001c  E..."} {
		frames, err := parseDump(text)
		if err != nil || fmt.Sprintf("%x", frames) != "[4500001c]" {
			t.Errorf("%q: %x, %v", text, frames, err)
		}
	}
	two, err := parseDump("first\n0000  01 02\n0002\n\nsecond\n\t0x0000:  0304 05  ...\n")
	if err != nil || fmt.Sprintf("%x", two) != "[0102 030405]" {
		t.Errorf("%x, %v", two, err)
	}
	for _, text := range []string{"", "4", "hello", "00000000  01 02 03 04\n*\n00000020  05\n"} {
		if frames, err := parseDump(text); err == nil {
			t.Errorf("%q: %x", text, frames)
		}
	}
}

func FuzzParseDump(f *testing.F) {
	f.Add("0000  45 00 00 1c  E...\n0004  00\n")
	f.Add("\t0x0000:  4500 001c\n\t0x0004:  00\n")
	f.Add("45:00 0x1c")
	f.Fuzz(func(t *testing.T, text string) {
		frames, err := parseDump(text)
		if (err == nil) != (len(frames) > 0) {
			t.Errorf("%q: %x, %v", text, frames, err)
		}
	})
}
