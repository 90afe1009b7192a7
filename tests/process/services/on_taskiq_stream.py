import noted
from taskiq_redis import RedisStreamBroker

app = RedisStreamBroker(noted.NOWHERE)
ADD, BOOM, MORE = "add", "boom", "more"
add = app.task(task_name=ADD)(noted.add)
boom = app.task(task_name=BOOM)(noted.boom)


@app.task(task_name=MORE)
async def more():
    noted.note("more")
    await add.kiq(1, 1)
