# frozen_string_literal: true

# Sidekiq's client and its API from the command line, against REDIS_URL:
#
#   client.rb enqueue '{"class":"Add","args":[2,3],"queue":"q1"}'   pushes the item, prints its jid
#   client.rb look                                                  prints all that Sidekiq's API shows
#   client.rb act retries|dead|scheduled JID retry|kill|delete|…    does to an entry what the web page would

require_relative "events"
require "sidekiq/api"

SETS = {
  "retries" => Sidekiq::RetrySet,
  "dead" => Sidekiq::DeadSet,
  "scheduled" => Sidekiq::ScheduledSet
}.freeze

def entry(record)
  {
    jid: record.jid, class: record.klass, args: record.args, queue: record.queue,
    created_at: record.created_at&.to_f, enqueued_at: record.enqueued_at&.to_f, item: record.item
  }
end

def sorted(set)
  set.map { |record| entry(record).merge(at: record.at.to_f, score: record.score, error: record.error?) }
end

def look
  stats = Sidekiq::Stats.new
  {
    queues: Sidekiq::Queue.all.to_h { |queue| [queue.name, queue.map { |record| entry(record) }] },
    **SETS.to_h { |name, set| [name.to_sym, sorted(set.new)] },
    stats: {
      processed: stats.processed, failed: stats.failed, enqueued: stats.enqueued, scheduled: stats.scheduled_size,
      retries: stats.retry_size, dead: stats.dead_size, processes: stats.processes_size, busy: stats.workers_size,
      queues: stats.queues
    },
    history: { processed: Sidekiq::Stats::History.new(1).processed, failed: Sidekiq::Stats::History.new(1).failed },
    # false: without the cleaning of stale entries, which would change what is looked at
    processes: Sidekiq::ProcessSet.new(false).map do |process|
      { identity: process.identity, queues: process["queues"], concurrency: process["concurrency"],
        hostname: process["hostname"], pid: process["pid"], busy: process["busy"], beat: process["beat"],
        started_at: process["started_at"], tag: process.tag, quiet: process["quiet"], stopping: process.stopping? }
    end,
    busy: Sidekiq::Workers.new.map do |identity, thread, work|
      { identity: identity, thread: thread, queue: work["queue"], payload: work["payload"], run_at: work["run_at"] }
    end
  }
end

def act(set, jid, deed)
  record = SETS.fetch(set).new.find_job(jid)
  abort("#{set} holds no job #{jid}") unless record
  record.public_send({ "retry" => :retry, "kill" => :kill, "delete" => :delete, "now" => :add_to_queue }.fetch(deed))
end

case ARGV.shift
when "enqueue"
  ARGV.each { |item| Events.say("enqueued", jid: Sidekiq::Client.push(JSON.parse(item))) }
when "look"
  Events.say("looked", **look)
when "act"
  act(*ARGV)
  Events.say("acted")
else
  abort("usage: client.rb enqueue ITEM… | look | act SET JID DEED")
end
