"""Wire formats: bytes to values and back, with no I/O. RESP, and the payloads of Sidekiq and go-workers2."""
