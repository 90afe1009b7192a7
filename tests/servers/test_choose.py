"""`--redis` to modes, `auto` to one of them: tables of what is read, refused and chosen."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.servers import choose
from pytest_jobqueue.servers.choose import choose_auto, parse_modes
from pytest_jobqueue.servers.provider import place, split_database, with_database

POSSIBLE = (
    "Possible: fake, server, container, auto, or the URL of a Redis that runs (redis://…, rediss://…, "
    "unix://…); several with commas."
)
NUMBERS = "the port and the database of a Redis URL are numbers"


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("fake", ("fake",)),
        ("fake,server", ("fake", "server")),
        (" server , fake ,", ("server", "fake")),
        ("fake,auto,fake", ("fake", "auto")),
        ("container", ("container",)),
        ("redis://localhost", ("redis://localhost",)),
        ("redis://", ("redis://",)),
        ("rediss://u:p@h:1/3?ssl_cert_reqs=none", ("rediss://u:p@h:1/3?ssl_cert_reqs=none",)),
        ("unix:///run/redis.sock?db=2,fake", ("unix:///run/redis.sock?db=2", "fake")),
        ("unix://u:p@/run/redis.sock", ("unix://u:p@/run/redis.sock",)),
    ],
)
def test_modes_are_read(text, modes):
    assert parse_modes(text) == modes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"--redis= names no Redis. {POSSIBLE}"),
        (",", f"--redis=, names no Redis. {POSSIBLE}"),
        ("Fake", f"--redis=Fake is unknown. Did you mean fake? {POSSIBLE}"),
        ("fake,sever", f"--redis=sever is unknown. Did you mean server? {POSSIBLE}"),
        ("docker-compose", f"--redis=docker-compose is unknown. {POSSIBLE}"),
        ("localhost:6379", f"--redis=localhost:6379 is unknown. {POSSIBLE}"),
        ("redi://h", f"--redis=redi://… is unknown. Did you mean redis://? {POSSIBLE}"),
        ("http://u:secret@h", f"--redis=http://… is unknown. {POSSIBLE}"),
        (
            "unix://run/redis.sock",
            "--redis=unix://… needs an absolute path to a socket, as in unix:///run/redis.sock",
        ),
        (
            "redis://u:secret@h/db3",
            f"redis://h: {NUMBERS} (invalid literal for int() with base 10: 'db3')",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(text, message):
    with pytest.raises(UsageError) as caught:
        parse_modes(text)
    assert str(caught.value) == message


def test_a_port_that_is_no_number_is_refused():
    with pytest.raises(UsageError, match=rf"^redis://h:one: {NUMBERS}"):
        parse_modes("redis://h:one")


@pytest.mark.parametrize(
    ("url", "bare", "number", "third"),
    [
        ("redis://h", "redis://h", None, "redis://h/3"),
        ("redis://u:p%40@h:1/0", "redis://u:p%40@h:1", 0, "redis://u:p%40@h:1/3"),
        ("redis:///5", "redis://", 5, "redis:///3"),
        ("redis://h/", "redis://h", None, "redis://h/3"),
        ("redis://h/1?db=2&protocol=3", "redis://h?protocol=3", 2, "redis://h/3?protocol=3"),
        ("unix:///run/s", "unix:///run/s", None, "unix:///run/s?db=3"),
        ("unix://u:p@/run/s?db=1&a=b", "unix://u:p@/run/s?a=b", 1, "unix://u:p@/run/s?a=b&db=3"),
    ],
)
def test_the_database_of_a_url_is_taken_off_and_put_on(url, bare, number, third):
    assert split_database(url) == (bare, number)
    assert with_database(url, 3) == third
    assert split_database(third)[1] == 3


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:p@h:1/3?password=p", "redis://h:1"),
        ("unix://u:p@/run/s?password=p", "unix:///run/s"),
        ("redis://", "redis://localhost"),
    ],
)
def test_a_place_shows_no_password(url, shown):
    assert place(url) == shown


@pytest.mark.parametrize(
    ("docker", "image", "binary", "chosen"),
    [
        (None, None, None, ("container", "a Docker engine answers")),
        (None, None, "/bin/x", ("container", "a Docker engine answers")),
        (None, "not here", "/bin/x", ("server", "no container (not here), but /bin/x is here")),
        ("no engine\nstart one", None, "/bin/x", ("server", "no container (no engine), but /bin/x is here")),
        ("no engine", None, None, ("fake", "no container (no engine), and no server binary")),
    ],
)
def test_auto_chooses_and_says_why(monkeypatch, docker, image, binary, chosen):
    monkeypatch.setattr(choose, "docker_available", lambda: docker)
    monkeypatch.setattr(choose, "image_available", {"redis": image}.get)
    monkeypatch.setattr(choose, "find_binary", lambda: binary)
    assert choose_auto(image="redis") == chosen


def test_auto_without_an_image_asks_for_none(monkeypatch):
    monkeypatch.setattr(choose, "docker_available", lambda: None)
    monkeypatch.setattr(choose, "image_available", pytest.fail)
    assert choose_auto() == ("container", "a Docker engine answers")
