// Command miniredis serves a miniredis, and drives any Redis with the load that miniredis is compared by.
//
// Both parts are run in one session of one machine, in turn, so that only their ratio is spoken of. The load is
// the stand-in of tests/interop, whose commands are those of go-workers2 in order and number; it is not that
// library. Each phase is timed from its first command to its last answer: draining from the start of the worker
// to the acknowledgement of the last job, so that no wait on an empty queue is in it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/alicebob/miniredis/v2"

	"pytest-jobqueue/goworker/standin"
)

func say(line map[string]any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(3) // nobody reads any more
	}
}

// serve answers on the port until standard input closes, that is, until the caller ends.
func serve(words []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1; zero for any")
	_ = flags.Parse(words)
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(fmt.Sprintf("127.0.0.1:%d", *port)); err != nil {
		return err
	}
	defer server.Close()
	say(map[string]any{"event": "ready", "address": server.Addr(), "pid": os.Getpid()})
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// load enqueues jobs one by one, drains them, and says how long each took.
func load(words []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	address := flags.String("redis", "127.0.0.1:6379", "host:port of the server")
	db := flags.Int("db", 0, "database")
	protocol := flags.Int("protocol", 3, "2 for RESP2, 3 for RESP3")
	jobs := flags.Int("jobs", 5000, "how many")
	concurrency := flags.Int("concurrency", 10, "jobs at a time")
	_ = flags.Parse(words)

	ctx := context.Background()
	queue := standin.Open(*address, *db, *protocol, *concurrency+4, "bench")
	defer queue.Client.Close()
	if err := queue.Client.Ping(ctx).Err(); err != nil {
		return err
	}
	start := time.Now()
	for range *jobs {
		if _, err := queue.Enqueue(ctx, "q", "Add", json.RawMessage("[2,3]"), standin.Options{}); err != nil {
			return err
		}
	}
	enqueued := time.Since(start)

	var failure error
	worker := standin.Worker{
		Queue: queue, Name: "q", Process: "1", Concurrency: *concurrency, Limit: *jobs,
		Handle: func(*standin.Job) error { return nil },
		Failed: func(err error) { failure = err },
	}
	start = time.Now()
	if err := worker.Run(ctx, nil); err != nil {
		return err
	}
	drained := time.Since(start)
	if failure != nil {
		return failure
	}
	if done, err := queue.Client.Get(ctx, "bench:stat:processed").Int(); err != nil || done != *jobs {
		return fmt.Errorf("%d of %d jobs were counted (%v)", done, *jobs, err)
	}
	say(map[string]any{
		"event": "measured", "jobs": *jobs, "concurrency": *concurrency, "cpus": runtime.NumCPU(),
		"enqueue_seconds": enqueued.Seconds(), "drain_seconds": drained.Seconds(),
	})
	return nil
}

func main() {
	commands := map[string]func([]string) error{"serve": serve, "load": load}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: miniredis serve|load [flags]; miniredis load -h lists the flags")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "miniredis:", err)
		os.Exit(1)
	}
}
