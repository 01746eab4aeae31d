"""What the API takes: bodies and queries, checked field by field."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from webapp.problems import unwrapped
from webapp.tenants.actors import Via
from webapp.tenants.errors import InvalidRow
from webapp.tenants.naming import (
    MAX_NAME_LENGTH,
    MAX_SLUG_LENGTH,
    MAX_TENANT_ID,
    SLUG_PATTERN,
    clean_name,
    is_slug,
)
from webapp.tenants.pause import MAX_REASON_LENGTH
from webapp.tenants.states import PartitionState, TenantState

MAX_ROWS = 1000


def _slug(value: str) -> str:
    if not is_slug(value):
        raise ValueError(
            "must be lower-case letters and digits, joined by single hyphens, "
            f"at most {MAX_SLUG_LENGTH} characters"
        )
    return value


Name = Annotated[
    StrictStr,
    AfterValidator(clean_name),
    Field(
        description="Kept in Unicode's NFC form, without spaces around it.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_NAME_LENGTH},
    ),
]
Slug = Annotated[
    StrictStr,
    AfterValidator(_slug),
    Field(json_schema_extra={"pattern": f"^{SLUG_PATTERN}$", "maxLength": MAX_SLUG_LENGTH}),
]


class Incoming(BaseModel):
    """A body. Fields that it does not know are refused, so that no typing error is lost."""

    model_config = ConfigDict(extra="forbid")


class NewTenant(Incoming):
    """A tenant to be created. A slug left out is made from the name."""

    name: Name
    slug: Slug | None = None


def _apart(row: object, validate: ValidatorFunctionWrapHandler) -> object:
    """The tenant, or what is wrong with the row: an unusable one must not spoil the others."""
    try:
        return validate(row)
    except ValidationError as error:
        wrong: dict[str, list[str]] = {}
        for each in error.errors():
            field = ".".join(map(str, each["loc"])) or "row"
            wrong.setdefault(field, []).append(unwrapped(each["msg"]))
        return InvalidRow(wrong)


class NewTenants(Incoming):
    """Tenants to be created, each for itself: a row that is unusable is refused alone."""

    tenants: list[Annotated[NewTenant, WrapValidator(_apart)]] = Field(
        min_length=1, max_length=MAX_ROWS
    )

    def rows(self) -> list[NewTenant | InvalidRow]:
        """The rows in their order, the unusable ones as what is wrong with them."""
        return list(self.tenants)


class TenantChange(Incoming):
    """What to change of a tenant: the name, the slug, or both."""

    name: Name | SkipJsonSchema[None] = None
    slug: Slug | SkipJsonSchema[None] = None

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
    """A pause of all provisioning, with the reason that everybody will see."""

    reason: StrictStr | SkipJsonSchema[None] = Field(None, max_length=MAX_REASON_LENGTH)


class Paging(BaseModel):
    """Which page. Unknown parameters are refused; an empty one counts as left out."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="At most so many items.")
    cursor: str | SkipJsonSchema[None] = Field(
        None, max_length=100, description="The next_cursor of an earlier answer."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_ones(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != ""}


class AuditQuery(Paging):
    """Which entries of the audit. An actor's e-mail address or token's name is enough."""

    actor: str = Field("", max_length=255, description="`user:a@b.c`, `token:ci` or `cli`.")
    action: str = Field("", max_length=64, description="Such as `tenant.rename`.")
    tenant_id: int | SkipJsonSchema[None] = Field(None, ge=1, le=MAX_TENANT_ID)
    via: Via | SkipJsonSchema[None] = Field(None, description="By which road it came.")
    q: str = Field("", max_length=255, description="A part of anything that an entry says.")
    request_id: str = Field("", max_length=64)
    since: datetime | SkipJsonSchema[None] = Field(None, description="UTC where no zone is given.")
    until: datetime | SkipJsonSchema[None] = Field(None, description="UTC where no zone is given.")

    @field_validator("tenant_id", mode="before")
    @classmethod
    def _is_number(cls, value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(MAX_TENANT_ID))):
            raise ValueError("must be the number of a tenant")
        return int(value)

    @field_validator("via", mode="before")
    @classmethod
    def _is_road(cls, value: str) -> Via:
        if value not in set(Via):
            raise ValueError(f"must be one of {', '.join(Via)}")
        return Via(value)

    @field_validator("since", "until", mode="before")
    @classmethod
    def _is_moment(cls, value: str) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                "must be a time after RFC 3339, such as 2026-03-01T09:30:00Z"
            ) from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @field_validator("actor", "action", "q", "request_id")
    @classmethod
    def _is_text(cls, value: str) -> str:
        return clean_name(value) if value.strip() else ""


class TenantQuery(Paging):
    """Which tenants. Deleted ones are listed only by status deleted, removing or removed."""

    status: PartitionState | TenantState | SkipJsonSchema[None] = Field(
        None, description="A partition's status, or `active` or `deleted`."
    )
    q: str = Field("", max_length=255, description="The number, or a part of the name or the slug.")

    @field_validator("status", mode="before")
    @classmethod
    def _is_status(cls, value: str) -> PartitionState | TenantState:
        for kind in (PartitionState, TenantState):
            if value in set(kind):
                return kind(value)
        raise ValueError(f"must be one of {', '.join([*PartitionState, *TenantState])}")

    @field_validator("q")
    @classmethod
    def _is_text(cls, value: str) -> str:
        return clean_name(value) if value.strip() else ""
