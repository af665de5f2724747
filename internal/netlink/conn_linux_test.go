package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wirelab/internal/require"
	"wirelab/internal/sys"
	"wirelab/internal/sys/netns"
)

const (
	newTable = subsystemNftables<<8 | unix.NFT_MSG_NEWTABLE
	getTable = subsystemNftables<<8 | unix.NFT_MSG_GETTABLE
	newChain = subsystemNftables<<8 | unix.NFT_MSG_NEWCHAIN
)

// namespace makes a namespace and dials into it.
func namespace(t testing.TB, protocol int) (*netns.Namespace, *Conn) {
	t.Helper()
	n, err := netns.New()
	if errors.Is(err, sys.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, dial(t, n, protocol)
}

func dial(t testing.TB, n *netns.Namespace, protocol int) *Conn {
	t.Helper()
	var c *Conn
	err := n.Do(func() (err error) {
		c, err = Dial(protocol)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addTable(b *Batch, name string) {
	b.Netfilter(newTable, unix.NLM_F_CREATE, unix.NFPROTO_INET, 0)
	b.String(unix.NFTA_TABLE_NAME, name)
}

func addChain(b *Batch, table, name string) {
	b.Netfilter(newChain, unix.NLM_F_CREATE, unix.NFPROTO_INET, 0)
	b.String(unix.NFTA_CHAIN_TABLE, table)
	b.String(unix.NFTA_CHAIN_NAME, name)
}

func tables(t *testing.T, c *Conn) (names []string) {
	t.Helper()
	var e Encoder
	e.Netfilter(getTable, 0, unix.NFPROTO_UNSPEC, 0)
	all, err := c.Dump(&e, Named("list", "tables"))
	if err != nil {
		t.Fatal(err)
	}
	for m := range all.All() {
		d := m.Attributes(4)
		for d.Next() {
			if d.Kind() == unix.NFTA_TABLE_NAME {
				names = append(names, d.String())
			}
		}
	}
	return names
}

func TestCommitIsWholeOrNothing(t *testing.T) {
	require.NoLeaks(t)
	_, c := namespace(t, unix.NETLINK_NETFILTER)
	b := NewBatch()
	addTable(b, "a")
	addChain(b, "a", "one")
	if err := c.Commit(b, 0, Named("add", "table a")); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	addTable(b, "b")
	addChain(b, "missing", "two")
	addChain(b, "b", "three")
	objects := []string{"table b", "chain two", "chain three"}
	err := c.Commit(b, 0, func(i int) (string, string) { return "add", objects[i] })
	var failed *sys.OpError
	if !errors.As(err, &failed) || failed.Object != "chain two" || !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v", err)
	}
	if got := fmt.Sprint(tables(t, c)); got != "[a]" {
		t.Errorf("tables %s", got)
	}
}

func TestCommitForAnotherGenerationIsRefused(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_NETFILTER)
	generation, err := c.Generation()
	if err != nil {
		t.Fatal(err)
	}
	b := NewBatch()
	addTable(b, "a")
	if err := c.Commit(b, generation, Named("add", "table")); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	addTable(b, "b")
	if err := c.Commit(b, generation, Named("add", "table")); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	if generation, err = c.Generation(); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(b, generation, Named("add", "table")); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(tables(t, c)); got != "[a b]" {
		t.Errorf("tables %s", got)
	}
}

// A batch larger than any default buffer goes through as root, and thousands of
// refusals that the receive buffer cannot hold are one failure.
func TestHugeBatches(t *testing.T) {
	n, c := namespace(t, unix.NETLINK_NETFILTER)
	b := NewBatch()
	addTable(b, "a")
	for i := range 60000 {
		addChain(b, "a", fmt.Sprint("chain", i))
	}
	if err := c.Commit(b, 0, Named("add", "chains")); err != nil {
		t.Fatal(err)
	}
	small := dial(t, n, unix.NETLINK_NETFILTER)
	_ = small.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	b.Reset()
	for range 20000 {
		addChain(b, "missing", "x")
	}
	err := small.Commit(b, 0, Named("add", "chain"))
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, ErrAnswersLost) {
		t.Errorf("error %v", err)
	}
	if got := fmt.Sprint(tables(t, small)); got != "[a]" {
		t.Errorf("tables %s", got)
	}
}

// The kernel's answer to a batch that took effect may be lost; that is no failure.
func TestAnswersLostAfterCommit(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_NETFILTER)
	before, err := c.Generation()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, c)
	b := NewBatch()
	addTable(b, "a")
	if err := c.Commit(b, before, Named("add", "table")); err != nil {
		t.Errorf("error %v", err)
	}
	if got := fmt.Sprint(tables(t, c)); got != "[a]" {
		t.Errorf("tables %s", got)
	}
	b.Reset()
	fill(t, c)
	addChain(b, "missing", "x")
	if err := c.Commit(b, 0, Named("add", "chain")); err == nil {
		t.Error("a batch whose refusal was lost is taken for done")
	}
}

