module pytest-jobqueue/miniredis

go 1.23

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	github.com/digitalocean/go-workers2 v0.10.4
)

require (
	github.com/bitly/go-simplejson v0.5.0 // indirect
	github.com/cespare/xxhash/v2 v2.1.1 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
	github.com/go-redis/redis/v8 v8.4.4 // indirect
	github.com/google/uuid v1.1.4 // indirect
	github.com/yuin/gopher-lua v1.1.1 // indirect
	go.opentelemetry.io/otel v0.15.0 // indirect
)
