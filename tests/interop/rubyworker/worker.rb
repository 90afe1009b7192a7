# frozen_string_literal: true

# The application file of a Sidekiq process: `REDIS_URL=… sidekiq -r ./worker.rb -q q1 -c 1`.
#
# Fetching, running, retrying, scheduling and stopping are Sidekiq's own; this file has three job classes, tells
# what happens, and ends the process with the test (when standard input closes). JOBQUEUE_EXIT_AFTER=N stops it,
# as SIGTERM would, once N jobs have ended.

require_relative "events"
require "sidekiq/scheduled"

class Add
  include Sidekiq::Worker

  def perform(*numbers)
    numbers.sum
  end
end

class Boom
  include Sidekiq::Worker

  def perform(*)
    raise ArgumentError, "boom from Ruby"
  end
end

class Hang
  include Sidekiq::Worker

  def perform(*)
    Thread.stop
  end
end

# Sidekiq makes a middleware anew for each job, so the count lives here.
module Countdown
  COUNTING = Mutex.new
  @left = Integer(ENV.fetch("JOBQUEUE_EXIT_AFTER", "0"))

  def self.ended
    COUNTING.synchronize do
      @left -= 1
      Process.kill("TERM", Process.pid) if @left.zero?
    end
  end
end

class Telling
  def call(_worker, payload, _queue)
    told = Events.about(payload)
    Events.say("started", **told)
    yield
    Events.say("done", **told)
  rescue StandardError => e
    Events.say("failed", error: e.message, **told)
    raise
  ensure
    Countdown.ended
  end
end

Sidekiq.configure_server do |config|
  # A short interval of our own also leaves out the ten seconds that the scheduler else waits at first.
  config.options[:poll_interval_average] = 0.2
  config.server_middleware { |chain| chain.add(Telling) }
  config.on(:startup) do
    # The scheduler's first look comes after up to five seconds, by chance; this is the same look, now.
    Sidekiq::Scheduled::Enq.new.enqueue_jobs
    Events.say("ready", pid: Process.pid, identity: config.options[:identity])
  end
  config.on(:shutdown) { Events.say("stopping") }
end

Thread.new do
  $stdin.read
  exit!(4) # the test is gone
end
