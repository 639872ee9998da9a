"""One of two processes that use each other's objects without ever seeing each other's memory: it asks and it answers.

The same `Peer` runs in both, so a function of the tests can be handed to the candidate and be called back.
"""

from _thread import RLock  # `threading` would add a hook to every fork
from collections.abc import Callable
from typing import Any, NoReturn

from rlvr.judge import guards, specials, telltales, views
from rlvr.judge.codec import MalformedError, TooLargeError
from rlvr.judge.decoding import Decoder, refill
from rlvr.judge.encoding import Encoder
from rlvr.judge.handles import Handles
from rlvr.judge.operations import Operation, operations
from rlvr.judge.wire import Gone, Line

_ASK, _ANSWER, _FAILURE, _PRINTED, _NOTICED = b"?=!>~"
_ENDINGS = ("__next__", *specials.GENERATOR_METHODS)
"""Methods whose `StopIteration` says that there is nothing more."""


class Peer:
    """One end of the channel.

    descriptor: of a stream socket.
    guarded: True in the tests' process, which must not let the candidate look around.
    printed: what was printed on this side since the last call, as bytes for output and for errors; the other side shows
    it (`show`) before it looks at the frame.
    noticed: tell-tales on this side since the last call; the other side keeps those that it knows.
    stops: whether a call there may raise `StopIteration` here, which ends `all(map(f, ...))` and the like in silence.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        guarded: bool,
        printed: Callable[[], tuple[bytes, bytes]] | None = None,
        show: Callable[[bytes, bytes], None] | None = None,
        noticed: Callable[[], list[str]] | None = None,
        stops: bool = True,
    ) -> None:
        self.gone = False
        self.guarded = guarded
        self.telltales: set[str] = set()
        self.turns = 0
        """How often something was asked that may have changed an object."""
        self.results: list[Any] = []
        """What the first two calls since the last `clear` returned, for messages."""
        self.operations: dict[str, Operation] = operations(guarded=guarded)
        self._handles = Handles(self, guarded=guarded)
        self._hand = guards.handed if guarded else _as_it_is
        self._line = Line(descriptor)
        self._printed = printed
        self._show = show
        self._noticed = noticed
        self._stops = stops
        self._lock = RLock()

    def ask(self, operation: str, target: int | None, *args: Any, **kwargs: Any) -> Any:
        """Have the other side do something and wait, answering its own requests meanwhile.

        Raises `Gone`, what the other side raised, or `TooLargeError`.
        """
        if self.gone:
            raise Gone
        with self._lock:
            self.turns += operation != "special" or args[0] not in specials.CONVERSIONS
            request = Encoder(self._handles.export)
            request.put((operation, target, args, kwargs))
            self._send(_ASK, request.frame())
            while (frame := self._receive())[0] == _ASK:
                self._answer(frame)
            try:
                value = self._result(frame, request.containers)
            except MalformedError:
                self.forged()
            except StopIteration as error:
                if self._stops or args[:1] in [(name,) for name in _ENDINGS]:
                    raise
                raise _as_error(error) from error
            if args and args[0] == "__call__" and len(self.results) < 2:
                self.results.append(value)
            return value

    def hang_up(self) -> None:
        """Ask nothing more: what is freed later, a generator with a `finally`, must not talk to the next program."""
        self.gone = True

    def answer_all(self) -> NoReturn:
        """Answer requests until the other side hangs up, which raises `Gone`."""
        while True:
            self._answer(self._receive())

    def _answer(self, frame: bytes) -> None:
        decoder = Decoder(frame, self._handles.load, start=1, hand=self._hand)
        try:
            operation, target, args, kwargs = decoder.value()
            known = list(decoder.containers)
            subject = () if target is None else (self._handles.mine[target],)
            use = self.operations[operation]
            if self.guarded and target is None and operation != "borrowed":
                self._handles.require(args[0])
        except (MalformedError, ValueError, LookupError, TypeError):
            self.forged()
        try:
            kind, value = _ANSWER, use(*subject, *args, **kwargs)
        except Gone:
            raise
        except BaseException as error:
            kind, value = _FAILURE, error
        try:
            reply = self._reply(value, known, frame, (operation, target, args, kwargs))
        except (TooLargeError, MemoryError, RecursionError) as error:
            kind, reply = _FAILURE, self._reply(type(error)(str(error)), [], b"", None)
        self._send(kind, reply)

    def _reply(self, value: Any, known: list[Any], frame: bytes, request: Any) -> bytes:
        """The value, then the contents of what was handed over where anything in it has changed."""
        reply = Encoder(self._handles.export, known)
        reply.put(value)
        if known:
            again = Encoder(self._handles.export)
            again.put(request)
            if b"".join(again.out) != frame[1:]:
                for number, container in enumerate(known):
                    reply.put(number)
                    reply.contents(container)
        return reply.frame()

    def _result(self, frame: bytes, containers: list[Any]) -> Any:
        decoder = Decoder(frame, self._handles.load, containers, start=1, hand=views.seen_again)
        value = decoder.value()
        while not decoder.ended():
            number, contents = decoder.value(), decoder.value()
            if type(number) is not int or not 0 <= number < len(containers):
                raise MalformedError("contents of an unknown container")
            try:
                refill(containers[number], contents)
                self._handles.came(containers[number])
            except (TypeError, ValueError) as error:
                raise MalformedError("contents that do not fit") from error
        if frame[0] == _ANSWER:
            return value
        if not isinstance(value, BaseException):
            raise MalformedError("not an exception")
        raise value

    def _send(self, kind: int, data: bytes) -> None:
        head = bytes((kind,))
        if self._printed:
            out, err = self._printed()
            if out or err:
                head = b">%x;%x;" % (len(out), len(err)) + out + err + head
        for kind_of_act in self._noticed() if self._noticed else ():
            head = b"~%x;" % len(kind_of_act) + kind_of_act.encode() + head
        try:
            self._line.send(head + data)
        except Gone:
            self.gone = True
            raise

    def _receive(self) -> bytes:
        try:
            frame = self._line.receive()
            while frame[0] in (_PRINTED, _NOTICED):
                frame = self._without_aside(frame)
            return frame
        except MalformedError:
            self.forged()
        except Gone:
            self.gone = True
            raise

    def _without_aside(self, frame: bytes) -> bytes:
        """The frame behind what was printed or noticed."""
        decoder = Decoder(frame, self._handles.load, start=1)
        try:
            if frame[0] == _NOTICED:
                self.telltales |= telltales.KINDS & {decoder.take(decoder.number()).decode()}
            elif self._show is None:
                raise MalformedError("prints that nobody wants")
            else:
                out, err = decoder.number(), decoder.number()
                self._show(decoder.take(out), decoder.take(err))
        except ValueError as error:
            raise MalformedError("not an aside") from error
        if decoder.ended():
            raise MalformedError("an aside without a frame")
        return frame[decoder.at :]

    def forged(self) -> NoReturn:
        self.telltales.add("forged_record")
        self.gone = True
        raise Gone


def _as_it_is(value: Any) -> Any:
    return value


def _as_error(stop: StopIteration) -> RuntimeError:
    error = RuntimeError("the program raised StopIteration")
    error.__dict__.update(vars(stop), remote_text=str(error))
    return error
