"""The project's settings; nothing in them is for tests."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "for development only")
DEBUG = True
USE_TZ = True
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CELERY_BROKER_URL = os.environ.get("REDIS_URL", "redis://redis:6379/0")
