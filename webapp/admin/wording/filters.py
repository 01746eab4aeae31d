"""The filters of the panel's templates."""

from webapp.admin import lookups
from webapp.admin.operations import labels as operation_words
from webapp.admin.wording import actors, brakes, labels, markup, reports, times, units

FILTERS = {
    "bdi": markup.bdi,
    "isolated": markup.isolated,
    "typeable": lookups.typeable,
    "ago": times.ago,
    "ago_tag": times.ago_tag,
    "axis_tag": times.tag,
    "clock_tag": times.clock_tag,
    "full_tag": times.full_tag,
    "minute_tag": times.minute_tag,
    "remaining": times.remaining,
    "until_tag": times.until_tag,
    "decimal": units.decimal,
    "duration": units.duration,
    "number": units.number,
    "percentage": units.percentage,
    "rows": units.rows,
    "took": units.took,
    "badge": labels.badge,
    "brake_effect": brakes.EFFECTS.__getitem__,
    "brake_title": brakes.title,
    "canary_badge": labels.canary_badge,
    "checked": reports.checked,
    "reported": reports.reported,
    "cause_word": labels.CAUSES.__getitem__,
    "event_role": labels.event_role,
    "event_word": labels.event_word,
    "meaning": labels.meaning,
    "outcome_word": labels.DEPARTURES.__getitem__,
    "remedy": labels.remedy,
    "retry_helps": labels.RETRY_HELPS.__getitem__,
    "role_word": labels.ROLES.__getitem__,
    "state_word": labels.state_word,
    "who": actors.who,
    "writes_again": labels.WRITES_AGAIN.__getitem__,
    **operation_words.FILTERS,
}
