// A program that serves net/http/pprof, with known shares of what pprof can tell:
// parse takes 70 % and encode 30 % of the CPU time; keep allocates four times as many
// bytes as drop; two goroutines fight for a lock. Prints its port, and ends by
// itself after the seconds given.
//
//	go build -o service .
//
// Other ways to start it: `service SECONDS no-server` listens on nothing.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

var sink uint64
var kept [][]byte
var lock sync.Mutex

//go:noinline
func mix(rounds uint64) {
	state := sink
	for i := uint64(0); i < rounds; i++ {
		state = state*6364136223846793005 + i
	}
	sink = state
}

//go:noinline
func parse() { mix(140_000) }

//go:noinline
func encode() { mix(60_000) }

//go:noinline
func keep() { kept = append(kept, make([]byte, 16<<10)) }

//go:noinline
func drop() { kept = append(kept, make([]byte, 4<<10)) }

//go:noinline
func fight() {
	for {
		lock.Lock()
		time.Sleep(time.Millisecond)
		lock.Unlock()
	}
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	if len(os.Args) < 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		go http.Serve(listener, nil)
	}
	go fight()
	go fight()
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		parse()
		encode()
		keep()
		drop()
		if len(kept) > 4000 {
			kept = nil
		}
	}
}
