"""Pictures handed to the browser: as addresses that need no server, and shown in their own colours at any time."""

import base64

import streamlit as st


def data_uri(png: bytes) -> str:
    """PNG bytes as an address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def never_dim(key: str) -> None:
    """Keep the element ``key`` in its own colours while the server is busy; Streamlit would fade it, and colour is what is judged."""
    st.html(f'<style>.st-key-{key}[data-stale="true"] {{ opacity: 1 !important; }}</style>')
