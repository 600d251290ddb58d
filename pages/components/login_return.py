"""Brings whoever has logged in back to where the log-in was asked for; Streamlit leads every answer of a provider to the first page."""

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
    sessionStorage.removeItem(KEPT);  // on any other page it is out of date: somebody has logged in elsewhere and come here by themselves
    if (data.first && address !== location.href) location.replace(address);
  }
  return () => { asking = false; };
}
""",
)


def remember() -> None:
    """Where a log-in is asked for: keep the address when the browser leaves it."""
    _element(key="login-return", data={"asking": True})


def back(first: bool) -> None:
    """Once somebody is logged in: from the ``first`` page go back to the address that was kept; on any other forget it."""
    _element(key="login-return", data={"asking": False, "first": first})
