module pytest-jobqueue/miniredis

go 1.23

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	pytest-jobqueue/goworker v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f // indirect
	github.com/redis/go-redis/v9 v9.17.3 // indirect
	github.com/yuin/gopher-lua v1.1.1 // indirect
)

replace pytest-jobqueue/goworker => ../../tests/interop/goworker
