"""Says hello, later: a request leaves a job on a queue, and a worker leaves the greeting for another request.

`app` is the web process, `worker` is the worker process; `queue` is all that the first knows of the second.
"""
