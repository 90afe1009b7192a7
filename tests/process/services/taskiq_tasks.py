import noted

ADD, BOOM, MORE = "add", "boom", "more"


def give(app):
    """The tasks of a service, for either kind of broker."""

    @app.task(task_name=ADD)
    def add(a, b):
        return noted.add(a, b)

    @app.task(task_name=MORE)
    async def more():
        noted.note("more")
        await add.kiq(1, 1)

    @app.task(task_name=BOOM)
    def boom():
        noted.boom()

    return app
