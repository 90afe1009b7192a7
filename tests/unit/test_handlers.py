"""The registry of handlers: what is found under which name, and which mistakes are told."""

from __future__ import annotations

import functools

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.job import Job


def add(a, b):
    return a + b


def other():
    """Another handler."""


def test_functions_are_found_by_name():
    handlers = Handlers({"Mul": other})
    assert handlers.register("Add")(add) is add
    assert handlers.register()(add) is add
    assert handlers.register(other) is other
    assert handlers.for_name("Add") is handlers.for_name("add") is add
    assert handlers.for_name("Mul") is handlers.for_name("other") is other
    assert handlers.for_name("Sub") is None
    assert handlers.names == ("Add", "Mul", "add", "other")


def test_a_bound_handler_is_called_with_the_job_before_its_arguments():
    handlers = Handlers()
    seen = []

    @handlers.register("Hello", bind=True)
    def hello(job, name):
        seen.append((job.id, name))

    job = Job("jid-1", "Hello", ("Bob",))
    handlers.call(job)()
    assert seen == [("jid-1", "Bob")]
    assert handlers.call(Job("jid-2", "Other")) is None


def test_a_function_can_take_a_whole_queue():
    handlers = Handlers()
    assert handlers.queue("mail")(other) is other
    assert handlers.for_queue("mail") is other
    assert handlers.for_queue("default") is None
    assert (handlers.names, handlers.queues) == ((), ("mail",))


def test_middleware_keeps_its_order():
    handlers = Handlers()
    assert handlers.middleware == ()
    assert handlers.use(add) is add
    handlers.use(other)
    assert handlers.middleware == (add, other)


def test_the_same_function_twice_is_no_mistake():
    class Service:
        def run(self):
            """Do nothing."""

    service, handlers = Service(), Handlers()
    for _ in range(2):
        handlers.register("Add")(add)
        handlers.queue("q")(add)
        handlers.register("run")(service.run)
    assert handlers.names == ("Add", "run")


def mistake(function):
    with pytest.raises(UsageError) as caught:
        function()
    return str(caught.value)


def test_a_name_that_is_taken_is_refused():
    handlers = Handlers({"Add": add})
    handlers.queue("q")(functools.partial(add, 1))
    remedy = "give the second one another name, or use a registry of its own"
    assert (
        mistake(lambda: handlers.register("Add")(other))
        == f"name 'Add' has a handler already (add); {remedy}"
    )
    taken = handlers.for_queue("q")
    assert (
        mistake(lambda: handlers.queue("q")(other)) == f"queue 'q' has a handler already ({taken}); {remedy}"
    )
    assert handlers.for_name("Add") is add


def test_what_cannot_be_called_is_refused():
    handlers = Handlers()
    assert mistake(lambda: Handlers({"Add": 1})) == "the handler for name 'Add' is 1, which cannot be called"
    assert (
        mistake(lambda: handlers.register("A")(1)) == "the handler for name 'A' is 1, which cannot be called"
    )
    assert (
        mistake(lambda: handlers.queue("q")("f"))
        == "the handler for queue 'q' is 'f', which cannot be called"
    )
    assert mistake(lambda: handlers.use(1)) == "the middleware 1 cannot be called"
    assert (handlers.names, handlers.queues, handlers.middleware) == ((), (), ())


def test_a_callable_without_a_name_needs_one():
    handlers = Handlers()
    nameless = functools.partial(add, 1)
    assert mistake(lambda: handlers.register()(nameless)) == (
        f"{nameless!r} has no name of its own; give it one: register('Name')(…)"
    )
    handlers.register("AddOne")(nameless)
    assert handlers.for_name("AddOne")(2) == 3


def test_a_queue_without_a_name_is_refused():
    assert mistake(lambda: Handlers().queue(add)) == (
        f"a queue's name is text, not {add!r}; write @handlers.queue('mail')"
    )
