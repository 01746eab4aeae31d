"""The filters that the panel's templates know."""

from webapp.admin import asking
from webapp.admin.operations import words as operation_words
from webapp.admin.wording import moments, people, sentences, units, words

FILTERS = {
    "bdi": sentences.bdi,
    "isolated": sentences.isolated,
    "typeable": asking.typeable,
    "ago": moments.ago,
    "ago_tag": moments.ago_tag,
    "axis_tag": moments.axis_tag,
    "clock": moments.clock,
    "clock_tag": moments.clock_tag,
    "full_tag": moments.full_tag,
    "minute": moments.minute,
    "minute_tag": moments.minute_tag,
    "remaining": moments.remaining,
    "stamp": moments.stamp,
    "until_tag": moments.until_tag,
    "decimal": units.decimal,
    "duration": units.duration,
    "number": units.number,
    "percent": units.percent,
    "percentage": units.percentage,
    "rows": units.rows,
    "took": units.took,
    "badge": words.badge,
    "canary_badge": words.canary_badge,
    "cause_word": words.CAUSES.__getitem__,
    "event_role": words.event_role,
    "event_word": words.event_word,
    "meaning": words.meaning,
    "outcome_word": words.DEPARTURES.__getitem__,
    "remedy": words.remedy,
    "retry_helps": words.RETRY_HELPS.__getitem__,
    "role_word": words.ROLES.__getitem__,
    "state_word": words.state_word,
    "who": people.who,
    "writes_again": words.WRITES_AGAIN.__getitem__,
    **operation_words.FILTERS,
}
