package session

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// FirstConnection returns the established TCP connection with the lowest
// descriptor of a process: of an SSH server's session that is the login itself,
// and what it forwards comes later.
func FirstConnection(pid int) (Connection, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	established := make(map[string]Connection)
	for _, table := range []string{"/net/tcp", "/net/tcp6"} {
		f, err := os.Open(dir + table)
		if err != nil {
			continue
		}
		readConnections(f, established)
		f.Close()
	}
	for _, inode := range socketInodes(dir) {
		if c, ok := established[inode]; ok {
			return c, true
		}
	}
	return Connection{}, false
}

// socketInodes returns the inode numbers of a process's sockets in the order of
// their descriptors.
func socketInodes(dir string) []string {
	entries, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return nil
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var inodes []string
	for _, n := range numbers {
		target, err := os.Readlink(dir + "/fd/" + strconv.Itoa(n))
		if inode, ok := strings.CutPrefix(target, "socket:["); ok && err == nil {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// readConnections adds the established connections of a table such as
// /proc/net/tcp (proc_pid_net(5)), by inode.
func readConnections(table io.Reader, established map[string]Connection) {
	const local, peer, state, inode, stateEstablished = 1, 2, 3, 9, "01"
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != stateEstablished {
			continue
		}
		from, ok1 := parseEndpoint(fields[local])
		to, ok2 := parseEndpoint(fields[peer])
		if ok1 && ok2 {
			established[fields[inode]] = Connection{Local: from, Peer: to}
		}
	}
}

// parseEndpoint reads "0100007F:0016": an address as 32-bit words in the order of
// the machine's bytes, and a port.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	digits, port, found := strings.Cut(text, ":")
	raw, err := hex.DecodeString(digits)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if !found || err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), true
}
