"""Which keys do what: a list that any page opens in the browser, by a button or by its key, and that the About page shows too."""

import html

import streamlit as st
from streamlit.components.v2 import component

KEYS = {
    "Every page": {"?": "this list", "Tab, Enter": "to the next button or field; press it"},
    "Review": {
        "A": "accept",
        "X": "reject",
        "1 to 6": "reject, and say why",
        "U": "unsure",
        "Z": "undo, as often as you like",
        "Arrows": "move; past the last image, the next page",
        "Space": "loupe on or off; the other keys work in it too",
    },
    "Review, blind": {
        "1 to 5": "surely real to surely synthetic",
        "Z": "undo, as often as you like",
        "Left, Right": "previous and next image",
        "Space": "loupe on or off; the other keys work in it too",
    },
    "Explore": {
        "Left, Right": "one picture back or on",
        "Up, Down": "one row up or down, in the wall of seeds",
        "Home, End": "first or last picture",
        "Space": "play or stop",
        "S": "star a seed's picture, for a review batch",
    },
    "Explore, seed plane": {
        "Arrows": "move a little; with Shift, by a whole seed",
        "Enter": "snap to the nearest seed",
        "S": "star, on a whole seed",
    },
}


def tables() -> None:
    """The keys of each page."""
    with st.container(key="key-tables"):
        for place, keys in KEYS.items():
            st.markdown(f"**{place}**")
            st.table({f"`{key}`": action for key, action in keys.items()}, border="horizontal", hide_header=True)


def rows(place: str) -> str:
    """The keys of a page as rows of a table in HTML."""
    return "".join(f"<tr><td><kbd>{html.escape(key)}</kbd></td><td>{html.escape(action)}</td></tr>" for key, action in KEYS[place].items())


def _groups() -> str:
    return "".join(f"<h3>{html.escape(place)}</h3><table><tbody>{rows(place)}</tbody></table>" for place in KEYS)


_element = component(
    "gan_aug_keys",
    html=f"""
<div class="keys">
  <button type="button" class="open"><kbd>?</kbd> Keys</button>
  <dialog aria-label="Keys" tabindex="-1">
    <h2>Keys</h2>
    <p>Keys of a page act on the element that has the focus. Each has a button, too.</p>
    {_groups()}
    <button type="button" class="close"><kbd>Esc</kbd> Close</button>
  </dialog>
</div>
""",
    css="""
.keys { font-family: var(--st-font); font-size: 0.875rem; color: var(--st-text-color); }
button {
  font: inherit; color: inherit; padding: 0.2rem 0.6rem; background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: 0.4rem; cursor: pointer;
}
button:hover { border-color: currentColor; }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
kbd { font-family: var(--st-code-font); font-size: 0.8rem; }
dialog {
  margin: auto; max-height: 85vh; overflow: auto; width: min(34rem, 90vw); padding: 1.25rem 1.5rem; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color); border-radius: 0.5rem;
}
dialog:focus { outline: none; }
dialog::backdrop { background: rgba(60, 60, 60, 0.6); }
h2 { margin: 0; font-size: 1.1rem; }
h3 { margin: 1rem 0 0.2rem; font-size: 0.95rem; }
td { padding: 0.15rem 1rem 0.15rem 0; }
td:first-child { width: 7rem; }
.close { margin-top: 1rem; }
""",
    js="""
// One listener for the whole document, whichever page is open; a field in which one writes keeps its question marks, and an element that
// has a list of its own keeps the key to itself.
let dialog = null;

function writing(event) {
  const target = event.composedPath()[0];
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "?" && dialog?.isConnected && !dialog.open && !writing(event)) dialog.showModal();
});

export default function ({ parentElement }) {
  dialog = parentElement.querySelector("dialog");
  parentElement.querySelector(".open").onclick = () => dialog.showModal();
  parentElement.querySelector(".close").onclick = () => dialog.close();
}
""",
)


def button() -> None:
    """The button that opens the list, and the key that does."""
    _element(key="keys")
