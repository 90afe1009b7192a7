import noted
from huey import RedisHuey

app = RedisHuey("on-huey", url=noted.NOWHERE)
ADD, BOOM, MORE = "on_huey.add", "on_huey.boom", "on_huey.more"


@app.task()
def add(a, b):
    return noted.add(a, b)


@app.task()
def boom():
    noted.boom()


@app.task()
def more():
    noted.note("more")
    add(1, 1)
