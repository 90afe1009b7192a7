"""Takes the pictures of the page in docs/images: `python docs/screenshots.py`.

It starts `jobqueue dev` with a small service, does what a reader might do, and looks at it in Chromium.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parent / "images"
UP = "Ctrl-C stops it."
SERVICE = """
from pytest_jobqueue import Handlers

handlers = Handlers()


@handlers.register("SendMail")
def send_mail(address, template):
    if address.startswith("bob"):
        raise ConnectionError("mail.example.org does not answer")


@handlers.register("Resize")
def resize(picture, width):
    pass
"""
SEED = [
    {"name": "SendMail", "args": ["ann@example.org", "welcome"], "queue": "mail"},
    {"name": "Resize", "args": ["holiday.jpg", 640], "queue": "pictures"},
    {"name": "SendMail", "args": ["bob@example.org", "welcome"], "queue": "mail", "options": {"retry": True}},
    {"name": "SendMail", "args": ["cleo@example.org", "reminder"], "queue": "mail", "in": 5400},
]


def take(url: str, path: Path, *, width: int, height: int, scheme: str, state: str) -> None:
    """Take one picture of a state, with the details of its first job."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page: Page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(f"{url}?state={state}")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_text("Details").first.click()
        page.screenshot(path=path)
        browser.close()


def main() -> None:
    """Take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="my-service-") as folder:
        place = Path(folder)
        (place / "jobs.py").write_text(SERVICE)
        (place / "seed").write_text("\n".join(map(json.dumps, SEED)))
        words = [sys.executable, "-m", "pytest_jobqueue", "dev", "--app", "jobs:handlers", "--seed", "seed"]
        with subprocess.Popen(  # noqa: S603 (our own words)
            [*words, "--json", "facts"], cwd=place, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if UP in line:
                    break
            url = json.loads((place / "facts").read_text())["page"]["url"]
            time.sleep(2)  # until the jobs have run
            take(url, IMAGES / "page-wide.png", width=1280, height=760, scheme="light", state="retrying")
            take(url, IMAGES / "page-phone.png", width=390, height=844, scheme="dark", state="finished")
            process.send_signal(signal.SIGINT)
            process.communicate()


if __name__ == "__main__":
    main()