// fill makes the receive buffer as small as can be and fills it with stale answers.
func fill(t *testing.T, c *Conn) {
	t.Helper()
	_ = c.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	for range 200 {
		var e Encoder
		e.Netfilter(getGeneration, 0, unix.AF_UNSPEC, 0)
		if err := c.send(e.stamp(c.number(1), c.port, 0)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDumpSurvivesChurn(t *testing.T) {
	n, c := namespace(t, unix.NETLINK_NETFILTER)
	b := NewBatch()
	for i := range 300 {
		addTable(b, fmt.Sprint("table", i))
	}
	if err := c.Commit(b, 0, Named("add", "tables")); err != nil {
		t.Fatal(err)
	}
	other := dial(t, n, unix.NETLINK_NETFILTER)
	stop := make(chan struct{})
	var churning sync.WaitGroup
	churning.Go(func() {
		churn := NewBatch()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			churn.Reset()
			addChain(churn, "table0", fmt.Sprint("churn", i))
			if err := other.Commit(churn, 0, Named("add", "chain")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer churning.Wait()
	defer close(stop)
	for range 50 {
		if got := len(tables(t, c)); got != 300 {
			t.Errorf("%d tables", got)
		}
	}
}

func TestConsistentlyReadsAgain(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_NETFILTER)
	b := NewBatch()
	reads := 0
	generation, err := c.Consistently(func() error {
		if reads++; reads < 3 {
			addTable(b, fmt.Sprint("table", reads))
			return c.Commit(b, 0, Named("add", "table"))
		}
		return nil
	})
	if now, _ := c.Generation(); err != nil || reads != 3 || generation != now {
		t.Errorf("%d reads, generation %d, error %v", reads, generation, err)
	}
}

func TestExecuteTellsOfEach(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_ROUTE)
	lo := uint32(1)
	var e Encoder
	for i := range 600 {
		e.Message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
		e.Raw([]byte{unix.AF_INET, 32, 0, 0, byte(lo), 0, 0, 0})
		e.Bytes(unix.IFA_LOCAL, []byte{10, 64, 37, byte(i % 150)})
	}
	var failed []int
	told := 0
	if err := c.ExecuteEach(&e, func(i int, err error) bool {
		if i != told {
			t.Fatalf("message %d is told of after %d others", i, told)
		}
		told++
		if err != nil {
			failed = append(failed, i)
		}
		return true
	}, Named("add", "address")); err != nil {
		t.Fatal(err)
	}
	if len(failed) != 450 || failed[0] != 150 {
		t.Errorf("failed: %v", failed)
	}
	if err := c.Execute(&e, func(i int) (string, string) { return "add", fmt.Sprint("address ", i) }); !errors.Is(err, unix.EEXIST) || !strings.Contains(err.Error(), "address 0") {
		t.Errorf("error %v", err)
	}
}

func TestExtendedAcknowledgement(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_ROUTE)
	var e Encoder
	e.Message(unix.RTM_NEWADDR, unix.NLM_F_CREATE)
	e.Raw([]byte{unix.AF_INET, 77, 0, 0, 1, 0, 0, 0})
	e.Bytes(unix.IFA_LOCAL, []byte{10, 64, 37, 1})
	err := c.Execute(&e, Named("add", "address"))
	var failed *sys.OpError
	if !errors.As(err, &failed) || failed.Message == "" {
		t.Errorf("error %v", err)
	}
}

func TestLogReceivesPackets(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip(err)
	}
	n, c := namespace(t, unix.NETLINK_NETFILTER)
	if err := c.Log(7, 1); err != nil {
		t.Fatal(err)
	}
	if err := n.Do(func() error {
		for _, command := range []string{"ip link set lo up", "nft add table inet t", "nft add chain inet t c { type filter hook output priority 0 ; }", `nft add rule inet t c udp dport 9 log prefix "seen" group 7`} {
			if out, err := exec.Command("sh", "-c", strings.NewReplacer("{", "'{'", "}", "'}'", " ;", " ';'").Replace(command)).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", command, err, out)
			}
		}
		conn, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	all, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	for m := range all.All() {
		if p, ok, err := ParseLog(m); ok && (err != nil || p.Prefix != "seen" || len(p.Payload) != 29) {
			t.Errorf("packet %+v, %v", p, err)
		}
	}
}

func TestReceiveEnds(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_ROUTE)
	if err := c.Join(unix.RTNLGRP_LINK); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	time.AfterFunc(20*time.Millisecond, func() { c.Close() })
	if _, err := c.Receive(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// The patience with an exchange does not end a Receive that comes later.
func TestReceiveOutlastsExchanges(t *testing.T) {
	_, c := namespace(t, unix.NETLINK_NETFILTER)
	if err := c.Log(7, 1); err != nil {
		t.Fatal(err)
	}
	_ = c.file.SetReadDeadline(time.Now().Add(-time.Second)) // as if that had been long ago
	time.AfterFunc(20*time.Millisecond, func() { c.Close() })
	if _, err := c.Receive(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// Messages go in windows of so many, and of so many bytes, but never of none.
func TestWindow(t *testing.T) {
	for _, test := range []struct{ size, messages, want int }{
		{16, 3, 3}, {16, windowCount + 1, windowCount}, {windowBytes / 2, 3, 2}, {windowBytes/2 + 4, 3, 1}, {windowBytes * 2, 2, 1},
	} {
		one := make([]byte, test.size)
		binary.NativeEndian.PutUint32(one, uint32(test.size))
		length, last, count := window(bytes.Repeat(one, test.messages))
		if count != test.want || length != count*test.size || last != length-test.size {
			t.Errorf("%d messages of %d bytes: %d of %d bytes, the last at %d", test.messages, test.size, count, length, last)
		}
	}
}
