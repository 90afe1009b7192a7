import noted
from saq import Queue

ADD, BOOM, MORE = "add", "boom", "more"
queue = Queue.from_url(noted.NOWHERE)


async def add(_, *, a, b):
    return noted.add(a, b)


async def boom(_):
    noted.boom()


async def more(_):
    noted.note("more")
    await queue.enqueue(ADD, a=1, b=1)


app = {"queue": queue, "functions": [add, boom, more]}
