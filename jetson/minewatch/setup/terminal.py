"""Short questions to somebody at a terminal, each with a default; passwords are not shown."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Sequence

from minehat.errors import MineHatError
from minehat.progress import say

Check = Callable[[str], str]  # what is wrong with an answer, one line; "" for nothing


def anything(_: str) -> str:
    """A check that takes whatever comes."""
    return ""


class Terminal:
    """Asks. Raises MineHatError where nobody is there to answer, and KeyboardInterrupt on Ctrl-C."""

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise MineHatError("this is no terminal, so nobody can be asked. Give a file: `minewatch setup --answers "
                               "FILE.yaml`.")

    def say(self, text: str = "") -> None:
        """A line."""
        say(text)

    def ask(self, question: str, default: str = "", check: Check = anything, shown: str = "") -> str:
        """The answer, once nothing is wrong with it; the default for Enter alone. shown: in the default's place."""
        told = shown or default
        while True:
            answer = self._line(f"{question}{f' [{told}]' if told else ''}: ").strip() or default
            fault = check(answer) if answer.isprintable() else "found a character that cannot be shown; wanted a line"
            if not fault:
                return answer
            self.say(f"  {fault}")

    def yes(self, question: str, default: bool) -> bool:
        """Yes or no."""
        known = {"y": True, "yes": True, "n": False, "no": False, "": default}
        answer = self.ask(question, shown="Y/n" if default else "y/N",
                          check=lambda text: "" if text.lower() in known else "wanted y or n")
        return known[answer.lower()]

    def choose(self, question: str, options: Sequence[str], default: str) -> str:
        """One of these words, or the beginning of one."""
        def meant(text: str) -> list[str]:
            return [option for option in options if text and option.startswith(text.lower())]

        answer = self.ask(f"{question} ({', '.join(options)})", default,
                          lambda text: "" if len(meant(text)) == 1 else f"wanted {' or '.join(options)}")
        return meant(answer)[0]

    def secret(self, question: str, check: Check = anything) -> str:
        """A line that is not shown, with its spaces; "" for Enter alone."""
        while True:
            try:
                answer = getpass.getpass(f"{question} (not shown): ")
            except EOFError:
                raise _closed() from None
            fault = check(answer) if answer.isprintable() else "found a character that cannot be shown; type it again"
            if not fault:
                return answer
            self.say(f"  {fault}")

    def new_password(self, question: str) -> str:
        """One that is typed twice."""
        while True:
            password = self.secret(question, lambda text: "" if text else "wanted at least one character")
            if self.secret("  once more") == password:
                return password
            self.say("  the two differ")

    def _line(self, prompt: str) -> str:
        try:
            return input(prompt)
        except EOFError:
            raise _closed() from None
        except UnicodeDecodeError:
            return "\ufffe"


def _closed() -> MineHatError:
    return MineHatError("the terminal was closed. Nothing was written; type `minewatch setup` again.")
