# frozen_string_literal: true

# What these programs tell a test: JSON on standard output, one line an event, so that a test waits for events
# and never for time. Everything else, Sidekiq's own log among it, goes to standard error.

require "json"
require "logger"
require "sidekiq"

module Events
  PRINTING = Mutex.new

  def self.say(event, **more)
    PRINTING.synchronize do
      $stdout.puts(JSON.generate({ event: event, **more }))
      $stdout.flush
    end
  end

  def self.about(payload)
    payload.slice("jid", "class", "args", "queue").transform_keys(&:to_sym)
  end
end

Sidekiq.logger = Logger.new($stderr, level: Logger::INFO)
Redis.silence_deprecations = true # of the calls inside Sidekiq
