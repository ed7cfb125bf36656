"""What `manage.py runprefork` says to `prefork serve`, and which program that is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.django import project
from prefork.django.project import Project, Unserved, flags, program

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Project(wsgi="mysite.wsgi.application", asgi="", debug=False, static_files=True, static_url="/static/", static_root="")


def said(site: Project, place: Path, file: str = "", address: str = "", interface: str = "") -> list[str]:
    """The flags, without those that are always there."""
    own = {f"--app-dir={place}", f"--python={sys.executable}"}
    found = flags(site, str(place), file, address, interface)
    assert own <= set(found)
    return [flag for flag in found if flag not in own]


@pytest.mark.parametrize(
    ("site", "interface", "expected"),
    [
        (PLAIN, "", ["--app=mysite.wsgi:application"]),
        (PLAIN._replace(wsgi=""), "", [f"--app={project.DJANGO}"]),
        (PLAIN._replace(asgi="mysite.asgi.application"), "", ["--app=mysite.asgi:application"]),
        (PLAIN._replace(asgi="mysite.asgi.application"), "wsgi", ["--app=mysite.wsgi:application", "--interface=wsgi"]),
        (PLAIN._replace(debug=True), "", ["--app=prefork.django.debugging:wsgi()"]),
        (PLAIN._replace(debug=True, asgi="mysite.asgi.application"), "", ["--app=prefork.django.debugging:asgi()"]),
        (PLAIN._replace(debug=True, static_files=False), "", ["--app=mysite.wsgi:application"]),
    ],
)
def test_the_settings_name_the_application(site: Project, interface: str, expected: list[str], tmp_path: Path) -> None:
    assert said(site, tmp_path, interface=interface) == expected


def test_collected_files_are_sent_by_the_server(tmp_path: Path) -> None:
    site = PLAIN._replace(static_root=str(tmp_path))
    assert f"--static=/static={tmp_path}" in said(site, tmp_path)
    assert said(site._replace(static_root=f"{tmp_path}/none"), tmp_path) == said(PLAIN, tmp_path), "they have not been collected"
    elsewhere = site._replace(static_url="https://cdn.example/static/")
    assert said(elsewhere, tmp_path) == said(PLAIN, tmp_path), "another server has them"


def test_what_the_file_says_goes_before_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "prefork.conf"
    file.write_text("[options]\n; python = no\napp = mysite.asgi:other\nstatic = /s=/srv/s\napp_dir: .\n  lines that go on = x\n")
    site = PLAIN._replace(debug=True, static_root=str(tmp_path))
    assert flags(site, str(tmp_path), "", "", "") == ["-c", str(file), f"--python={sys.executable}"]


def test_a_file_that_is_named_is_the_one(tmp_path: Path) -> None:
    (tmp_path / "prefork.conf").write_text("app = no:no\n")
    other = tmp_path / "asgi.conf"
    other.write_text("app = mysite.asgi:application\n")
    assert said(PLAIN, tmp_path, file=str(other)) == ["-c", str(other)]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8000", ["--http-port=8000"]),
        ("0.0.0.0:80", ["--http-interface=0.0.0.0", "--http-port=80"]),
        ("[::1]:8000", ["--http-interface=::1", "--http-port=8000"]),
    ],
)
def test_an_address_is_written_as_for_runserver(address: str, expected: list[str], tmp_path: Path) -> None:
    assert said(PLAIN, tmp_path, address=address)[1:] == expected


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"interface": "asgi"}, "ASGI_APPLICATION is not set"),
        ({"address": "localhost"}, "is no port, nor an address with a port"),
        ({"file": "/none.conf"}, "it cannot be read: No such file"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(wrong: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(Unserved, match=sentence):
        said(PLAIN, tmp_path, **wrong)


def test_the_program_is_that_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/none")
    assert program(None) == os.path.join(os.path.dirname(sys.executable), "prefork")


def test_without_what_the_server_needs_it_is_looked_for_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(project, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unserved, match="pipx install prefork"):
        program(None)
    (tmp_path / "prefork").write_text("#!/bin/sh\n")
    (tmp_path / "prefork").chmod(0o755)
    assert program(None) == str(tmp_path / "prefork")
    assert program(str(tmp_path / "prefork")) == str(tmp_path / "prefork")
    with pytest.raises(Unserved, match="there is no such program"):
        program(str(tmp_path / "none"))
