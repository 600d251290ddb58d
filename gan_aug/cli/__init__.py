"""The console: parse, call one function of the core, print. Every verb but ``worker`` has ``--json``.

Exit codes: 0 done; 1 failed, with two lines on standard error (what happened, what to do); 2 wrong use; 130 stopped with Ctrl-C.
Core modules are imported inside the verbs, so that ``--help`` is quick and no verb loads torch that does not need it.
"""

import errno
import os
import sys
import traceback
from typing import Annotated

import typer

import gan_aug
from gan_aug import workspace
from gan_aug.cli import data, gan, publish, review, runs, study, sweep, work
from gan_aug.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_STOPPED, EXIT_WRONG_USE, UsageError, remark
from gan_aug.errors import UserError, place_of, refusal

_MAKE_ROOM = "Make room, or choose another folder."
_IN_THE_WAY = "Choose another folder, or move away what is in its place."
_ANOTHER = "Choose another folder, or make it readable and writable."
_DISK = "Look whether its disk is there and healthy, or choose another folder."
# What a user can mend of a file or folder that the system refuses; any other of its errors is a fault of our own.
_MENDABLE = {
    errno.EACCES: _ANOTHER, errno.EPERM: _ANOTHER, errno.EROFS: _ANOTHER,
    errno.ENOSPC: _MAKE_ROOM, errno.EDQUOT: _MAKE_ROOM,
    errno.ENOTDIR: _IN_THE_WAY, errno.EEXIST: _IN_THE_WAY, errno.EISDIR: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY, errno.EMLINK: _ANOTHER,
    errno.EIO: _DISK, errno.ENODEV: _DISK, errno.ENXIO: _DISK, errno.ESTALE: _DISK, errno.ENOTCONN: _DISK, errno.ETIMEDOUT: _DISK,
    errno.ENAMETOOLONG: "Choose a shorter name.",
}  # fmt: skip

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,  # texts hold square brackets, and boxes around them read worse than none
    epilog="""\b
Examples:
  gan-aug data demo
  gan-aug train dcgan --data phantom --kimg 2
  gan-aug sample RUN --seeds 0-63 --out pictures
  gan-aug study run --data phantom --schemes none,standard --seeds 0,1 --name first

\b
Environment:
  GAN_AUG_HOME          datasets, studies, database, exports (default ./workspace)
  GAN_AUG_CHECKPOINTS   run folders (default ./checkpoints)
  GAN_AUG_DATABASE_URL  a PostgreSQL database in the place of the SQLite file

Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C. Research tool, not for diagnosis.""",
)
# In the order of the work.
app.add_typer(data.app, name="data")
app.add_typer(gan.app)
app.add_typer(runs.app)
app.add_typer(study.app)
study.study_app.add_typer(sweep.app)
app.add_typer(study.study_app, name="study")
app.add_typer(review.app, name="review")
app.add_typer(publish.app)
app.add_typer(work.jobs_app, name="jobs")
app.add_typer(work.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(gan_aug.__version__)
        raise typer.Exit


@app.callback(help="Train GANs on skin-lesion photographs, look at what they make, and measure whether it helps a classifier.")
def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when something goes wrong. Can stand anywhere.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """What stands before the verb; both options do their work elsewhere."""


def main(arguments: list[str] | None = None) -> int:
    """Run the console with ``arguments`` (default: those of the process) and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    # Taken out here, because a user who is told to run again with --debug appends it to the end of the line, behind the verb.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return _run(arguments)
    except UserError as error:
        if debug:
            traceback.print_exc()
        remark(f"{error.what}\n{error.todo}")
        return EXIT_FAILED
    except UsageError as error:
        remark(f"{error.format_message()}\nRun '{_command_of(error)} --help' to see what it takes.")
        return EXIT_WRONG_USE
    except (typer.Abort, KeyboardInterrupt):
        remark("Stopped.")
        return EXIT_STOPPED
    except BrokenPipeError:
        # Whoever read our output has seen enough (as `| head` does). Nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except Exception as error:
        if debug:
            raise
        remark(f"Something went wrong inside gan_aug: {type(error).__name__}: {' '.join(str(error).split())}")
        remark("Run again with --debug and report what it shows.")
        return EXIT_FAILED


def _run(arguments: list[str]) -> int:
    """Run one command.

    Raises
    ------
    UserError
        Also if a file or folder cannot be used for a reason that the user can mend.
    """
    try:
        return app(arguments, prog_name="gan-aug", standalone_mode=False) or EXIT_DONE
    except OSError as error:
        todo = _todo(error)
        if todo is None:
            raise
        raise UserError(refusal(error), todo) from error


def _todo(error: OSError) -> str | None:
    """What a user can do about an error of the system; None if it is a fault of our own."""
    if error.errno != errno.ENOENT:
        return _MENDABLE.get(error.errno)
    # As a rule a file that is missing is our own fault; but where a folder cannot even be made, as below /proc, another is to be named.
    for variable, place in (("GAN_AUG_HOME", workspace.home), ("GAN_AUG_CHECKPOINTS", workspace.checkpoints)):
        if error.filename and place().is_relative_to(place_of(error)):
            return f"Point {variable} at a folder that is there or can be made."
    return None


def _command_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "gan-aug"
