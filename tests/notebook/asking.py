"""A view's side of messages: sends commands to a handler and waits for the one answer to each."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

from rmm_widgets.manager import ModelManager
from rmm_widgets.notebook.messages import MessageHandler
from rmm_widgets.notebook.scope import Limit

from .conftest import LONG


class Asker:
    """One view. Every answer is checked to be data that a comm can carry."""

    def __init__(self, manager: ModelManager, model_ids: Limit = None) -> None:
        self.handler = MessageHandler(lambda: manager, model_ids=model_ids)
        self.answers: list[dict[str, Any]] = []
        self._numbers = itertools.count()
        self._news = threading.Condition()

    def send(self, name: object, args: object) -> str:
        """Send a command; returns its number."""
        rid = str(next(self._numbers))
        self.send_raw({"kind": "rmm/cmd", "rid": rid, "name": name, "args": args})
        return rid

    def send_raw(self, content: object, buffers: tuple[bytes, ...] = ()) -> None:
        self.handler.handle(content, buffers, reply=self._receive)

    def _receive(self, answer: dict[str, Any]) -> None:
        wire = json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
        with self._news:
            self.answers.append(json.loads(wire))
            self._news.notify_all()

    def wait(self, count: int) -> None:
        """Until there are so many answers."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.answers) >= count, LONG), self.answers[-3:]

    def answer(self, rid: str) -> dict[str, Any]:
        """The answer to one command, of which there must be one only."""
        with self._news:
            assert self._news.wait_for(lambda: any(each["rid"] == rid for each in self.answers), LONG), rid
            (answer,) = (each for each in self.answers if each["rid"] == rid)
        return answer

    def ask(self, name: str, **args: object) -> Any:
        """The value of the answer to a command that works."""
        answer = self.answer(self.send(name, args))
        assert answer["ok"], answer
        return answer.get("value")

    def refused(self, name: str, **args: object) -> dict[str, str]:
        """The error of a command that does not work."""
        answer = self.answer(self.send(name, args))
        assert not answer["ok"], answer
        return answer["error"]
