"""Bodies and queries of the API, validated field by field."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from webapp.api.errors import faults_in
from webapp.errors import UNUSABLE_CURSOR, InvalidRow
from webapp.models.audit import Via
from webapp.models.naming import (
    MAX_NAME_LENGTH,
    MAX_SLUG_LENGTH,
    MAX_TENANT_ID,
    SLUG_PATTERN,
    clean_name,
    clean_slug,
)
from webapp.models.states import PartitionState, TenantState
from webapp.partitions.pause import MAX_REASON_LENGTH
from webapp.texts import (
    FOLDED_TEXT,
    MAX_DIGITS,
    SHOWN_TEXT,
    TextFault,
    UnusableText,
    clause,
    clean_text,
    folded,
    whole_number,
)
from webapp.times import parse_moment

MAX_ROWS = 1000
MOMENT = "UTC where no zone is given."

Schema = dict[str, Any]


def _name(value: str) -> str:
    _bound(value, MAX_NAME_LENGTH)
    return clean_name(value)


def _reason(value: str) -> str:
    _bound(value, MAX_REASON_LENGTH)
    return clean_text(folded(value), MAX_REASON_LENGTH, may_be_empty=True)


def _bound(value: str, most: int) -> None:
    """Apply the described maximum, which counts surrounding spaces."""
    if len(unicodedata.normalize("NFC", value)) > most:
        raise UnusableText(TextFault.TOO_LONG, most=most)


def _whole_number(value: str) -> int:
    number = whole_number(value)
    if number is None:
        raise ValueError("must be a whole number")
    return number


def _cursor(value: str) -> str:
    if whole_number(value) is None:
        raise ValueError(clause(UNUSABLE_CURSOR))
    return value


def _never_null(schema: Schema) -> None:
    """Describe a field that may be left out, but not null.

    For pydantic it is nullable: in a union, branches would appear in the names of errors.
    """
    schemas = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
    schema.update(schemas[0] if len(schemas) == 1 else {"anyOf": schemas})


Name = Annotated[
    StrictStr,
    AfterValidator(_name),
    Field(
        description="Kept in Unicode's NFC form, without white space around it. Control "
        "characters and characters that draw nothing are refused.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": SHOWN_TEXT},
    ),
]
Slug = Annotated[
    StrictStr,
    AfterValidator(clean_slug),
    Field(json_schema_extra={"pattern": f"^{SLUG_PATTERN}$", "maxLength": MAX_SLUG_LENGTH}),
]
Reason = Annotated[
    StrictStr,
    AfterValidator(_reason),
    Field(
        description="Each run of white space is kept as one space.",
        json_schema_extra={"maxLength": MAX_REASON_LENGTH, "pattern": FOLDED_TEXT},
    ),
]
Cursor = Annotated[
    str,
    AfterValidator(_cursor),
    Field(
        description="The next_cursor of an earlier answer.",
        json_schema_extra={"pattern": f"^[0-9]{{1,{MAX_DIGITS}}}$"},
    ),
]
WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
TenantNumber = Annotated[int, Field(ge=1, le=MAX_TENANT_ID), BeforeValidator(_whole_number)]
Text = Annotated[str, Field(max_length=255)]


class Incoming(BaseModel):
    """Input of a caller. Unknown fields are refused, so that no typing error is lost."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The validated input.

        Raises:
            InvalidRow: with the faults of each field.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise InvalidRow(faults_in(error)) from None


class NewTenant(Incoming):
    """A tenant to be created. A slug left out is made from the name."""

    name: Name
    slug: Slug | None = None


def _validate_row(row: object, validate: ValidatorFunctionWrapHandler) -> object:
    """The tenant, or the faults of the row, so that one row does not spoil the others."""
    try:
        return validate(row)
    except ValidationError as error:
        return InvalidRow(faults_in(error, whole="row"))


class NewTenants(Incoming):
    """Tenants to be created, each for itself: a row that is unusable is refused alone."""

    tenants: list[Annotated[NewTenant, WrapValidator(_validate_row)]] = Field(
        min_length=1, max_length=MAX_ROWS
    )

    def rows(self) -> list[NewTenant | InvalidRow]:
        """The rows in order, an unusable one as its faults."""
        return list(self.tenants)


class TenantChange(Incoming):
    """What to change of a tenant: the name, the slug, or both."""

    name: Name | None = Field(None, json_schema_extra=_never_null)
    slug: Slug | None = Field(None, json_schema_extra=_never_null)

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @field_validator("name", "slug", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("cannot be taken away; leave it out to keep it")
        return value

    @model_validator(mode="after")
    def _one_is_given(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give a name, a slug or both")
        return self


class PauseOrder(Incoming):
    """A pause of all provisioning, with the reason that every user will see."""

    reason: Reason | None = None


class Paging(Incoming):
    """Which page. Unknown parameters are refused; an empty one counts as left out."""

    limit: WholeNumber = Field(50, ge=1, le=200, description="The most items in one answer.")
    cursor: Cursor | None = Field(None, json_schema_extra=_never_null)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_ones(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}


class AuditQuery(Paging):
    """Which entries of the audit. An actor's e-mail address or token's name is enough."""

    actor: Text = Field("", description="`user:a@b.c`, `token:ci` or `cli`.")
    action: Text = Field("", description="Such as `tenant.rename`.")
    tenant_id: TenantNumber | None = Field(None, json_schema_extra=_never_null)
    via: Via | None = Field(
        None, description="The interface of the request.", json_schema_extra=_never_null
    )
    q: Text = Field("", description="A part of anything that an entry says.")
    request_id: Text = ""
    since: datetime | None = Field(None, description=MOMENT, json_schema_extra=_never_null)
    until: datetime | None = Field(None, description=MOMENT, json_schema_extra=_never_null)

    @field_validator("via", mode="before")
    @classmethod
    def _is_interface(cls, value: str) -> Via:
        if value not in set(Via):
            raise ValueError(f"must be one of {', '.join(Via)}")
        return Via(value)

    @field_validator("since", "until", mode="before")
    @classmethod
    def _is_moment(cls, value: str) -> datetime:
        return parse_moment(value)


class TenantQuery(Paging):
    """Which tenants. Deleted ones are listed only by status deleted, removing or removed."""

    status: PartitionState | TenantState | None = Field(
        None,
        description="A partition's status, or `active` or `deleted`.",
        json_schema_extra=_never_null,
    )
    q: Text = Field("", description="The number, or a part of the name or the slug.")

    @field_validator("status", mode="before")
    @classmethod
    def _is_status(cls, value: str) -> PartitionState | TenantState:
        for kind in (PartitionState, TenantState):
            if value in set(kind):
                return kind(value)
        raise ValueError(f"must be one of {', '.join([*PartitionState, *TenantState])}")
