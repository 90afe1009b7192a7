"""Huey's set-up in a Django project: `huey.contrib.djhuey`, whose Huey comes of Django's settings."""

from __future__ import annotations

import pytest

pytest.importorskip("huey")
pytest.importorskip("django")
pytest.importorskip("pytest_django")

SETTINGS = """
SECRET_KEY = "only for tests"
INSTALLED_APPS = ["huey.contrib.djhuey", "orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
HUEY = {
    "huey_class": "huey.PriorityRedisHuey",
    "name": "shop",
    "immediate": True,
    "connection": {"host": "redis.invalid"},
    "consumer": {"workers": 4, "worker_type": "thread"},
}
"""
MODELS = """
from django.db import models


class Order(models.Model):
    paid = models.BooleanField(default=False)
"""
TASKS = """
from huey.contrib.djhuey import db_task, on_commit_task

from orders.models import Order


@db_task(retries=1)
def pay(number):
    return Order.objects.filter(pk=number).update(paid=True)


@on_commit_task()
def confirm(number):
    return Order.objects.get(pk=number).paid
"""
TESTS = """
import pytest
from huey.contrib.djhuey import HUEY
from orders.models import Order
from orders.tasks import confirm, pay

pytestmark = pytest.mark.django_db


def test_the_huey_of_the_settings_is_led_to_ours(jobqueue):
    assert HUEY.immediate is False
    assert jobqueue.binding.queues() == ["shop"]
    result = pay(7)
    jobqueue.assert_enqueued("orders.tasks.pay", 7, queue="shop")
    assert jobqueue.worker.drain().results == [0]
    assert result() == 0


def test_tasks_see_the_transaction_of_the_test(jobqueue):
    order = Order.objects.create()
    pay(order.pk)
    assert jobqueue.worker.drain().results == [1]
    order.refresh_from_db()
    assert order.paid


@pytest.mark.jobqueue(run_on_commit=True)
def test_a_task_that_waits_for_the_commit(jobqueue):
    order = Order.objects.create(paid=True)
    confirm(order.pk)
    assert jobqueue.binding.pending() == []
    assert jobqueue.worker.drain().results == [True]


def test_afterwards_it_is_as_before():
    assert HUEY.immediate is True
"""


def test_a_project_names_djhueys_own_huey(pytester):
    orders = pytester.mkpydir("orders")
    (orders / "models.py").write_text(MODELS, encoding="utf-8")
    (orders / "tasks.py").write_text(TASKS, encoding="utf-8")
    pytester.makepyfile(shop_settings=SETTINGS, test_shop=TESTS)
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "no:randomly", "--redis=fake", "-o", "pythonpath=."),
        *("--ds=shop_settings", "--jobqueue-app=huey.contrib.djhuey:HUEY"),
    )
    result.assert_outcomes(passed=4)
