"""The page in a real browser, before a real `jobqueue dev`."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
import redis
from support.tools import browser_path, need

need("browser")

from playwright.async_api import async_playwright, expect

# One loop for all, since a browser belongs to one.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

APP = ("--app", "jobs:handlers", "--grace", "0")
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
NASTY = """<script>document.title = "owned"</script><img src="/nowhere" onerror="document.title = 'owned'">"""
PATIENCE = 20_000  # milliseconds

expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser):
    """Opens an address in a fresh profile; at the end, nothing was asked elsewhere, and no script failed."""
    wrong = []

    async with AsyncExitStack() as stack:

        async def open_page(url, path="", viewport=WIDE, **options):
            context = await browser.new_context(viewport=viewport, **options)
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda one: one.url.startswith(url) or wrong.append(one.url))
            await page.goto(url + path)
            return page

        yield open_page
    assert wrong == []


def push(run, name, *args, queue="default", **fields):
    """Put a job on a queue, as another program would."""
    job = {"class": name, "args": args, "queue": queue, "jid": f"{name}-1", "retry": True, **fields}
    with redis.Redis.from_url(run.up()["redis"]["url"]) as client:
        client.sadd("queues", queue)
        client.lpush(f"queue:{queue}", json.dumps(job))


def address(run):
    return run.up()["page"]["url"]


async def enqueue(page, name, args="", delay=""):
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Arguments", exact=True).fill(args)
    await page.get_by_label("Delay", exact=True).fill(delay)
    await page.get_by_role("button", name="Enqueue").click()


def row(page, text):
    return page.get_by_role("listitem").filter(has=page.locator(".call")).filter(has_text=text)


def state(page, name, number):
    return page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name=f"{name} {number}")


# A job's life


async def test_a_job_by_hand_appears_runs_and_is_finished(dev, open_page, service):
    run = dev(*APP)
    page = await open_page(address(run))
    await expect(page.get_by_text("No job waits for a worker.")).to_be_visible()
    await enqueue(page, "Note", '["Ann"]')
    await expect(page.get_by_text("The job is enqueued.")).to_be_visible()
    await state(page, "Finished", 1).click()
    found = row(page, "Note('Ann')")
    await expect(found).to_contain_text("done")
    await expect(found).to_contain_text(re.compile(r"Took\d+ ms"))
    assert (service / "noted").read_text() == "Ann\n"


async def test_what_another_program_enqueues_shows_at_once(dev, open_page):
    run = dev(*APP)
    page = await open_page(address(run), "?state=running")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    push(run, "Hang", 60)
    await expect(row(page, "Hang(60)")).to_contain_text("Runs since")


async def test_a_job_that_cannot_be_enqueued_is_told_beside_the_form(dev, open_page):
    page = await open_page(address(dev(*APP)))
    await enqueue(page, "Note", "[Ann]")
    await expect(page.get_by_role("alert")).to_contain_text("Arguments: this is no JSON")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Note")
    await enqueue(page, "Note", '["Ann"]')
    await expect(page.get_by_role("alert")).to_be_empty()
    await expect(state(page, "Finished", 1)).to_be_visible()


async def test_a_failing_job_shows_its_traceback_is_retried_and_deleted(dev, open_page):
    run = dev(*APP)
    push(run, "Fail", "no such customer")
    page = await open_page(address(run), "?state=retrying")
    found = row(page, "Fail('no such customer')")
    await expect(found.locator("p.error")).to_have_text("RuntimeError: no such customer")
    await found.get_by_text("Details").click()
    traceback = found.get_by_role("region", name="Traceback")
    await expect(traceback).to_contain_text("raise RuntimeError(reason)")
    await found.get_by_role("button", name="Retry now").click()
    await expect(state(page, "Finished", 2)).to_be_visible()
    await expect(found).to_contain_text("Attempts2")
    await expect(traceback).to_be_visible()  # what was unfolded stays so
    await found.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("The job is deleted.")).to_be_visible()
    await expect(page.get_by_text("No job waits to run again.")).to_be_visible()


async def test_a_scheduled_job_runs_now_and_the_next_due_one_too(dev, open_page):
    page = await open_page(address(dev(*APP)), "?state=scheduled")
    for name, delay in (("Ann", "3000"), ("Bob", "2000"), ("Cy", "1000")):
        await enqueue(page, "Note", f'["{name}"]', delay)
        await expect(row(page, f"Note('{name}')")).to_contain_text("in ")
    await page.get_by_role("button", name="Run the next due job now").click()
    await expect(row(page, "Note('Cy')")).to_have_count(0)
    await row(page, "Note('Ann')").get_by_role("button", name="Run now").click()
    await expect(state(page, "Scheduled", 1)).to_be_visible()
    await state(page, "Finished", 2).click()
    await expect(row(page, "Note('Ann')")).to_be_visible()
    await expect(row(page, "Note('Cy')")).to_be_visible()


async def test_workers_pause_step_and_go_on(dev, open_page, service):
    run = dev(*APP)
    page = await open_page(address(run))
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: no job is taken")).to_be_visible()
    for name in ("Ann", "Bob", "Cy"):
        await enqueue(page, "Note", f'["{name}"]')
        await expect(row(page, f"Note('{name}')")).to_be_visible()
    for left in (2, 1):
        await page.get_by_role("button", name="Step").click()
        await expect(state(page, "Pending", left)).to_be_visible()
    await expect(state(page, "Finished", 2)).to_be_visible()
    assert (service / "noted").read_text() == "Ann\nBob\n"
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Running (1).")).to_be_visible()
    await expect(state(page, "Finished", 3)).to_be_visible()
    assert (service / "noted").read_text() == "Ann\nBob\nCy\n"


async def test_a_pause_lasts_over_a_reload_and_the_page_finds_the_desk_again(dev, open_page, service):
    pytest.importorskip("watchfiles")
    run = dev(*APP, "--reload")
    page = await open_page(address(run))
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: no job is taken")).to_be_visible()
    jobs = service / "jobs.py"
    jobs.write_text(jobs.read_text() + "\n\n@handlers.register\ndef New(name):\n    note(name)\n")
    run.line("jobs.py changed: starting anew")
    await expect(page.get_by_text("Not connected")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await enqueue(page, "New", '["Ann"]')
    await expect(row(page, "New('Ann')")).to_be_visible()
    await page.get_by_role("button", name="Resume").click()
    await expect(state(page, "Finished", 1)).to_be_visible()
    assert address(run) == page.url.split("?")[0]


# What it must not do


async def test_markup_in_a_job_stays_text(dev, open_page):
    page = await open_page(address(dev(*APP)))
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: no job is taken")).to_be_visible()
    await enqueue(page, "Fail", json.dumps([NASTY]))
    await page.get_by_text("Details").click()
    await expect(page.locator("dl.values")).to_contain_text(NASTY.partition("'")[0])
    await page.get_by_role("button", name="Step").click()
    await state(page, "Finished", 1).click()
    await expect(page.locator("li p.error")).to_contain_text(f"RuntimeError: {NASTY}")
    assert await page.title() == "jobqueue dev"
    assert await page.locator("img").count() == 0
    assert await page.locator("script").count() == 1


async def test_another_page_of_the_browser_changes_nothing(dev, browser):
    """A page elsewhere can send a form here, but neither the `Origin` nor the token is right."""
    url = address(dev(*APP))
    context = await browser.new_context()
    page = await context.new_page()
    form = f'<form method="post" action="{url}enqueue"><input name="name"><button>Go</button></form>'
    await page.route("http://localhost:1/", lambda route: route.fulfill(content_type="text/html", body=form))
    await page.goto("http://localhost:1/")
    await page.get_by_role("button", name="Go").click()
    await expect(page.get_by_text("may not use this one")).to_be_visible()
    await context.close()


# How it is to use


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
async def test_no_window_is_too_narrow(dev, open_page, width):
    run = dev(*APP, "--workers", "0")
    push(run, "Long" * 40, "x" * 300, "several words " * 20, queue="q" * 120, jid="j" * 80)
    push(run, "Fail", "word" * 100, retry=False)
    page = await open_page(address(run), viewport={"width": width, "height": 740})
    await expect(page.locator(".job")).to_have_count(2)
    await page.get_by_role("button", name="Step").click()
    await state(page, "Finished", 1).click()
    await expect(page.get_by_role("heading", name="Finished jobs")).to_be_visible()
    await page.get_by_text("Details").click()
    await expect(page.get_by_role("region", name="Traceback")).to_be_visible()
    for view in ("finished", "pending", "scheduled"):
        await page.goto(f"{page.url.split('?')[0]}?state={view}")
        wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        scrolled, seen = await page.evaluate(wide)
        assert scrolled <= seen


async def test_the_keyboard_is_enough(dev, open_page, service):
    page = await open_page(address(dev(*APP)), "?state=scheduled")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    seen = []

    async def tab_to(name, key="Tab"):
        """Go on until the focus is on something that is called so; it must show where it is."""
        for _ in range(60):
            await page.keyboard.press(key)
            found = await page.evaluate(
                "(() => { const one = document.activeElement; const style = getComputedStyle(one);"
                "const label = one.labels && one.labels[0];"
                "const text = (label || one).textContent.trim();"
                "return [text, style.outlineStyle, parseFloat(style.outlineWidth)]})()"
            )
            seen.append(found[0])
            if found[0].startswith(name):
                assert found[1] != "none"
                assert found[2] >= 2
                return
        pytest.fail(f"no way leads to {name}: {seen}")

    for name in ("Ann", "Bob"):
        await tab_to("Name")
        await page.keyboard.press("Control+A")
        await page.keyboard.type("Note")
        await tab_to("Arguments")
        await page.keyboard.press("Control+A")
        await page.keyboard.type(f'["{name}"]')
        await tab_to("Delay")
        await page.keyboard.press("Control+A")
        await page.keyboard.type("1000")
        await page.keyboard.press("Enter")
        await expect(row(page, f"Note('{name}')")).to_be_visible()
    await tab_to("Details", "Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Argument 1").last).to_be_visible()
    first = page.locator(".job").first
    await first.get_by_role("button", name="Delete").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".job")).to_have_count(1)
    await expect(first.get_by_role("button", name="Delete")).to_be_focused()
    await page.keyboard.press("Space")
    await expect(page.get_by_role("heading", name="Scheduled jobs")).to_be_focused()
    await tab_to("Pause", "Shift+Tab")
    await page.keyboard.press("Space")
    await expect(page.get_by_text("Paused: no job is taken")).to_be_visible()
    assert not (service / "noted").exists()


CONTRAST = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((one) => one / 255)
      .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return rgb(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const found = {};
  for (const one of document.querySelectorAll("p, a, dt, dd, b, code, button, summary, label, span")) {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    found[`${one.tagName} ${one.className}`] = (a + 0.05) / (b + 0.05);
  }
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out(dev, open_page, scheme):
    run = dev(*APP)
    push(run, "Note", "Ann")
    push(run, "Fail", "no")
    page = await open_page(address(run), "?state=finished", color_scheme=scheme)
    await expect(page.locator(".job")).to_have_count(2)
    found = await page.evaluate(CONTRAST)
    assert {what: round(ratio, 1) for what, ratio in found.items() if ratio < 4.5} == {}


async def test_each_control_has_a_name_and_the_page_its_landmarks(dev, open_page):
    run = dev(*APP)
    push(run, "Fail", "no")
    page = await open_page(address(run), "?state=retrying")
    await expect(page.locator(".job")).to_have_count(1)
    for role in ("banner", "main", "contentinfo"):
        await expect(page.get_by_role(role)).to_have_count(1)
    for name in ("Queues", "Jobs by state"):
        await expect(page.get_by_role("navigation", name=name)).to_have_count(1)
    tree = await page.locator("body").aria_snapshot()
    assert (
        re.findall(r"- (?:button|link|textbox|combobox|navigation|region)(?::|$)", tree, re.MULTILINE) == []
    )


async def test_it_works_without_its_script(dev, open_page, service):
    page = await open_page(address(dev(*APP)), java_script_enabled=False)
    await expect(page.get_by_text("Reload the page to see what is new.")).to_be_visible()
    await enqueue(page, "Note", "Ann")
    await expect(page.get_by_role("alert")).to_contain_text("Arguments: this is no JSON")
    await enqueue(page, "Note", '["Ann"]', "1000")
    await expect(page.get_by_text("The job is enqueued.")).to_be_visible()
    await state(page, "Scheduled", 1).click()
    await expect(row(page, "Note('Ann')")).to_be_visible()
