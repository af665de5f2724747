package payload_test

import (
	"fmt"
	"log"
	"time"

	"wirelab/load/payload"
)

// Whoever knows client and number of a message knows what must come back.
func Example() {
	p, err := payload.Parse("text:hello", 12) // repeated to 12 bytes
	if err != nil {
		log.Fatal(err)
	}
	now := time.Now()
	message := p.Append(nil, 1, 7, now)
	fmt.Printf("%s\n", message)

	answer := p.Expect(1, 7, now)
	answer.Feed(message[:5]) // answers come in pieces, over TCP
	_, complete := answer.Feed(message[5:])
	fmt.Println(complete, answer.OK())

	answer = p.Expect(1, 8, now)
	answer.Feed([]byte("hellohelloHE"))
	fmt.Println(answer.OK(), answer.Reason())
	// Output:
	// hellohellohe
	// true true
	// false byte 10 is 0x48, not 0x68
}
