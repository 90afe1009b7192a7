import redis
import rq
from noted import NOWHERE, add, boom, note

app = rq.Queue(connection=redis.Redis.from_url(NOWHERE))
ADD, BOOM, MORE = "noted.add", "noted.boom", "on_rq.more"


def more() -> None:
    note("more")
    app.enqueue(add, 1, 1)


__all__ = ["add", "boom"]
