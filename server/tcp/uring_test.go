package tcp

import "testing"

func TestFreeBuffersAreBounded(t *testing.T) {
	var f freeBuffers
	for _, size := range []int{0, maxFreeBuffer + 1} {
		if f.put(make([]byte, size)); len(f.buffers) != 0 {
			t.Errorf("a buffer of %d bytes was kept", size)
		}
	}
	for range 2 * maxFreeBuffers / maxFreeBuffer {
		f.put(make([]byte, 10, maxFreeBuffer))
	}
	if f.size != maxFreeBuffers || len(f.buffers) != maxFreeBuffers/maxFreeBuffer {
		t.Errorf("%d buffers of %d bytes were kept", len(f.buffers), f.size)
	}
	for range len(f.buffers) {
		if b := f.get(); len(b) != 0 || cap(b) != maxFreeBuffer {
			t.Errorf("got %d of %d bytes", len(b), cap(b))
		}
	}
	if b := f.get(); f.size != 0 || len(b) != 0 || cap(b) != newBuffer {
		t.Errorf("then %d of %d bytes; %d left", len(b), cap(b), f.size)
	}
}
