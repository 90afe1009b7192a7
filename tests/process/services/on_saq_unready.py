"""A worker of SAQ that is between its fetch of a job and the start of it whenever a sweep looks."""

import asyncio

import noted
from saq.queue.redis import RedisQueue


class Unready(RedisQueue):
    fetching = taken = False

    async def sweep(self, *args, **kwargs):
        await asyncio.sleep(0)  # whoever was started with this sweep fetches now
        while self.fetching and not self.taken:
            await asyncio.sleep(0.001)
        found = await super().sweep(*args, **kwargs)
        self.swept.set()
        return found

    async def dequeue(self, *args, **kwargs):
        self.fetching = True
        job = await super().dequeue(*args, **kwargs)
        self.taken = True
        await self.swept.wait()
        return job


async def add(_, *, a, b):
    return noted.add(a, b)


async def startup(_):
    queue.swept = asyncio.Event()


queue = Unready.from_url(noted.NOWHERE)
app = {"queue": queue, "functions": [add], "startup": startup}
