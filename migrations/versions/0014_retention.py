"""retention: merged entries, pruning, and the two changes that the audit permits

`partition_event` gets two columns without being rewritten. The audit's triggers refuse every change
but two, each only by a row of `audit_permit` in the same transaction, which names the audit entry
that records the change:

- entries older than the permit's `cut_off`, and never younger than 30 days, may be deleted;
- a person's name may be replaced by the permit's `pseudonym`, and an address removed.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

REFUSAL = "the audit is only ever added to"
PERMITTED = """
    EXISTS (SELECT 1 FROM audit_permit AS permit JOIN audit_entry AS entry
    ON entry.id = permit.entry_id WHERE entry.action = '{action}' AND {condition})
"""
PRUNED = "old.at < permit.cut_off AND old.at < {month_ago}"
# `{same}` is the comparison in which NULL equals NULL.
ERASED = """
    permit.pseudonym IS NOT NULL
    AND new.id = old.id AND new.at = old.at AND new.action = old.action
    AND new.via {same} old.via AND new.tenant_id {same} old.tenant_id
    AND new.request_id {same} old.request_id
    AND (new.address IS NULL OR new.address {same} old.address)
"""
NAMED = (
    " AND (new.{column} {same} old.{column} OR new.{column} LIKE '%' || permit.pseudonym || '%')"
)
TEXTS = ("actor", "target", "before", "after")
DIALECTS = {
    "sqlite": {"same": "IS", "month_ago": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days')"},
    "postgresql": {"same": "IS NOT DISTINCT FROM", "month_ago": "now() - interval '30 days'"},
}


def upgrade() -> None:
    op.add_column(
        "partition_event", sa.Column("count", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column("partition_event", sa.Column("first_at", MOMENT, nullable=True))
    op.create_table(
        "retention",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("cut_off", MOMENT, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("pruned", sa.Integer(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("entry_id", NUMBER, nullable=True),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_retention")),
    )
    op.create_table(
        "pruned_timeline",
        sa.Column("tenant_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("pruned_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_pruned_timeline")),
    )
    op.create_table(
        "audit_permit",
        sa.Column("entry_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("cut_off", MOMENT, nullable=True),
        sa.Column("pseudonym", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_permit")),
    )
    _drop_triggers()
    _execute(_permitting())


def downgrade() -> None:
    _drop_triggers()
    _execute(_refusing())
    op.drop_table("audit_permit")
    op.drop_table("pruned_timeline")
    op.drop_table("retention")
    op.drop_column("partition_event", "first_at")
    op.drop_column("partition_event", "count")


def _dialect() -> str:
    return op.get_bind().dialect.name


def _execute(statements: list[str]) -> None:
    # Not as text: a `:` in a statement names no parameter.
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _drop_triggers() -> None:
    if _dialect() == "sqlite":
        _execute([f"DROP TRIGGER audit_entry_no_{verb}" for verb in ("update", "delete")])
    else:
        _execute(["DROP FUNCTION refuse_change_of_audit() CASCADE"])


def _permitting() -> list[str]:
    words = DIALECTS[_dialect()]
    condition = ERASED + "".join(NAMED.replace("{column}", each) for each in TEXTS)
    erased = PERMITTED.format(action="user.erase", condition=condition.format(**words))
    pruned = PERMITTED.format(action="audit.prune", condition=PRUNED.format(**words))
    if _dialect() == "sqlite":
        return [
            f"CREATE TRIGGER audit_entry_no_{verb.lower()} BEFORE {verb} ON audit_entry "
            f"WHEN NOT {permitted} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            for verb, permitted in {"UPDATE": erased, "DELETE": pruned}.items()
        ]
    body = (
        f"IF TG_OP = 'DELETE' THEN IF {pruned} THEN RETURN old; END IF; "
        f"ELSIF TG_OP = 'UPDATE' THEN IF {erased} THEN RETURN new; END IF; END IF; "
        f"RAISE EXCEPTION '{REFUSAL}';"
    )
    # Two triggers: TRUNCATE has no rows.
    return [
        _postgresql_function(body),
        "CREATE TRIGGER audit_entry_only_added_to BEFORE UPDATE OR DELETE ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()",
        "CREATE TRIGGER audit_entry_not_truncated BEFORE TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()",
    ]


def _refusing() -> list[str]:
    """The triggers of revision 0004."""
    if _dialect() == "sqlite":
        return [
            f"CREATE TRIGGER audit_entry_no_{verb.lower()} BEFORE {verb} ON audit_entry "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        _postgresql_function(f"RAISE EXCEPTION '{REFUSAL}';"),
        "CREATE TRIGGER audit_entry_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()",
    ]


def _postgresql_function(body: str) -> str:
    # psycopg reads a lone % as the begin of a parameter.
    text = body.replace("%", "%%")
    return (
        "CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {text} END $$"
    )
