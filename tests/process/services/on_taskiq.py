import noted
from taskiq_redis import ListQueueBroker

app = ListQueueBroker(noted.NOWHERE)
ADD, BOOM, MORE = "add", "boom", "more"


@app.task(task_name=MORE)
async def more():
    noted.note("more")
    await add.kiq(1, 1)


@app.task(task_name=ADD)
def add(a, b):
    return noted.add(a, b)


@app.task(task_name=BOOM)
def boom():
    noted.boom()
