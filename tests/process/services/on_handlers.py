from noted import add, boom, note

from pytest_jobqueue import Handlers

app = Handlers()
ADD, BOOM, MORE = "Add", "Boom", "More"
app.register(ADD)(add)
app.register(BOOM)(boom)


@app.register(MORE)
def more() -> None:
    note("more")
