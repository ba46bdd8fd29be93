"""Is the domain a slip of another one? What DNS says of both decides whether the other is suggested."""

from validatord.mail.mx import DomainMail, MXAnswer
from validatord.verification.context import Tools, Visit


async def look_up_mails(visit: Visit, mx: MXAnswer, tools: Tools) -> dict[str, DomainMail]:
    """Return what is known of the domain's mail and, where it looks like a slip, of the one that was meant."""
    answers = [mx]
    better = tools.lists.suggester.find_better(visit.domain)
    if better:
        answers.append(await tools.lookup.lookup(better))
    return {answer.domain: mail for answer in answers if (mail := answer.mail) is not None}
