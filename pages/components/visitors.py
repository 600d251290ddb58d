"""Who may see the pages: whom a log-in names where the app's secrets configure one, and else whoever is at this machine."""

import ipaddress
import os

import streamlit as st
from streamlit.errors import StreamlitAuthError, StreamlitSecretNotFoundError

from gan_aug.errors import UserError
from gan_aug.records import NOTICE
from pages.components import chrome, login_return


def providers() -> list[str | None] | None:
    """The providers of log-ins that the app's secrets configure ([auth]); None in the list is the one without a name. None without any.

    Raises
    ------
    UserError
        If there are secrets that cannot be read: they may ask for a log-in.
    """
    try:
        auth = st.secrets.get("auth")
    except (OSError, UnicodeError) as error:
        there = any(map(os.path.exists, st.get_option("secrets.files")))
        if isinstance(error, StreamlitSecretNotFoundError) and not there:
            return None
        raise UserError(f"The app's secrets cannot be read: {error}", "Mend them. Until then nobody sees the pages.") from None
    if auth is None:
        return None
    named = [name for name, value in auth.items() if hasattr(value, "items") and "client_id" in value]
    return ([None] if "client_id" in auth else []) + named


def name() -> str:
    """Name, e-mail or id of who is logged in; empty where nobody is, or the log-in gives none."""
    if not st.user.get("is_logged_in"):
        return ""
    given = str(next((st.user[key] for key in ("email", "preferred_username", "name", "sub") if st.user.get(key)), "")).strip()
    return given[:200] if given.isprintable() else ""


def admitted() -> bool:
    """Whether the pages may be shown to this visitor."""
    try:
        return not _exposed() if providers() is None else bool(name())
    except UserError:
        return False


def remote() -> bool:
    """Whether the visitor may sit at another machine. Behind a proxy the app listens on this machine alone, and is reached from all."""
    passed_on = any(header in st.context.headers for header in ("X-Forwarded-For", "Forwarded"))
    return _listens_beyond() or passed_on or providers() is not None


def _listens_beyond() -> bool:
    """Whether the app takes connections of other machines; without an address it takes those of all."""
    address = st.get_option("server.address") or ""
    if address == "localhost" or address.startswith("unix://"):
        return False
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def _exposed() -> bool:
    """Whether whoever reaches this machine would see the pages, and nobody has said that this is wanted."""
    return _listens_beyond() and os.environ.get("GAN_AUG_TRUST_NETWORK") != "1"


@chrome.guard()
def screen() -> None:
    """What stands in the place of every page for a visitor who is not admitted: why, and what to do."""
    st.title("gan_aug", anchor=False)
    found = providers()
    if found is None:
        _refuse()
    elif st.user.get("is_logged_in"):
        _log_out()
        raise UserError("The log-in gives no name, e-mail or id.", "Ask whoever runs the log-in to send one of them.")
    else:
        _log_in(found)


def _refuse() -> None:
    st.error(
        "**The pages are not shown: other machines can reach this app, and it has no log-in.**  \n"
        "Whoever reaches this machine could see every photograph and start work.",
        icon=":material/lock_open:",
    )
    st.markdown(
        "One of these three mends it; then start the app again.\n\n"
        "- Configure a log-in: an `[auth]` section in Streamlit's secrets.\n"
        "- Listen on this machine only, with `--server.address 127.0.0.1`. From another machine it is then reached through "
        "`ssh -L 8501:localhost:8501 MACHINE`.\n"
        "- Where the network is trusted, such as that of a container whose port is published on its own machine only, "
        "set `GAN_AUG_TRUST_NETWORK=1`."
    )


def _log_in(found: list[str | None]) -> None:
    if not found:
        raise UserError("[auth] in the app's secrets names no provider of log-ins.", "Add its client_id and what else it needs.")
    st.markdown("Log in to see the pages.")
    for provider in found:
        label = f"Log in with {provider.capitalize()}" if provider else "Log in"
        if st.button(label, key=f"login-{provider}", icon=":material/login:", type="primary"):
            try:
                st.login(provider)
            except StreamlitAuthError as error:
                raise UserError(f"The log-in cannot be used: {error}", "Mend [auth] in the app's secrets, or what it needs.") from None
    st.caption(NOTICE)
    login_return.remember()


def _log_out() -> None:
    if st.button("Log out", key="logout", icon=":material/logout:"):
        st.logout()


def sidebar(first: bool) -> None:
    """Who is logged in, if the app has a log-in; ``first`` tells whether the page is the one to which a provider leads back."""
    if not name():
        return
    with st.sidebar, st.container(key="visitor", gap="xsmall"):
        st.text(f"Logged in as {name()}")  # Markdown would make a link of an e-mail
        _log_out()
        login_return.back(first)
