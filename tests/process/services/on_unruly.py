import os
import threading
from pathlib import Path

import redis
from noted import note

from pytest_jobqueue import Handlers

app = Handlers()


@app.register("Exit")
def leave():
    print("before it went", flush=True)  # noqa: T201 (a line of the worker's log)
    os._exit(3)


@app.register("Hang")
def hang():
    threading.Event().wait()


@app.register("Again", bind=True)
def again(job):
    client = redis.Redis.from_url(os.environ["QUEUE"])
    client.lpush("queue:default", job.raw)


@app.register("Local")
def local():
    class LocalError(Exception):
        pass

    raise LocalError("it cannot travel")


@app.register("Once")
def once():
    path = Path(os.environ["NOTES"])
    if path.exists():
        note("second")
    else:
        note("first")
        threading.Event().wait()


@app.register("Fork")
def fork():
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.write(told, b"!")
        threading.Event().wait()
        os._exit(0)
    os.read(ready, 1)
    note(str(pid))
