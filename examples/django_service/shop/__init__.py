"""A small shop: an order is confirmed by a mail in the background, once it is in the database."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
