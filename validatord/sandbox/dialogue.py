"""What an MX host answers, command by command: the conversation without a socket.

One `Dialogue` per session. It knows nothing of bytes, bursts and time on the wire; that is `wire`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from validatord.sandbox.mailboxes import MailboxState
from validatord.sandbox.personality import TLS
from validatord.sandbox.scene import After, Answer, Envelope, Scene

# RFC 5321 4.1.2; the local part may be quoted, the domain is everything after the last "@".
_PATH = re.compile(r"(?i)(?:MAIL FROM|RCPT TO):<(?:([^<>\r\n]*)@([^<>@\s]+))?>((?: \S+)*)\s*")
_ALARMING = frozenset({"DATA", "BDAT", "VRFY", "EXPN", "AUTH", "TURN", "ETRN"})
_NO_WORDS: Mapping[str, str] = MappingProxyType({})
_MAIL_VERBS = frozenset({"MAIL", "RCPT", "DATA", "QUIT"})


@dataclass(slots=True)
class Dialogue:
    """One session of one client with one MX host."""

    scene: Scene
    helo: str = ""
    is_esmtp: bool = False
    is_tls: bool = False
    envelope: Envelope | None = None
    is_mail_refused: bool = False
    asked: int = 0  # RCPT commands of the session
    refused: int = 0
    others: int = 0  # commands that have nothing to do with a message
    resets: int = 0
    _verbs: dict[str, Callable[[str], Answer]] = field(init=False)

    def __post_init__(self) -> None:
        self._verbs = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "RSET": self._rset,
            "NOOP": lambda _: Answer("250 2.0.0 Ok"),
            "QUIT": lambda _: self._say("bye", after=After.CLOSE),
        }

    @property
    def may_pipeline(self) -> bool:
        """Whether this session was offered PIPELINING: only an answer to EHLO can (RFC 2920)."""
        return self.is_esmtp and self.scene.personality.offers_pipelining

    def greet(self) -> Answer:
        """Return the greeting, or what stands in its place."""
        scene, limits = self.scene, self.scene.personality.limits
        if fixed := self._fixed("CONNECT"):
            return fixed
        if limits.sessions and scene.open_sessions > limits.sessions:
            return self._say("too_many_sessions", after=After.CLOSE)
        if limits.unknown_users and scene.provider.unknown_users[scene.client] >= limits.unknown_users:
            return self._say("blocked", after=After.CLOSE)
        return self._say("greeting")

    def handle(self, line: str) -> Answer:
        """Answer one command."""
        verb = line[:8].partition(" ")[0].strip().upper()
        is_known = verb in self._verbs or verb in _ALARMING
        self.scene.tally.command(verb if is_known else "?")
        # What is fixed for MAIL and RCPT is said once their path is read, and the recipient counted.
        fixed = self._fixed(verb) if verb not in {"MAIL", "RCPT"} else None
        answer = fixed or self._count_other(verb) or self._answer(verb, line)
        if self._is_slow:
            answer = Answer(answer.text, answer.wait + 1, answer.after)
        return self._close_if_impatient(answer)

    def out_of_turn(self, kind: str) -> Answer | None:
        """Note a command that came before its turn; strict hosts end the session over it."""
        self.scene.tally.complaint(kind)
        return self._say("out_of_turn", after=After.CLOSE) if self.scene.personality.is_strict_about_turns else None

    def idle(self) -> Answer:
        """Return what is said to a client that says nothing."""
        return self._say("idle", after=After.CLOSE)

    def tls_established(self) -> None:
        """Begin again, encrypted: RFC 3207 4.2 forgets everything learned before."""
        self.is_tls, self.is_esmtp, self.helo, self.envelope = True, False, "", None
        self.scene.tally.handshake()

    # --- the commands ------------------------------------------------------------------------------

    def _answer(self, verb: str, line: str) -> Answer:
        if verb in _ALARMING:
            self.scene.tally.alarm()
            return self._say("not_here")
        if handler := self._verbs.get(verb):
            return handler(line)
        return self._complain("unknown_command", "unknown_command")

    def _ehlo(self, line: str) -> Answer:
        self._greeted(line)
        self.is_esmtp = True
        keywords = self.scene.personality.keywords
        if self.scene.personality.tls is not TLS.NONE and not self.is_tls:
            keywords = (*keywords, "STARTTLS")
        lines = [self.scene.host, *keywords]
        return Answer("\n".join([f"250-{word}" for word in lines[:-1]] + [f"250 {lines[-1]}"]))

    def _helo(self, line: str) -> Answer:
        self._greeted(line)
        self.is_esmtp = False
        return self._say("helo")

    def _greeted(self, line: str) -> None:
        self.helo = line[5:].strip()
        self.envelope, self.is_mail_refused = None, False

    def _starttls(self, line: str) -> Answer:
        tls = self.scene.personality.tls
        if tls is TLS.NONE or self.is_tls or not self.is_esmtp or line.strip().upper() != "STARTTLS":
            return self._complain("unknown_command", "starttls_not_offered")
        if tls is TLS.UNAVAILABLE:
            return Answer("454 4.7.0 TLS not available due to local problem")
        return self._say("tls_ready", after=After.TLS)

    def _mail(self, line: str) -> Answer:
        self.is_mail_refused = True  # until accepted below
        if not self.helo:
            return self._complain("helo_first", "sequence")
        if self.envelope is not None:
            return self._complain("nested", "sequence")
        path = _PATH.fullmatch(line)
        if path is None:
            return self._complain("bad_sender", "syntax")
        return self._accept_sender(path)

    def _accept_sender(self, path: re.Match[str]) -> Answer:
        personality = self.scene.personality
        sender = f"{path[1]}@{path[2]}" if path[2] else ""
        has_smtputf8 = "SMTPUTF8" in path[3].upper().split()
        if fixed := self._fixed("MAIL", {"sender": sender}):
            return fixed
        if personality.tls is TLS.REQUIRED and not self.is_tls:
            return self._say("need_tls")
        if has_smtputf8 and not personality.offers_smtputf8:
            return self._complain("bad_sender", "smtputf8_not_offered")
        if not sender and personality.null_sender:
            return Answer(personality.null_sender)
        self.envelope, self.is_mail_refused = Envelope(sender, has_smtputf8), False
        return self._say("mail", {"sender": sender})

    def _rset(self, _line: str) -> Answer:
        self.resets += 1
        self.envelope, self.is_mail_refused = None, False
        return self._say("reset")

    def _rcpt(self, line: str) -> Answer:
        path = _PATH.fullmatch(line)
        if path is None or not path[2]:
            return self._complain("bad_recipient", "syntax")
        local_part, domain = path[1], path[2].lower()
        rcpt = f"{local_part}@{domain}"
        self.scene.tally.rcpt(rcpt)
        self.asked += 1
        if self.envelope is None:
            # After a refused MAIL the rest of a pipelined group arrives all the same: no breach (RFC 2920 3.1).
            return self._say("mail_first") if self.is_mail_refused else self._complain("mail_first", "sequence")
        answer = self._before_mailbox(self.envelope, local_part, domain) or self._mailbox(local_part, domain)
        if answer.is_refusal:
            self.refused += 1
            self.scene.tally.refusal()
        else:
            self.envelope.accepted += 1
            self.envelope.domain = domain
        return answer

    # --- what is said to a recipient -----------------------------------------------------------------

    def _before_mailbox(self, envelope: Envelope, local_part: str, domain: str) -> Answer | None:
        """Return what is said without looking at the mailbox, or None."""
        personality, limits = self.scene.personality, self.scene.personality.limits
        words = {"rcpt": f"{local_part}@{domain}", "local": local_part, "domain": domain}
        if fixed := self._fixed("RCPT", words):
            return fixed
        if limits.rcpt_per_session and self.asked > limits.rcpt_per_session:
            return self._say("shutdown", after=After.CLOSE)
        if not local_part.isascii() and not envelope.has_smtputf8:
            return self._complain("need_smtputf8", "smtputf8_missing")
        if limits.rcpt_per_envelope and envelope.accepted >= limits.rcpt_per_envelope:
            return self._say("too_many_recipients", words)
        if personality.is_one_domain_per_envelope and envelope.domain not in {"", domain}:
            return self._say("other_domain", words)
        return self._turned_away(envelope, words)

    def _turned_away(self, envelope: Envelope, words: dict[str, str]) -> Answer | None:
        scene, greylist = self.scene, self.scene.personality.greylist
        if scene.find_state(words["local"], words["domain"]) is None:
            scene.tally.complaint("misdirected")
            return self._say("relay", words)
        # Before the mailbox is looked up, as many do: a greylisted stranger looks like a greylisted user.
        triplet = scene.client, envelope.sender, words["rcpt"]
        if greylist and scene.memory.is_greylisted(greylist, triplet):
            return self._say("greylisted", words)
        per_minute = scene.personality.limits.rcpt_per_minute
        if per_minute and scene.provider.is_too_fast(scene.client, per_minute):
            return self._say("rate", words)
        return None

    def _mailbox(self, local_part: str, domain: str) -> Answer:
        scene, waits = self.scene, self.scene.personality.waits
        state = scene.find_state(local_part, domain) or MailboxState.UNKNOWN
        text = scene.personality.phrases.of_state(state)
        answer = self._format(text, {"rcpt": f"{local_part}@{domain}", "local": local_part, "domain": domain})
        wait = waits.slow_mailbox if state is MailboxState.SLOW else 0.0
        if state is MailboxState.UNKNOWN:
            scene.provider.unknown_users[scene.client] += 1
        return Answer(answer, wait + (waits.refusal if answer[0] in "45" else 0.0))

    # --- patience ------------------------------------------------------------------------------------

    @property
    def _is_slow(self) -> bool:
        limit = self.scene.personality.limits.refusals_until_slow
        return bool(limit) and self.refused > limit

    def _count_other(self, verb: str) -> Answer | None:
        limit = self.scene.personality.limits.nonmail
        is_free = verb in _MAIL_VERBS or (verb == "RSET" and not self.resets) or (verb == "EHLO" and not self.helo)
        if not limit or is_free:
            return None
        self.others += 1
        return self._say("too_many_others", after=After.CLOSE) if self.others > limit else None

    def _close_if_impatient(self, answer: Answer) -> Answer:
        limits = self.scene.personality.limits
        if answer.after is not After.GO_ON:
            return answer
        if limits.refusals and self.refused >= limits.refusals:
            return Answer(answer.text, answer.wait, After.CLOSE)
        if limits.refusals_until_421 and self.refused >= limits.refusals_until_421:
            farewell = self._say("too_many_errors").text
            return Answer(f"{answer.text}\n{farewell}", answer.wait, After.CLOSE)
        return answer

    # --- words ---------------------------------------------------------------------------------------

    def _fixed(self, verb: str, words: Mapping[str, str] = _NO_WORDS) -> Answer | None:
        personality = self.scene.personality
        if verb in personality.hang_at:
            return Answer("", after=After.HANG)
        if verb in personality.drop_at:
            return Answer("", after=After.CLOSE)
        text = dict(personality.fixed).get(verb)
        if text is None:
            return None
        is_farewell = verb == "CONNECT" or text.startswith(("421", "521"))
        is_end = is_farewell and text[:1] in {"4", "5"}
        return Answer(self._format(text, words), after=After.CLOSE if is_end else After.GO_ON)

    def _complain(self, phrase: str, kind: str) -> Answer:
        self.scene.tally.complaint(kind)
        return self._say(phrase)

    def _say(self, phrase: str, words: Mapping[str, str] = _NO_WORDS, *, after: After = After.GO_ON) -> Answer:
        return Answer(self._format(str(getattr(self.scene.personality.phrases, phrase)), words), after=after)

    def _format(self, text: str, words: Mapping[str, str]) -> str:
        if "{" not in text:
            return text
        sender = self.envelope.sender if self.envelope else ""
        known = {"host": self.scene.host, "client": self.scene.client, "helo": self.helo, "sender": sender}
        return text.format_map({"rcpt": "", "local": "", "domain": "", **known, **words})
