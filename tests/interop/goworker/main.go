// Command goworker enqueues jobs and works them off with go-workers2, driven by tests.
//
// It tells what it does as JSON, one line an event, so that a test waits for events and never for time. It ends
// when it is told to (SIGTERM, --exit-after) and when its standard input closes, that is, with the test.
//
// What is the library's own is left to it: its producer, its manager with the default middleware, its scheduler,
// its signal handler and the handlers of its API server. Two habits of v0.10.4 show here. Run returns only when
// the scheduler has slept out its poll interval, so the interval is short. And it stops with a fetch under way: a
// job that comes in time for that is not run, and stays in the list of jobs in progress (see leave).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	workers "github.com/digitalocean/go-workers2"
	"github.com/go-redis/redis/v8"
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

// listener hears what the library logs: all of it goes to standard error, and its errors are events as well.
type listener struct{}

func (listener) Write(line []byte) (int, error) {
	if text, found := strings.CutPrefix(string(line), "ERR:"); found {
		say("error", fields{"text": strings.TrimSpace(text)})
	}
	return os.Stderr.Write(line)
}

var logger = log.New(listener{}, "", 0)

type place struct {
	address, namespace, queue string
	db                        int
}

func placed(flags *flag.FlagSet) *place {
	p := &place{}
	flags.StringVar(&p.address, "redis", "127.0.0.1:6379", "host:port of the server")
	flags.IntVar(&p.db, "db", 0, "database")
	flags.StringVar(&p.namespace, "namespace", "", "what stands before every key, without the colon")
	flags.StringVar(&p.queue, "queue", "default", "name of the queue")
	return p
}

func (p *place) options(process string) workers.Options {
	return workers.Options{
		ServerAddr: p.address, Database: p.db, Namespace: p.namespace, ProcessID: process, Logger: logger,
	}
}

func moment(seconds float64) time.Time {
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second)))
}

func enqueue(words []string) error {
	flags := flag.NewFlagSet("enqueue", flag.ExitOnError)
	where := placed(flags)
	class := flags.String("class", "Add", "class of the job")
	text := flags.String("args", "[]", "its arguments, as JSON; null for none")
	retry := flags.Bool("retry", false, "run it again if it fails")
	limit := flags.Int("retry-max", 0, "how often; zero for the default")
	in := flags.Float64("in", 0, "seconds until it is due")
	at := flags.Float64("at", 0, "when it is due, in seconds since the epoch")
	_ = flags.Parse(words)
	if !json.Valid([]byte(*text)) {
		return fmt.Errorf("--args is no JSON: %s", *text)
	}
	var args any
	if *text != "null" {
		args = json.RawMessage(*text)
	}
	producer, err := workers.NewProducer(where.options("producer"))
	if err != nil {
		return err
	}
	var jid string
	switch {
	case *retry:
		options := workers.EnqueueOptions{Retry: *retry, RetryMax: *limit, At: *at}
		jid, err = producer.EnqueueWithOptions(where.queue, *class, args, options)
	case *at != 0:
		jid, err = producer.EnqueueAt(where.queue, *class, moment(*at), args)
	case *in != 0:
		jid, err = producer.EnqueueIn(where.queue, *class, *in, args)
	default:
		jid, err = producer.Enqueue(where.queue, *class, args)
	}
	if err == nil {
		say("enqueued", fields{"jid": jid, "class": *class, "queue": where.queue})
	}
	return err
}

func about(job *workers.Msg) fields {
	return fields{"jid": job.Jid(), "class": job.Class(), "args": json.RawMessage(job.Args().ToJson())}
}

// deeds says what becomes of the jobs that are run.
type deeds struct {
	hang, fail string
	limit      int64
	stop       func()
	ended      atomic.Int64
	failures   sync.Map // by job
}

// run is what the jobs do.
func (d *deeds) run(job *workers.Msg) error {
	say("started", about(job))
	switch class := job.Class(); {
	case class == "": // a payload without one; an empty flag does not mean it
	case class == d.hang:
		<-make(chan struct{})
	case class == d.fail:
		err := errors.New("boom from Go")
		d.failures.Store(job, err)
		return err
	}
	return nil
}

// tell stands outside the library's own middleware, of which the one for retries hides a failure from it when the
// job will run again. The job is not acknowledged yet. A manager that is stopped from here does so before it ends.
func (d *deeds) tell(_ string, _ *workers.Manager, next workers.JobFunc) workers.JobFunc {
	return func(job *workers.Msg) error {
		final := next(job)
		told := about(job)
		if failure, failed := d.failures.LoadAndDelete(job); failed {
			told["error"], told["again"] = failure.(error).Error(), final == nil
			say("failed", told)
		} else {
			say("done", told)
		}
		if d.ended.Add(1) == d.limit {
			d.stop()
		}
		return final
	}
}

