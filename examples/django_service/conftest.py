"""A Django project is tested in its own folder, where its pytest.ini is."""

import os

collect_ignore_glob = [] if os.environ.get("DJANGO_SETTINGS_MODULE") == "shop.settings" else ["*"]
