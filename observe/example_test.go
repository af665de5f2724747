package observe_test

import (
	"fmt"
	"log"
	"os"

	"wirelab/observe"
)

// Two parts of a program log into files of their own, which read as one.
func ExampleOpenLogs() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	logs := observe.OpenLogs(observe.LogConfig{Dir: dir})
	logs.Component("server").Info("listening", "port", 12345)
	logs.Component("client").Info("connected", "port", 12345)
	if err := logs.Close(); err != nil {
		log.Fatal(err)
	}
	err = observe.ReadLogs(dir, observe.Filter{}, func(e observe.Entry) error {
		fmt.Println(e.Component, e.Level, e.Message, e.Attrs[0].Key, string(e.Attrs[0].Value))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// server INFO listening port 12345
	// client INFO connected port 12345
}
