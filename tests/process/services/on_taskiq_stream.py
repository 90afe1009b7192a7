import noted
from taskiq_redis import RedisStreamBroker
from taskiq_tasks import ADD, BOOM, MORE, give

__all__ = ["ADD", "BOOM", "MORE"]

app = give(RedisStreamBroker(noted.NOWHERE))
