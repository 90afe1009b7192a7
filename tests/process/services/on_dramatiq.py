import dramatiq
import noted
from dramatiq.brokers.redis import RedisBroker

app = RedisBroker(url=noted.NOWHERE)
dramatiq.set_broker(app)
ADD, BOOM, MORE = "add", "boom", "more"
add = dramatiq.actor(noted.add)
boom = dramatiq.actor(max_retries=0)(noted.boom)


@dramatiq.actor
def more():
    noted.note("more")
    add.send(1, 1)
