import noted
from celery import Celery

app = Celery("on_celery", broker=noted.NOWHERE, backend=noted.NOWHERE)
ADD, BOOM, MORE = "on_celery.add", "on_celery.boom", "on_celery.more"


@app.task(name=MORE)
def more():
    noted.note("more")
    add.delay(1, 1)


@app.task(name=ADD)
def add(a, b):
    return noted.add(a, b)


@app.task(name=BOOM)
def boom():
    noted.boom()
