import noted
from taskiq_redis import ListQueueBroker
from taskiq_tasks import ADD, BOOM, MORE, give

__all__ = ["ADD", "BOOM", "MORE"]

app = give(ListQueueBroker(noted.NOWHERE))
