package process

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

func TestReadProcessUsage(t *testing.T) {
	before, err := ReadUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.Resident < 1<<20 || before.Threads < 2 || before.Descriptors < 3 {
		t.Errorf("%+v", before)
	}
	// Held on to until after the second reading.
	memory := make([]byte, 32<<20)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	after, err := ReadUsage(os.Getpid())
	runtime.KeepAlive(memory)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.Resident - before.Resident; grown < 30<<20 {
		t.Errorf("32 MiB more are %d bytes more", grown)
	}
	if after.Descriptors < before.Descriptors+2 {
		t.Errorf("a pipe makes %d descriptors of %d", after.Descriptors, before.Descriptors)
	}
	if used := after.Since(before); used.CPU <= 0 || used.Resident != after.Resident {
		t.Errorf("used %+v", used)
	}
}

func TestProcessUsageOfNobody(t *testing.T) {
	const beyondPIDs = 1<<22 + 1 // PID_MAX_LIMIT
	if u, err := ReadUsage(beyondPIDs); err == nil {
		t.Errorf("%+v", u)
	}
}

func TestProcField(t *testing.T) {
	text := []byte("Name:\tVmRSS\nVmRSS:\t    1234 kB\nSeccomp:\nThreads: many\n")
	if n, ok := procField(text, "VmRSS"); n != 1234 || !ok {
		t.Error(n, ok)
	}
	for _, name := range []string{"Seccomp", "Threads", "None"} {
		if n, ok := procField(text, name); ok {
			t.Error(name, n)
		}
	}
}

// A child ends with the thread that started it, as it does with its process.
func TestOwnedChildEndsWithItsThread(t *testing.T) {
	child := exec.Command("sleep", "1000")
	child.SysProcAttr = OwnedChild()
	started := make(chan error)
	go onThreadThatEnds(func() { started <- child.Start() })
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	child.Wait()
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v", child.ProcessState)
	}
}

// onThreadThatEnds calls f on a thread that ends with the calling goroutine. The
// process's first thread is none: Go keeps it.
func onThreadThatEnds(f func()) {
	runtime.LockOSThread() // and never unlocked
	if ThreadID() != os.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		onThreadThatEnds(f) // not on this thread, which is taken
	}()
	<-done
}
