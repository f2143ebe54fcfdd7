// A program with a known hot path: parse takes 70 % and encode 30 % of the
// time; mix is inlined into both. Ends by itself after the seconds given. With PACE
// in its environment it prints the microseconds that each piece of work took.
//
//	go build -o service .
//	go build -ldflags '-s -w' -o service-stripped .
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

var sink uint64

func mix(state uint64, i uint64) uint64 {
	for round := 0; round < 100; round++ {
		state = state*6364136223846793005 + i
	}
	return state
}

//go:noinline
func parse() {
	state := sink
	for i := uint64(0); i < 350; i++ {
		state = mix(state, i)
	}
	sink = state
}

//go:noinline
func encode() {
	state := sink
	for i := uint64(0); i < 150; i++ {
		state = mix(state, i)
	}
	sink = state
}

type handler struct{ name string }

//go:noinline
func (h *handler) serve() {
	parse()
	encode()
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	h := &handler{"payments"}
	_, pace := os.LookupEnv("PACE")
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		began := time.Now()
		for round := 0; round < 200; round++ {
			h.serve()
		}
		if pace {
			fmt.Printf("%.1f\n", float64(time.Since(began).Nanoseconds())/1000)
		}
	}
}
