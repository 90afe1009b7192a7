import noted
from bullmq import Queue

ADD, BOOM, MORE = "add", "boom", "more"
mail = Queue("mail", {"connection": noted.NOWHERE})


async def process(job, _token):
    if job.name == ADD:
        return noted.add(*job.data)
    if job.name == BOOM:
        noted.boom()
    noted.note("more")
    await mail.add(ADD, [1, 1])
    return None


app = {"queue": "mail", "processor": process, "producers": [mail]}
