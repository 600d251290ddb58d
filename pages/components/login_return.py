"""Brings whoever has logged in back to where the log-in was asked for; Streamlit leads every answer of a provider to the first page."""

import streamlit as st
from streamlit.components.v2 import component

_element = component(
    "gan_aug_login_return",
    js="""
// The tab keeps the address while the browser is at the provider's.
const KEPT = "gan_aug.return";
let asking = false;

addEventListener("pagehide", () => asking && sessionStorage.setItem(KEPT, location.href));

export default function ({ data }) {
  asking = data.asking;
  const address = asking ? null : sessionStorage.getItem(KEPT);
  if (address) {
    sessionStorage.removeItem(KEPT);
    location.replace(address);
  }
  return () => { asking = false; };
}
""",
)


def remember() -> None:
    """On a page that asks for a log-in: keep its address when the browser leaves it."""
    _element(key="login-return", data={"asking": True})


def back() -> None:
    """On the first page: go back to the address that was kept, once somebody is logged in."""
    if st.user.get("is_logged_in"):
        _element(key="login-return", data={"asking": False})
