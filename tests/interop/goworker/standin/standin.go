// Package standin speaks the wire format of go-workers2 from Go, on the go-redis client.
//
// It is not go-workers2, and shares no code with it: it was written from the recorded wire facts because the
// library itself could not be had where this project is built. So it shows that a client and a program in
// another language read what Python wrote, and the reverse; it does not show that go-workers2 does.
// It holds what goes over the wire and no policy of the tests: those are in main.go.
package standin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const defaultRetries = 25

// Queue is one Redis database, seen through one namespace.
type Queue struct {
	Client    *redis.Client
	Namespace string // as it stands before every key, colon included; may be empty
}

// Open connects to a server at host:port.
func Open(address string, db, protocol, connections int, namespace string) *Queue {
	if namespace != "" {
		namespace += ":"
	}
	client := redis.NewClient(&redis.Options{
		Addr: address, DB: db, Protocol: protocol, PoolSize: connections,
		MaxRetries: -1, // a lost answer must not run a command twice
	})
	return &Queue{Client: client, Namespace: namespace}
}

func (q *Queue) list(name string) string { return q.Namespace + "queue:" + name }

func (q *Queue) inProgress(name, process string) string {
	return q.list(name) + ":" + process + ":inprogress"
}

// The order of the fields is the order on the wire.
type payload struct {
	Queue      string          `json:"queue,omitempty"`
	Class      string          `json:"class"`
	Args       json.RawMessage `json:"args"`
	ID         string          `json:"jid"`
	EnqueuedAt float64         `json:"enqueued_at"`
	At         float64         `json:"at,omitempty"`
	RetryMax   int             `json:"retry_max,omitempty"`
	Retry      bool            `json:"retry,omitempty"`
}

// Options are what a producer may say about a job.
type Options struct {
	Retry    bool
	RetryMax int
	At       float64 // seconds since the epoch; zero or past: at once
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }

func newID() string {
	raw := make([]byte, 12)
	if _, err := rand.Read(raw); err != nil {
		panic(err)
	}
	return hex.EncodeToString(raw)
}

// Enqueue puts one job on a queue, or into the scheduled set if it is due later.
func (q *Queue) Enqueue(ctx context.Context, queue, class string, args json.RawMessage, o Options) (string, error) {
	now := seconds(time.Now())
	at := o.At
	if at == 0 {
		at = now
	}
	p := payload{queue, class, args, newID(), now, at, o.RetryMax, o.Retry}
	raw, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	if at > now {
		return p.ID, q.Client.ZAdd(ctx, q.Namespace+"schedule", redis.Z{Score: at, Member: raw}).Err()
	}
	if err := q.Client.SAdd(ctx, q.Namespace+"queues", queue).Err(); err != nil {
		return "", err
	}
	return p.ID, q.Client.LPush(ctx, q.list(queue), raw).Err()
}

// Job is one message as a worker took it; Fields is nil if it was no JSON object.
type Job struct {
	Raw    string
	Queue  string
	Fields map[string]any
}

func (j *Job) text(field string) string {
	value, _ := j.Fields[field].(string)
	return value
}

// ID, Class and Args are the payload's fields; Args may be nil.
func (j *Job) ID() string    { return j.text("jid") }
func (j *Job) Class() string { return j.text("class") }
func (j *Job) Args() any     { return j.Fields["args"] }

func decode(raw string) map[string]any {
	reader := json.NewDecoder(bytes.NewReader([]byte(raw)))
	reader.UseNumber() // integers stay what they were
	var fields map[string]any
	if err := reader.Decode(&fields); err != nil {
		return nil
	}
	return fields
}

// Fetch moves the oldest job into this process's in-progress list; nil after a second with none.
func (q *Queue) Fetch(ctx context.Context, queue, process string) (*Job, error) {
	raw, err := q.Client.BRPopLPush(ctx, q.list(queue), q.inProgress(queue, process), time.Second).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Job{raw, queue, decode(raw)}, nil
}

// LeftOver lists what an earlier process of this ID took and did not finish, newest first.
func (q *Queue) LeftOver(ctx context.Context, queue, process string) ([]*Job, error) {
	raws, err := q.Client.LRange(ctx, q.inProgress(queue, process), 0, -1).Result()
	jobs := make([]*Job, 0, len(raws))
	for _, raw := range raws {
		jobs = append(jobs, &Job{raw, queue, decode(raw)})
	}
	return jobs, err
}

// Acknowledge takes a finished job out of the in-progress list, by its very bytes.
func (q *Queue) Acknowledge(ctx context.Context, job *Job, process string) error {
	return q.Client.LRem(ctx, q.inProgress(job.Queue, process), -1, job.Raw).Err()
}

// Count adds one to a statistic (processed, failed), in all and for today.
func (q *Queue) Count(ctx context.Context, what string) error {
	key := q.Namespace + "stat:" + what
	_, err := q.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, key)
		p.Incr(ctx, key+":"+time.Now().UTC().Format("2006-01-02"))
		return nil
	})
	return err
}

func whole(value any) (int, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := number.Int64()
	return int(n), err == nil
}

// Retry records a failure in the retry set, or says that the job is not to run again.
//
// Only a `retry` of true counts, and the limit is compared before the count is raised: N allows N+1 retries.
func (q *Queue) Retry(ctx context.Context, job *Job, failure error) (bool, error) {
	if again, _ := job.Fields["retry"].(bool); !again {
		return false, nil
	}
	limit := defaultRetries
	if n, ok := whole(job.Fields["retry_max"]); ok {
		limit = n
	}
	count, retried := whole(job.Fields["retry_count"])
	if count >= limit {
		return false, nil
	}
	stamp := "failed_at"
	if retried {
		count, stamp = count+1, "retried_at"
	}
	now := time.Now()
	job.Fields["retry_count"] = count
	job.Fields["error_message"] = fmt.Sprint(failure)
	job.Fields[stamp] = now.UTC().Format("2006-01-02 15:04:05 MST")
	job.Fields["queue"] = q.Namespace + job.Queue
	raw, err := json.Marshal(job.Fields) // a map: the fields come out in alphabetical order
	if err != nil {
		return false, err
	}
	delay := int(math.Pow(float64(count), 4)) + 15 + mathrand.Intn(30)*(count+1)
	score := seconds(now) + float64(delay)
	return true, q.Client.ZAdd(ctx, q.Namespace+"goretry", redis.Z{Score: score, Member: raw}).Err()
}

// Promote puts what is due on its queue: first scheduled jobs, then retries, one by one.
func (q *Queue) Promote(ctx context.Context) error {
	for _, set := range []string{"schedule", "goretry"} {
		if err := q.promote(ctx, q.Namespace+set); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) promote(ctx context.Context, key string) error {
	for {
		now := seconds(time.Now())
		due, err := q.Client.ZRangeByScore(ctx, key, &redis.ZRangeBy{
			Min: "-inf", Max: fmt.Sprint(now), Count: 1,
		}).Result()
		if err != nil || len(due) == 0 {
			return err
		}
		if taken, err := q.Client.ZRem(ctx, key, due[0]).Result(); err != nil || taken == 0 {
			return err // another scheduler was first
		}
		fields := decode(due[0])
		if fields == nil {
			return fmt.Errorf("%s held what is no job: %q", key, due[0])
		}
		fields["enqueued_at"] = now
		raw, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		queue, _ := fields["queue"].(string)
		if err := q.Client.LPush(ctx, q.list(strings.TrimPrefix(queue, q.Namespace)), raw).Err(); err != nil {
			return err
		}
	}
}
