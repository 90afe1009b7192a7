import dramatiq
import noted
from dramatiq.brokers.redis import RedisBroker

app = RedisBroker(url=noted.NOWHERE)
dramatiq.set_broker(app)
ADD, BOOM, MORE = "add", "boom", "more"


@dramatiq.actor
def more():
    noted.note("more")
    add.send(1, 1)


@dramatiq.actor
def add(a, b):
    return noted.add(a, b)


@dramatiq.actor(max_retries=0)
def boom():
    noted.boom()
