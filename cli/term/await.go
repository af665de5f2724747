package term

import "context"

// Await returns what read returns, which may wait for as long as nobody writes into a pipe
// that was given for a file. When ctx ends first, its error is returned at once, and read is
// left behind: a system call that opens a pipe cannot be called back, and ends with the
// process, as the command does.
func Await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
