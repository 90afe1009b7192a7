import noted
from streaq import Worker

app = Worker(redis_url=noted.NOWHERE)
ADD, BOOM, MORE = "add", "boom", "more"


@app.task(name=ADD)
async def add(a, b):
    return noted.add(a, b)


@app.task(name=BOOM)
async def boom():
    noted.boom()


@app.task(name=MORE)
async def more():
    noted.note("more")
    await add.enqueue(1, 1)
