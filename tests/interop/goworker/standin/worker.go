package standin

import (
	"context"
	"sync"
	"time"
)

// Worker runs the jobs of one queue: one fetcher, several handlers at a time, one acknowledger.
//
// The division is that of go-workers2, so that the commands reach the server in a like order and number.
type Worker struct {
	*Queue
	Name        string // of the queue
	Process     string
	Concurrency int
	Poll        time.Duration // of the scheduler; zero for none
	Limit       int           // jobs to take before stopping; zero for no limit
	Handle      func(*Job) error
	Ended       func(job *Job, failure error, again bool) // after the job was acknowledged; may be nil
	Failed      func(error)                               // what went wrong with the server or a payload
}

type ending struct {
	job     *Job
	failure error
	again   bool
}

// Run works until stop is closed or the limit is reached, and finishes what it has begun.
func (w *Worker) Run(ctx context.Context, stop <-chan struct{}) error {
	left, err := w.LeftOver(ctx, w.Name, w.Process)
	if err != nil {
		return err
	}
	jobs, endings := make(chan *Job), make(chan ending)
	done := make(chan struct{})
	defer close(done)
	if w.Poll > 0 {
		go w.schedule(ctx, done)
	}
	var handlers, acknowledger sync.WaitGroup
	for range w.Concurrency {
		handlers.Add(1)
		go func() {
			defer handlers.Done()
			for job := range jobs {
				endings <- w.run(ctx, job)
			}
		}()
	}
	acknowledger.Add(1)
	go func() {
		defer acknowledger.Done()
		for end := range endings {
			w.report(w.Acknowledge(ctx, end.job, w.Process))
			if w.Ended != nil {
				w.Ended(end.job, end.failure, end.again)
			}
		}
	}()
	w.fetch(ctx, left, jobs, stop)
	close(jobs)
	handlers.Wait()
	close(endings)
	acknowledger.Wait()
	return nil
}

func (w *Worker) fetch(ctx context.Context, left []*Job, jobs chan<- *Job, stop <-chan struct{}) {
	for taken := 0; w.Limit == 0 || taken < w.Limit; {
		select {
		case <-stop:
			return
		default:
		}
		var job *Job
		if len(left) > 0 {
			job, left = left[0], left[1:]
		} else {
			var err error
			if job, err = w.Fetch(ctx, w.Name, w.Process); err != nil {
				w.report(err)
				select {
				case <-stop:
				case <-time.After(time.Second): // the server is gone: ask again, but not in a tight loop
				}
			}
		}
		if job == nil {
			continue
		}
		taken++
		if job.Fields == nil {
			w.Failed(&PoisonError{job.Raw}) // stays in progress for ever, as it does with go-workers2
			continue
		}
		jobs <- job
	}
}

func (w *Worker) run(ctx context.Context, job *Job) ending {
	failure := w.Handle(job)
	if failure == nil {
		w.report(w.Count(ctx, "processed"))
		return ending{job: job}
	}
	again, err := w.Retry(ctx, job, failure)
	w.report(err)
	w.report(w.Count(ctx, "failed"))
	return ending{job, failure, again}
}

func (w *Worker) schedule(ctx context.Context, done <-chan struct{}) {
	for {
		w.report(w.Promote(ctx))
		select {
		case <-done:
			return
		case <-time.After(w.Poll):
		}
	}
}

func (w *Worker) report(err error) {
	if err != nil {
		w.Failed(err)
	}
}

// PoisonError is about bytes on a queue that are no job.
type PoisonError struct{ Raw string }

func (e *PoisonError) Error() string { return "not a job: " + e.Raw }
