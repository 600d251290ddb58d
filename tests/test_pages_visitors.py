"""Who may see the pages: with a log-in only whom it names, without one whoever is at this machine, and where from images are imported."""

import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from made_up import make_batch
from streamlit import config
from streamlit.runtime.secrets import Secrets
from streamlit.testing.v1 import AppTest
from test_pages import ROOT, _as_on_the_server, click, make_run, open_page, texts  # noqa: F401 (the fixture applies here too)
from test_pages_results import sent

from gan_aug import jobs
from gan_aug.errors import UserError
from pages.components import visitors
from pages.components.import_form import checked

PAGES = ("overview", "data", "train", "explore", "review", "compare", "about")
AUTH = {"client_id": "x", "redirect_uri": "y", "cookie_secret": "z"}
ANA = {"is_logged_in": True, "email": "ana@clinic.org"}
BEYOND = ["0.0.0.0", "::", "", None, "192.168.1.7", "clinic.example"]
HERE = ["127.0.0.1", "localhost", "::1", "unix:///run/app.sock"]


def visit(name: str, user: dict[str, Any], auth: dict[str, Any] | None = None) -> AppTest:
    """A page of an app whose secrets configure a log-in."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    app.secrets["auth"] = AUTH if auth is None else auth
    app.user = user
    return app.run().switch_page(f"pages/{name}.py").run()


@pytest.fixture
def option() -> Iterator[Callable[[str, Any], None]]:
    """Changes a setting of Streamlit until the test ends."""
    before: dict[str, Any] = {}

    def change(name: str, value: Any) -> None:
        before.setdefault(name, config.get_option(name))
        config.set_option(name, value)

    yield change
    for name, value in before.items():
        config.set_option(name, value)


# --- log-ins -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_where_a_log_in_is_configured_a_stranger_sees_no_page(phantom: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run()
    make_batch("b", 3)
    job = jobs.submit("demo", {})
    ensured: list[bool] = []
    monkeypatch.setattr(jobs, "ensure_worker", lambda: ensured.append(True))
    app = visit(name, {"is_logged_in": False})
    assert not app.exception and not app.error
    assert [title.value for title in app.title] == ["gan_aug"]
    assert [button.label for button in app.button] == ["Log in"]
    assert not app.image and not app.dataframe and not app.text_input and not app.get("page_link") and not app.sidebar.caption
    assert phantom not in texts(app) and job.id not in texts(app)
    assert [element.proto.component_name for element in app.get("bidi_component")] == ["gan_aug_login_return"]
    assert not ensured, "a stranger starts no worker"


def test_every_provider_has_a_button(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {name: {"client_id": "x"} for name in ("clinic", "university")}
    app = visit("data", {"is_logged_in": False}, {"redirect_uri": "y", "cookie_secret": "z", **two})
    assert [button.label for button in app.button] == ["Log in with Clinic", "Log in with University"]
    asked = []
    monkeypatch.setattr(st, "login", asked.append)
    click(app, "Log in with University")
    assert asked == ["university"]
    assert "names no provider" in visit("data", {"is_logged_in": False}, {"cookie_secret": "z"}).error[0].value


@pytest.mark.parametrize("name", PAGES)
def test_who_is_logged_in_sees_the_page_the_name_and_the_way_out(phantom: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(name, ANA)
    assert not app.exception and not app.error
    assert app.title[0].value == name.capitalize()
    assert [text.value for text in app.sidebar.text] == ["Logged in as ana@clinic.org"]
    assert sent(app, "gan_aug_login_return") == {"asking": False, "first": name == "overview"}
    left: list[bool] = []
    monkeypatch.setattr(st, "logout", lambda: left.append(True))
    click(app, "Log out")
    assert left == [True]


@pytest.mark.parametrize(
    "user", [{"is_logged_in": True}, {"is_logged_in": True, "email": " ", "sub": ""}, {"is_logged_in": True, "name": "a\nb"}]
)
def test_a_log_in_without_a_name_says_so_and_shows_nothing(phantom: str, user: dict[str, Any]) -> None:
    app = visit("data", user)
    assert "gives no name" in app.error[0].value
    assert [button.label for button in app.button] == ["Log out"]
    assert not app.image


def test_without_a_log_in_nobody_is_named_in_the_sidebar(workspace: Path) -> None:
    app = open_page("overview")
    assert not app.sidebar.text and not app.sidebar.button
    assert "gan_aug_login_return" not in [element.proto.component_name for element in app.get("bidi_component")]


@pytest.mark.parametrize("content", [b"[auth\nclient_id = 1", b"\xff\xfe"])
def test_secrets_that_cannot_be_read_let_nobody_in(
    phantom: str, tmp_path: Path, option: Callable[..., None], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_bytes(content)
    option("secrets.files", [str(path)])
    monkeypatch.setattr(st, "secrets", Secrets())
    app = open_page("data")
    assert not app.exception
    assert "secrets cannot be read" in app.error[0].value
    assert not app.image


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_run_past_the_router_shows_nothing(phantom: str, name: str) -> None:
    app = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=30).run()
    assert not app.exception
    assert "Reload the page" in app.error[0].value
    assert not app.title and not app.image and not app.button


# --- how far the app can be reached ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", BEYOND)
def test_without_a_log_in_the_pages_are_not_shown_to_other_machines(phantom: str, option: Callable[..., None], address: str | None) -> None:
    option("server.address", address)
    app = open_page("data")
    assert not app.exception
    assert "other machines can reach this app" in app.error[0].value
    for remedy in ("[auth]", "127.0.0.1", "ssh -L 8501:localhost:8501", "GAN_AUG_TRUST_NETWORK=1"):
        assert remedy in texts(app)
    assert not app.image and not app.button and not app.sidebar.caption


@pytest.mark.parametrize("address", HERE)
def test_on_this_machine_alone_the_pages_need_no_log_in(phantom: str, option: Callable[..., None], address: str) -> None:
    option("server.address", address)
    app = open_page("data")
    assert not app.error and app.image


def test_in_a_trusted_network_the_pages_need_no_log_in(phantom: str, option: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    option("server.address", "0.0.0.0")
    monkeypatch.setenv("GAN_AUG_TRUST_NETWORK", "0")
    assert open_page("data").error
    monkeypatch.setenv("GAN_AUG_TRUST_NETWORK", "1")
    app = open_page("data")
    assert not app.error and app.image


def test_with_a_log_in_the_app_may_be_reached_from_everywhere(phantom: str, option: Callable[..., None]) -> None:
    option("server.address", "0.0.0.0")
    app = visit("data", {"is_logged_in": False})
    assert not app.error and [button.label for button in app.button] == ["Log in"]
    app = visit("data", ANA)
    assert not app.error and app.image


# --- importing from elsewhere ------------------------------------------------------------------------------------------------------------


def test_only_who_is_at_this_machine_imports_from_any_folder(
    workspace: Path, tmp_path: Path, option: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GAN_AUG_IMPORT_ROOTS", raising=False)
    assert checked(str(tmp_path), "mine")["paths"] == [str(tmp_path)]
    for header in ("X-Forwarded-For", "Forwarded"):
        with monkeypatch.context() as patch:
            patch.setattr(st, "context", types.SimpleNamespace(headers={header: "10.0.0.7"}))
            with pytest.raises(UserError, match="may not be imported"):
                checked(str(tmp_path), "mine")
    with monkeypatch.context() as patch:
        patch.setattr(visitors, "providers", lambda: [None])
        with pytest.raises(UserError, match="may not be imported"):
            checked(str(tmp_path), "mine")
        patch.setenv("GAN_AUG_IMPORT_ROOTS", str(tmp_path.parent))
        assert checked(str(tmp_path), "mine")
    option("server.address", "0.0.0.0")
    with pytest.raises(UserError, match="may not be imported"):
        checked(str(tmp_path), "mine")
