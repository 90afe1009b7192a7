// Command miniredis serves a miniredis, and drives any Redis with the load that miniredis is compared by.
//
// Both parts are run in one session of one machine, in turn, so that only their ratio is spoken of. The load is
// go-workers2: its producer puts the jobs on a queue, one by one, and a manager of it works them off, with its
// default middleware and its log thrown away. Draining is timed from the start of the manager to the end of the
// last job, so that no wait on an empty queue is in it, and no wait for the manager to stop.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	workers "github.com/digitalocean/go-workers2"
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

// drain works the queue off, and says how long that took.
func drain(options workers.Options, jobs int64, concurrency int, patience time.Duration) (time.Duration, error) {
	manager, err := workers.NewManager(options)
	if err != nil {
		return 0, err
	}
	var handled atomic.Int64
	last := make(chan time.Time, 1)
	// Outermost, so that a job has ended and was counted; what is left is its acknowledgement.
	ended := func(_ string, _ *workers.Manager, next workers.JobFunc) workers.JobFunc {
		return func(job *workers.Msg) error {
			err := next(job)
			if handled.Add(1) == jobs {
				last <- time.Now()
			}
			return err
		}
	}
	nothing := func(*workers.Msg) error { return nil }
	manager.AddWorker("q", concurrency, nothing, workers.DefaultMiddlewares().Prepend(ended)...)
	stopped := make(chan struct{})
	start := time.Now()
	go func() {
		manager.Run()
		close(stopped)
	}()
	select {
	case end := <-last:
		manager.Stop()
		<-stopped
		return end.Sub(start), check(manager, jobs)
	case <-time.After(patience):
		return 0, fmt.Errorf("%d of %d jobs were handled in %s", handled.Load(), jobs, patience)
	}
}

// check finds every job counted once and none left over.
func check(manager *workers.Manager, jobs int64) error {
	stats, err := manager.GetStats()
	if err != nil {
		return err
	}
	if stats.Processed != jobs || stats.Failed != 0 || stats.Enqueued["bench:q"] != 0 {
		return fmt.Errorf("of %d jobs, %d were counted, %d failed and %d wait",
			jobs, stats.Processed, stats.Failed, stats.Enqueued["bench:q"])
	}
	left, err := manager.GetRedisClient().LLen(context.Background(), "bench:queue:q:1:inprogress").Result()
	if err == nil && left != 0 {
		err = fmt.Errorf("%d jobs were not acknowledged", left)
	}
	return err
}

// load enqueues jobs, drains them, and says how long each took.
func load(words []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	address := flags.String("redis", "127.0.0.1:6379", "host:port of the server")
	db := flags.Int("db", 0, "database")
	jobs := flags.Int64("jobs", 5000, "how many")
	concurrency := flags.Int("concurrency", 10, "jobs at a time")
	patience := flags.Duration("patience", 5*time.Minute, "how long draining may take")
	_ = flags.Parse(words)

	options := workers.Options{
		ServerAddr: *address, Database: *db, Namespace: "bench", ProcessID: "1", PoolSize: *concurrency + 4,
		PollInterval: 100 * time.Millisecond, // also how long stopping takes
		Logger:       log.New(io.Discard, "", 0),
	}
	producer, err := workers.NewProducer(options)
	if err != nil {
		return err
	}
	start := time.Now()
	for range *jobs {
		if _, err := producer.Enqueue("q", "Add", []int{2, 3}); err != nil {
			return err
		}
	}
	enqueued := time.Since(start)
	drained, err := drain(options, *jobs, *concurrency, *patience)
	if err != nil {
		return err
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
