package task_test

import (
	"context"
	"fmt"

	"wirelab/internal/task"
)

// The log is up before the server, and down after it.
func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	log := task.Task{Name: "log", Ready: ready, Run: func(ctx context.Context) error {
		fmt.Println("log opened")
		close(ready)
		<-ctx.Done()
		fmt.Println("log closed")
		return nil
	}}
	server := task.Task{Name: "server", Run: func(ctx context.Context) error {
		fmt.Println("serving")
		cancel() // as Ctrl-C would
		<-ctx.Done()
		fmt.Println("drained")
		return nil
	}}
	err := task.Run(ctx, task.Stage{log}, task.Stage{server})
	fmt.Println(err)
	// Output:
	// log opened
	// serving
	// drained
	// log closed
	// <nil>
}