func exhausted(_ string, job *workers.Msg, _ error) { say("exhausted", about(job)) }

// fetching calls back at the first fetch: what a manager was left with is then handed out, and it can be stopped.
// (Told to stop before its workers run, v0.10.4 never stops.)
type fetching struct {
	once sync.Once
	call func()
}

func (f *fetching) BeforeProcess(ctx context.Context, command redis.Cmder) (context.Context, error) {
	if command.Name() == "brpoplpush" {
		f.once.Do(f.call)
	}
	return ctx, nil
}

func (*fetching) AfterProcess(context.Context, redis.Cmder) error { return nil }

func (*fetching) BeforeProcessPipeline(ctx context.Context, _ []redis.Cmder) (context.Context, error) {
	return ctx, nil
}

func (*fetching) AfterProcessPipeline(context.Context, []redis.Cmder) error { return nil }

// insist repeats a SIGTERM that came before the manager listened for it.
func insist(draining <-chan struct{}) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		for {
			select {
			case <-draining:
				return
			case <-time.After(50 * time.Millisecond):
				_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
			}
		}
	}()
}

// connections opens those of a manager, and remembers what the server calls them.
type connections struct {
	options *redis.Options
	client  *redis.Client
	lock    sync.Mutex
	ids     []int64
}

func connect(where *place, size int) *connections {
	c := &connections{}
	c.options = &redis.Options{Addr: where.address, DB: where.db, PoolSize: size}
	named := *c.options
	named.OnConnect = func(ctx context.Context, connection *redis.Conn) error {
		id, err := connection.ClientID(ctx).Result()
		c.lock.Lock()
		defer c.lock.Unlock()
		c.ids = append(c.ids, id)
		return err
	}
	c.client = redis.NewClient(&named)
	return c
}

// leave returns when the server knows that they are gone: until then it would hand the next job to the last fetch.
func (c *connections) leave() error {
	logger.SetOutput(io.Discard) // that fetch complains
	if err := c.client.Close(); err != nil {
		return err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	other := redis.NewClient(c.options)
	defer other.Close()
	for _, id := range c.ids {
		if err := other.ClientKillByFilter(context.Background(), "id", fmt.Sprint(id)).Err(); err != nil {
			return err
		}
	}
	return nil
}

// serveAPI answers as the library's API server does, on a free port of the loopback alone.
func serveAPI() (string, error) {
	workers.ConfigureAPIServer(workers.APIOptions{Logger: logger})
	mux := http.NewServeMux()
	workers.RegisterAPIEndpoints(mux)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(listener, mux) }()
	return "http://" + listener.Addr().String(), nil
}

func work(words []string) error {
	flags := flag.NewFlagSet("work", flag.ExitOnError)
	where := placed(flags)
	process := flags.String("process-id", "1", "whose in-progress list is used")
	concurrency := flags.Int("concurrency", 1, "jobs at a time")
	poll := flags.Float64("poll-interval", 0.05, "seconds between two looks at due jobs; also how long stopping takes")
	limit := flags.Int64("exit-after", 0, "jobs to run before ending; zero for no limit")
	hang := flags.String("hang-on", "", "class whose jobs never end")
	fail := flags.String("fail", "", "class whose jobs fail")
	api := flags.Bool("api", false, "serve the library's API; its address is told")
	_ = flags.Parse(words)

	options := where.options(*process)
	options.PollInterval = time.Duration(*poll * float64(time.Second))
	opened := connect(where, *concurrency+4)
	manager, err := workers.NewManagerWithRedisClient(options, opened.client)
	if err != nil {
		return err
	}
	ready := fields{"pid": os.Getpid()}
	if *api {
		if ready["api"], err = serveAPI(); err != nil {
			return err
		}
	}
	draining := make(chan struct{})
	insist(draining)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(4) // the test is gone
	}()
	manager.AddDuringDrainHooks(func() { close(draining) })
	manager.SetRetriesExhaustedHandlers(exhausted)
	opened.client.AddHook(&fetching{call: func() { say("ready", ready) }})
	does := &deeds{hang: *hang, fail: *fail, limit: *limit, stop: manager.Stop}
	manager.AddWorker(where.queue, *concurrency, does.run, workers.DefaultMiddlewares().Prepend(does.tell)...)
	manager.Run()
	say("stopped", nil)
	return opened.leave()
}

func main() {
	workers.Logger = logger
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
