"""Celery's set-up in a Django project: settings with a namespace, tasks that are discovered."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
pytest.importorskip("django")

PROJECT = {
    "shop/__init__": "from shop.celery import app\n",
    "shop/settings": """
        SECRET_KEY = "only for tests"
        INSTALLED_APPS = ["orders"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        USE_TZ = True
        TIME_ZONE = "Europe/Berlin"
        CELERY_BROKER_URL = "redis://redis.invalid:6379/0"
        CELERY_RESULT_BACKEND = "redis://redis.invalid:6379/1"
        CELERY_TASK_ALWAYS_EAGER = True
        CELERY_TASK_DEFAULT_QUEUE = "shop"
    """,
    "shop/celery": """
        import os

        from celery import Celery

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        app = Celery("shop")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
    """,
    "orders/__init__": "",
    "orders/models": """
        from django.db import models


        class Order(models.Model):
            paid = models.BooleanField(default=False)
    """,
    "orders/tasks": """
        from celery import shared_task
        from django.db import transaction

        from orders.models import Order


        @shared_task
        def pay(number):
            return Order.objects.filter(pk=number).update(paid=True)


        @shared_task
        def pay_all():
            with transaction.atomic():
                for order in Order.objects.all():
                    pay.delay_on_commit(order.pk)
    """,
}


@pytest.fixture
def project(pytester):
    """Run a test file in the project, with pytest-django if it is installed and asked for."""
    for name, text in PROJECT.items():
        path = pytester.path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "\n".join(line.removeprefix("        ") for line in text.splitlines()), encoding="utf-8"
        )

    def run(test, *options, app="shop"):
        pytester.makepyfile(test_shop=test)
        common = ("-p", "no:cacheprovider", "--redis=fake", "-o", "pythonpath=.")
        return pytester.runpytest_subprocess(*common, f"--jobqueue-app={app}", *options)

    return run


@pytest.mark.parametrize("app", ["shop", "shop.celery", "shop.celery:app"])
def test_the_settings_are_found_and_led_to_ours(project, app):
    result = project(
        """
        def test_it(jobqueue):
            from django.conf import settings

            app = jobqueue.binding.app
            assert app.conf.broker_url == app.conf.result_backend == jobqueue.url
            assert settings.CELERY_BROKER_URL == "redis://redis.invalid:6379/0"
            assert app.conf.task_always_eager is False
            assert jobqueue.binding.queues() == ["shop"]

            job = jobqueue.producer.enqueue_in(60, "orders.tasks.pay", 1)
            jobqueue.assert_scheduled("orders.tasks.pay", 1, queue="shop", at=job.due_at)
        """,
        "-p",
        "no:django",
        app=app,
    )
    result.assert_outcomes(passed=1)


def test_tasks_see_the_transaction_of_the_test(project):
    pytest.importorskip("pytest_django")
    result = project(
        """
        import pytest


        @pytest.mark.django_db
        def test_it(jobqueue):
            from orders.models import Order
            from orders.tasks import pay

            order = Order.objects.create()
            pay.delay(order.pk)
            pay.delay(order.pk + 1)

            assert jobqueue.worker.drain().results == [1, 0]
            order.refresh_from_db()
            assert order.paid


        @pytest.mark.django_db
        def test_the_next_one_finds_no_order(jobqueue):
            from orders.models import Order

            assert not Order.objects.exists()


        @pytest.mark.django_db
        def test_what_is_sent_on_commit(jobqueue, django_capture_on_commit_callbacks):
            from orders.tasks import pay

            with django_capture_on_commit_callbacks(execute=True):
                pay.delay_on_commit(7)
                jobqueue.assert_idle()
            assert jobqueue.worker.drain().results == [0]


        @pytest.mark.django_db
        def test_what_is_sent_on_commit_when_the_test_says_so(jobqueue):
            from orders.tasks import pay

            pay.delay_on_commit(7)
            assert jobqueue.worker.drain().results == []
            assert jobqueue.run_on_commit() == 1
            assert jobqueue.worker.drain().results == [0]


        @pytest.mark.django_db
        @pytest.mark.jobqueue(run_on_commit=True)
        def test_a_task_that_sends_one_on_commit(jobqueue):
            from django.db import transaction
            from orders.models import Order
            from orders.tasks import pay, pay_all

            Order.objects.create()
            with transaction.atomic():
                pay_all.delay_on_commit()
                assert jobqueue.worker.drain() == []
            assert jobqueue.worker.drain().results == [None, 1]
        """,
        "--ds=shop.settings",
        "--nomigrations",
    )
    result.assert_outcomes(passed=5)
