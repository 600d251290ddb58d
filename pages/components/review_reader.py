"""Who reads: the person whom the log-in names, or, where none is configured, a name that is typed and believed."""

import dataclasses

import streamlit as st
from streamlit.errors import StreamlitAuthError, StreamlitSecretNotFoundError

from gan_aug.errors import UserError
from pages.components import chrome, login_return


@dataclasses.dataclass(frozen=True)
class Reader:
    """Under whose name decisions are stored."""

    name: str
    logged_in: bool  # whether a log-in vouches for the name


def identify() -> Reader | None:
    """Draw what tells who reads, and return it; None while nobody is named."""
    providers = _providers()
    return _by_name() if providers is None else _by_login(providers)


def _providers() -> list[str | None] | None:
    """The providers of log-ins that the app's secrets configure ([auth]); None in the list is the one without a name. None without any."""
    try:
        auth = st.secrets.get("auth")
    except (StreamlitSecretNotFoundError, FileNotFoundError):
        return None
    if auth is None:
        return None
    named = [name for name, value in auth.items() if hasattr(value, "items") and "client_id" in value]
    return ([None] if "client_id" in auth else []) + named


def _by_login(providers: list[str | None]) -> Reader | None:
    if st.user.get("is_logged_in"):
        name = str(next((st.user[key] for key in ("email", "preferred_username", "name", "sub") if st.user.get(key)), "")).strip()
        with st.container(width=240):
            st.caption(f"Logged in as **{chrome.plain(name)}**")
            if st.button("Log out", key="logout", icon=":material/logout:"):
                st.logout()
        if not name or not name.isprintable():
            raise UserError("The log-in gives no name, e-mail or id.", "Ask whoever runs the log-in to send one of them.")
        return Reader(name[:200], logged_in=True)
    with st.container(width=240):
        for provider in providers:
            label = f"Log in with {provider.capitalize()}" if provider else "Log in"
            if st.button(label, key=f"login-{provider}", icon=":material/login:"):
                try:
                    st.login(provider)
                except StreamlitAuthError as error:
                    raise UserError(f"The log-in cannot be used: {error}", "Mend [auth] in the app's secrets, or what it needs.") from None
        login_return.remember()
    return None


def _by_name() -> Reader | None:
    name = st.text_input(
        "Your name", key="reviewer", bind="query-params", max_chars=100, placeholder="Name or initials", width=220,
        help="A label for your decisions, kept in the address of this page. It is no security: anybody could write it. "
        "For a log-in, configure [auth] in the app's secrets.",
    ).strip()  # fmt: skip
    return Reader(name, logged_in=False) if name and name.isprintable() else None
