import noted
from celery import Celery

app = Celery("on_celery", broker=noted.NOWHERE, backend=noted.NOWHERE)
ADD, BOOM, MORE = "on_celery.add", "on_celery.boom", "on_celery.more"
add = app.task(name=ADD)(noted.add)
boom = app.task(name=BOOM)(noted.boom)


@app.task(name=MORE)
def more():
    noted.note("more")
    add.delay(1, 1)
