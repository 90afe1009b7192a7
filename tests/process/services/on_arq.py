import noted
from arq.connections import RedisSettings

ADD, BOOM, MORE = "add", "boom", "more"


async def add(_, a, b):
    return noted.add(a, b)


async def boom(_):
    noted.boom()


async def more(context):
    noted.note("more")
    await context["redis"].enqueue_job(ADD, 1, 1)


class Settings:
    functions = [add, boom, more]  # noqa: RUF012 (as arq's documentation has it)
    redis_settings = RedisSettings.from_dsn(noted.NOWHERE)


app = Settings
