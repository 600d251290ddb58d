"""Verbs that make a run ready to be passed on."""

from pathlib import Path
from typing import Annotated

import typer

from gan_aug.cli.options import Json, Reference
from gan_aug.cli.output import print_json, remark, say

app = typer.Typer()


@app.command(
    epilog="""\b
Examples:
  gan-aug publish RUN@best --name dcgan-64
  gan-aug evaluate dcgan-64 --data isic_cc0 --extractor derm
  gan-aug audit dcgan-64 --data isic_cc0 --extractor derm
  gan-aug card dcgan-64"""
)
def publish(
    reference: Reference,
    name: Annotated[str, typer.Option(metavar="NAME", help="Id of the published run.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder in which it is made.  [default: pretrained of the checkpoints folder]")
    ] = None,
    json: Json = False,
) -> None:
    """Copy a snapshot with its weights in half precision, ready to be passed on; only what CC0 images made."""
    from gan_aug import publish as publishing
    from gan_aug import runs, workspace

    folder = publishing.publish(reference, name, out or workspace.pretrained())
    if json:
        print_json({"folder": folder})
        return
    say(str(folder))
    if out in (None, workspace.pretrained()):  # elsewhere no command finds it
        run = runs.load_run(name)
        if run.kind == "gan":
            data = f"--data {run.dataset}"
            remark(f"Measure it with 'gan-aug evaluate {name} {data}' and 'gan-aug audit {name} {data}'.")
        remark(f"Write its card with: gan-aug card {name}")


@app.command()
def card(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a published run.")],
    attribution: Annotated[str, typer.Option(metavar="TEXT", help="How the makers of the images ask to be named.")] = "",
    json: Json = False,
) -> None:
    """Write the model card of a published run from what was measured of it."""
    from gan_aug import publish as publishing

    path = publishing.write_card(run, attribution)
    if json:
        print_json({"card": path})
    else:
        say(str(path))
