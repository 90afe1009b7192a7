// Command goworker enqueues jobs and works them off in the wire format of go-workers2, driven by tests.
//
// It tells what it does as JSON, one line an event, so that a test waits for events and never for time. It ends
// when it is told to (SIGTERM, --exit-after) and when its standard input closes, that is, with the test.
// See package standin for what it is not.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"pytest-jobqueue/goworker/standin"
)

type fields map[string]any

var printing sync.Mutex

func say(event string, more fields) {
	line := fields{"event": event}
	for key, value := range more {
		line[key] = value
	}
	printing.Lock()
	defer printing.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(3) // nobody reads any more
	}
}

func about(job *standin.Job) fields {
	return fields{"jid": job.ID(), "class": job.Class(), "args": job.Args(), "queue": job.Queue}
}

type place struct {
	address, namespace, queue string
	db, protocol              int
}

func placed(flags *flag.FlagSet) *place {
	p := &place{}
	flags.StringVar(&p.address, "redis", "127.0.0.1:6379", "host:port of the server")
	flags.IntVar(&p.db, "db", 0, "database")
	flags.IntVar(&p.protocol, "protocol", 3, "2 for RESP2, 3 for RESP3")
	flags.StringVar(&p.namespace, "namespace", "", "what stands before every key, without the colon")
	flags.StringVar(&p.queue, "queue", "default", "name of the queue")
	return p
}

func (p *place) open(connections int) *standin.Queue {
	return standin.Open(p.address, p.db, p.protocol, connections, p.namespace)
}

func enqueue(words []string) error {
	flags := flag.NewFlagSet("enqueue", flag.ExitOnError)
	where := placed(flags)
	class := flags.String("class", "Add", "class of the job")
	args := flags.String("args", "[]", "its arguments, as JSON")
	retry := flags.Bool("retry", false, "run it again if it fails")
	limit := flags.Int("retry-max", 0, "how often; zero for the default")
	in := flags.Float64("in", 0, "seconds until it is due")
	at := flags.Float64("at", 0, "when it is due, in seconds since the epoch")
	count := flags.Int("count", 1, "how many of it")
	_ = flags.Parse(words)
	if !json.Valid([]byte(*args)) {
		return fmt.Errorf("--args is no JSON: %s", *args)
	}
	if *in != 0 {
		*at = float64(time.Now().UnixNano())/float64(time.Second) + *in
	}
	queue := where.open(2)
	defer queue.Client.Close()
	for range *count {
		options := standin.Options{Retry: *retry, RetryMax: *limit, At: *at}
		jid, err := queue.Enqueue(context.Background(), where.queue, *class, json.RawMessage(*args), options)
		if err != nil {
			return err
		}
		say("enqueued", fields{"jid": jid, "class": *class, "queue": where.queue})
	}
	return nil
}

func work(words []string) error {
	flags := flag.NewFlagSet("work", flag.ExitOnError)
	where := placed(flags)
	process := flags.String("process-id", "1", "whose in-progress list is used")
	concurrency := flags.Int("concurrency", 1, "jobs at a time")
	poll := flags.Float64("poll-interval", 0, "seconds between two looks at due jobs; zero for none")
	limit := flags.Int("exit-after", 0, "jobs to run before ending; zero for no limit")
	hang := flags.String("hang-on", "", "class whose jobs never end")
	fail := flags.String("fail", "", "class whose jobs fail")
	_ = flags.Parse(words)

	stop := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		close(stop)
	}()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(4) // the test is gone
	}()

	queue := where.open(*concurrency + 4)
	defer queue.Client.Close()
	worker := standin.Worker{
		Queue: queue, Name: where.queue, Process: *process, Concurrency: *concurrency,
		Poll: time.Duration(*poll * float64(time.Second)), Limit: *limit,
		Handle: func(job *standin.Job) error {
			say("started", about(job))
			switch job.Class() {
			case *hang:
				<-stop
				return errors.New("stopped while it hung")
			case *fail:
				return errors.New("boom from Go")
			}
			return nil
		},
		Ended: func(job *standin.Job, failure error, again bool) {
			told := about(job)
			if failure == nil {
				say("done", told)
				return
			}
			told["error"], told["again"] = failure.Error(), again
			say("failed", told)
		},
		Failed: func(err error) {
			var poison *standin.PoisonError
			if errors.As(err, &poison) {
				say("poison", fields{"raw": poison.Raw})
				return
			}
			say("error", fields{"error": err.Error()})
		},
	}
	if err := queue.Client.Ping(context.Background()).Err(); err != nil {
		return err
	}
	say("ready", fields{"pid": os.Getpid(), "process_id": *process, "queue": where.queue})
	if err := worker.Run(context.Background(), stop); err != nil {
		return err
	}
	say("stopped", nil)
	return nil
}

func main() {
	commands := map[string]func([]string) error{"enqueue": enqueue, "work": work}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: goworker enqueue|work [flags]; goworker work -h lists the flags")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "goworker:", err)
		os.Exit(1)
	}
}
